"""The claims of editing methods ask the arms that they name, and drop scenes by their source alone."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.embedded import concepts, edits
from innerlight.embedded.data import COLOUR_NAMES
from innerlight.embedded.oracle import Parsed, Region
from innerlight.methods import get, names

CLAIMS = [claim for name in names("editing") for claim in get(name).claims]


@pytest.fixture
def judged(small: Backbone, monkeypatch: pytest.MonkeyPatch) -> Backbone:
    """A tiny network in two steps, and a judge who always sees each thing in the upper left."""
    mask = np.zeros((64, 64), bool)
    mask[:30, :30] = True

    def parsed(*images: object) -> list[Parsed]:
        chances = {"colour": np.zeros((len(COLOUR_NAMES) + 1, 64, 64))}
        return [Parsed({}, chances, torch.zeros(())) for _ in images]

    def regions_of(source, maps) -> list[Region]:
        return [Region(mask, 0, 0) for _ in source.scene.things]

    monkeypatch.setattr(edits, "regions_of", regions_of)
    monkeypatch.setattr(Parsed, "pose", lambda self, region, judge: "sitting")
    monkeypatch.setattr(edits, "shipped_judge", lambda: None)
    monkeypatch.setattr(concepts, "parsed", parsed)
    monkeypatch.setattr(concepts, "regions_of", regions_of)
    monkeypatch.setattr(concepts, "SEEN", 0.0)  # of a concept's colour, by this judge
    for name in names("editing"):
        module = sys.modules[get(name).function.__module__]
        for judging in (parsed, regions_of):
            if hasattr(module, judging.__name__):
                monkeypatch.setattr(module, judging.__name__, judging)
    monkeypatch.setattr(sys.modules["innerlight.methods.editing.style_mixing"], "JUDGED", 2)
    quick = {"steps": 2, "guidance": 3.0, "p_plus_steps": 1, "textual_inversion_steps": 1}
    return replace(small, calibration=quick)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_scores_the_arms_that_it_names(judged: Backbone, claim):
    scores = next(filter(None, (claim.score(judged, seed) for seed in range(60, 66))))
    arms = {"method", *claim.baselines}
    assert arms <= scores.keys()
    assert all(np.isfinite(value) for value in scores.values())
    if claim.guard is not None:
        assert {f"{arm} edit" for arm in (*arms, "identity")} <= scores.keys()
        assert all(scores[f"{arm} edit"] in (0, 1) for arm in arms)
        if claim.id == "prompt_to_prompt.keep":
            assert scores["identity"] == edits.MOST_DB
            assert scores["method"] < edits.MOST_DB


def test_scenes_whose_source_does_not_show_the_thing_are_dropped(judged: Backbone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(edits, "regions_of", lambda source, maps: [None])
    for claim in get("prompt_to_prompt").claims:
        assert all(claim.score(judged, seed) is None for seed in (70, 71))
