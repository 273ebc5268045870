"""The claims of recognising methods ask the arms that they name."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from innerlight.backbones import Backbone
from innerlight.methods import get, names
from innerlight.methods.correspondence.embedding_correspondence import EmbeddingCorrespondenceConfig

CLAIMS = [
    claim
    for family in ("segmentation", "correspondence", "retrieval")
    for name in names(family)
    for claim in get(name).claims
]


@pytest.fixture
def quick(small: Backbone, monkeypatch: pytest.MonkeyPatch) -> Backbone:
    """Two steps, few prompts, and few clusters."""
    emerdiff = sys.modules["innerlight.methods.segmentation.emerdiff"]
    few = emerdiff.EmerdiffConfig(steps=4, timestep=501, clusters=3, fast=True)
    monkeypatch.setattr(emerdiff, "MEASURED", few)
    plain = get("embedding_correspondence").function
    module = sys.modules[plain.__module__]
    config = EmbeddingCorrespondenceConfig(steps=1, restarts=1, crops=1)
    monkeypatch.setattr(module, "embedding_correspondence", lambda *given, seed: plain(*given[:4], config, seed=seed))
    return replace(small, calibration={"diffseg_threshold": 0.0003})


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_scores_the_arms_that_it_names(quick: Backbone, claim):
    scores = next(filter(None, (claim.score(quick, seed) for seed in range(60, 80))))
    assert {"method", *claim.baselines} == scores.keys() - {"without the word"}
    assert all(np.isfinite(value) and -1 <= value <= 1 for value in scores.values())


def test_the_issue_is_asked_for_at_least_two_hundred_scenes():
    for claim in CLAIMS:
        assert claim.scenes >= 200 or claim.id.startswith("embedding_correspondence"), claim.id
