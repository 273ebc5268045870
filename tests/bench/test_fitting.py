"""Fitting: the best value is kept, with what each gave; later settings see it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from innerlight.backbones import Backbone
from innerlight.bench import fitting
from innerlight.bench.fitting import Fit, fit
from innerlight.types import NotFoundError


def test_the_best_value_is_kept(small: Backbone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    seen = []

    def first(backbone: Backbone, seed: int) -> float | None:
        return None if seed % 2 else -abs(backbone.calibration["one"] - 2)

    def second(backbone: Backbone, seed: int) -> float:
        seen.append(backbone.calibration["one"])
        return backbone.calibration["two"]

    monkeypatch.setattr(fitting, "FITS", (Fit("one", (1, 2, 3), first, 4), Fit("two", (5, 6), second, 2)))
    done = []
    found = fit(small, folder=tmp_path, progress=lambda at, of: done.append((at, of)))
    assert (found["one"], found["two"]) == (2, 6)
    assert set(seen) == {2}
    assert found["fitted"]["one"] == {"by value": {"1": -1.0, "2": 0.0, "3": -1.0}, "seeds": "60000..60003"}
    assert done[-1] == (16, 16)
    assert "two" not in fit(small, ["one"], folder=tmp_path)
    assert "one" not in small.calibration


def test_what_was_scored_is_not_scored_again(small: Backbone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    asked = []

    def score(backbone: Backbone, seed: int) -> float:
        asked.append((backbone.calibration["one"], seed))
        if len(asked) == 6:
            raise KeyboardInterrupt
        return backbone.calibration["one"]

    monkeypatch.setattr(fitting, "FITS", (Fit("one", (1, 2), score, 4),))
    with pytest.raises(KeyboardInterrupt):
        fit(small, folder=tmp_path)
    assert fit(small, folder=tmp_path)["one"] == 2
    assert len(asked) == 9  # the one that was broken off, twice
    assert len(set(asked)) == 8


def test_unknown_settings_are_named(small: Backbone, tmp_path: Path):
    with pytest.raises(NotFoundError, match="no setting 'colour'"):
        fit(small, ["colour"], folder=tmp_path)


QUICK = [one for one in fitting.FITS if one.key.startswith(("dift", "diffseg", "pdm"))]


@pytest.mark.parametrize("one", QUICK, ids=lambda one: one.key)
def test_each_scores_a_scene(small: Backbone, one: Fit):
    tried = replace(small, calibration={one.key: one.values[0]})
    scores = [one.score(tried, seed) for seed in range(60_000, 60_004)]
    assert any(score is not None and 0 <= score <= 1 for score in scores)
