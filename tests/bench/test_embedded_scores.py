"""The scores of judge and VAE, on a judge that knows the truth and on one that knows nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from innerlight.bench import embedded_scores
from innerlight.bench.embedded_scores import SCORING, judge_rows, score, vae_rows
from innerlight.bench.evidence import measured, read_rows
from innerlight.embedded.data import MAP_STEP, table_of
from innerlight.embedded.judge import Judge, Reading
from innerlight.embedded.judging import of_pixels
from innerlight.embedded.oracle import world_judge
from innerlight.types import InputError
from innerlight.world import render, sample, truth

SCENES = 8


class Oracle(Judge):
    """Answers from the truth of the scoring scenes, in their order."""

    def forward(self, pictures: Tensor) -> Reading:
        drawn = [render(sample(SCORING + k)) for k in range(len(pictures))]
        thin = (slice(MAP_STEP // 2, None, MAP_STEP),) * 2
        owners = torch.from_numpy(np.stack([truth.instances(one)[thin] for one in drawn])).long()
        things = torch.from_numpy(np.stack([table_of(one) for one in drawn])).long()
        labels = {"part": torch.from_numpy(np.stack([truth.parts(one).labels[thin] for one in drawn])).long()}
        for name in ("category", "colour", "pattern"):
            labels[name] = of_pixels(owners, things, name) + (owners > 0) * (name != "category")
        maps = {name: F.one_hot(values, self.config.maps[name]).permute(0, 3, 1, 2) for name, values in labels.items()}
        nothing = torch.zeros(len(pictures), 1)
        return Reading(maps, nothing, nothing, nothing)


def test_a_judge_that_knows_the_truth_gets_everything_right():
    rows = {row.id: row for row in judge_rows(Oracle(world_judge().config), None, SCENES)}
    assert set(rows) == {"judge.category", "judge.colour", "judge.pattern", "judge.parts_miou"}
    assert all(row.value == 1.0 and row.holds for row in rows.values())


def test_a_judge_that_knows_nothing_does_not_hold():
    torch.manual_seed(0)
    rows = judge_rows(world_judge().eval(), lambda pictures: pictures, SCENES)
    assert {row.id for row in rows} >= {"judge.category_vae", "judge.pattern_vae"}
    assert not any(row.holds for row in rows)


def test_decibels_of_a_known_error():
    rows = {row.id: row for row in vae_rows(lambda pictures: pictures + 0.02, SCENES)}  # 1 % of the range
    assert rows["vae.psnr"].value == pytest.approx(40, abs=1e-3)
    assert rows["vae.psnr_things"].value == pytest.approx(40, abs=1e-3)


def test_where_nothing_is_trained_what_ships_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for of_the_model in ("map_rows", "match_rows", "inversion_rows", "generation_rows"):
        monkeypatch.setattr(embedded_scores, of_the_model, lambda *given: [])
    row = measured("generate.cost", 1.0, 1.15, "<=", n=1, command="x")
    for of_the_model in ("clusters_row", "cost_row"):
        monkeypatch.setattr(embedded_scores, of_the_model, lambda *given: row)
    rows = {row.id: row for row in score(tmp_path / "embedded.json", tmp_path / "runs", scenes=SCENES)}
    assert {"vae.psnr", "judge.category", "judge.category_vae", "judge.identity"} < set(rows)
    assert not any(id.startswith("towers.") for id in rows), "they do not ship"
    assert rows["vae.psnr"].value > 25
    assert rows["judge.category"].value > 0.5


def test_a_model_can_be_measured_alone(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    row = measured("generate.cost", 1.0, 1.15, "<=", n=1, command="x")
    for of_the_model in ("map_rows", "match_rows", "inversion_rows", "generation_rows"):
        monkeypatch.setattr(embedded_scores, of_the_model, lambda model, *given: [replace(row, id=model.name)])
    for of_the_model in ("clusters_row", "cost_row"):
        monkeypatch.setattr(embedded_scores, of_the_model, lambda model, *given: row)
    monkeypatch.setattr(embedded_scores, "judge_rows", lambda *given: [replace(row, id="judge.category")])
    monkeypatch.setattr(embedded_scores, "identity_row", lambda *given: replace(row, id="judge.identity"))
    assert run("embedded", "score", "--model", "pocket-2")[0] == 0
    assert not Path("evidence/embedded.json").exists(), "that is the other model's"
    rows = {row.id: row for row in read_rows(Path("evidence/pocket-2/embedded.json"))}
    assert rows.keys() == {"judge.category", "judge.identity", "pocket-2", "generate.cost"}
    assert {row.command for row in rows.values()} == {"innerlight embedded score --model pocket-2"}


def test_where_nothing_is_trained_and_nothing_ships_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded_scores, "WEIGHTS", tmp_path)
    monkeypatch.setattr(embedded_scores, "JUDGE", tmp_path / "judge.safetensors")
    with pytest.raises(InputError, match="nothing ships; train first"):
        score(tmp_path / "embedded.json", tmp_path)
    assert not (tmp_path / "embedded.json").exists()


@pytest.mark.parametrize("command", ["embedded", "world"])
def test_what_honestly_does_not_hold_is_an_error_with_strict_alone(
    command: str, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """`make bench` goes on behind it."""
    module = f"innerlight.bench.{command}_scores.score"
    monkeypatch.setattr(module, lambda *given, **more: [measured("vae.psnr", 20.0, 33.0, ">=", n=8, command="x")])
    table = str(tmp_path / "table.json")
    assert run(command, "score", "--evidence", table)[0] == 0
    assert run(command, "score", "--evidence", table, "--strict")[0] == 1
