"""The measures of the world, on answers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from innerlight.bench import world_scores
from innerlight.bench.evidence import interval
from innerlight.bench.world_scores import QUIZ, legible, write_quiz
from innerlight.types import InputError
from innerlight.world.layout import sample


def test_segments_are_matched_before_they_are_compared():
    true = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    assert world_scores._segments_iou(1 - true, true) == 1.0
    found = np.array([[0, 0, 0, 1], [0, 0, 0, 1]])
    assert world_scores._segments_iou(found, true) == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert world_scores._segments_iou(np.zeros_like(true), true) == pytest.approx(0.25)


def test_the_interval_holds_the_mean_and_narrows_with_more_values():
    values = np.random.default_rng(1).normal(0.4, 0.1, 400)
    low, high = interval(values)
    assert low < values.mean() < high
    wide = interval(values[:20])
    assert high - low < wide[1] - wide[0]


def answered(folder: Path, names: list[str] | str, seed: int = 0) -> Path:
    path = folder / "answers.json"
    path.write_text(json.dumps({"seed": seed, "who": "somebody", "answers": names}))
    return path


def test_a_quiz_is_marked_with_its_synonyms(tmp_path: Path):
    right = [sample(k, count=1).things[0].look.category for k in range(QUIZ)]
    assert legible(answered(tmp_path, right)).value == QUIZ
    other = ["cup" if name == "mug" else "Cube " if name == "cube" else name for name in right]
    assert legible(answered(tmp_path, other)).holds
    wrong = ["spoon"] * 4 + right[4:]
    row = legible(answered(tmp_path, wrong))
    assert row.value == QUIZ - 4
    assert not row.holds
    assert f"{right[0]} as spoon" in row.note


@pytest.mark.parametrize("names", ["cat", [], ["cat"], ["cat"] * 61])
def test_a_quiz_has_sixty_answers(tmp_path: Path, names):
    with pytest.raises(InputError, match="60 answers"):
        legible(answered(tmp_path, names))


def test_quiz_pictures_have_names_that_tell_nothing(tmp_path: Path):
    assert write_quiz(tmp_path, 2, 0) == ["000.png", "001.png"]
    assert {path.name for path in tmp_path.iterdir()} == {"000.png", "001.png"}
