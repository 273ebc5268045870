"""What teaching claims can be scored, and what it taught is a word like any other to the other methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from innerlight.backbones import Backbone
from innerlight.embedded import concepts
from innerlight.embedded.concepts import concept, taken_from, two_looks
from innerlight.methods import get, names
from innerlight.methods.teaching import dreambooth, dreambooth_lora, p_plus, textual_inversion
from innerlight.prompts import LearnedWord
from innerlight.tuning.adapters import lora_of
from innerlight.tuning.lessons import begun
from innerlight.types import NotFoundError
from innerlight.world import CATEGORIES
from innerlight.world.palette import UNNAMED_COLOURS

CLAIMS = [claim for name in names("teaching") for claim in get(name).claims]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_scores_the_arms_that_it_names(small: Backbone, claim: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(concepts, "DRAWN", 2)
    monkeypatch.setattr(dreambooth, "PRIOR", 2)
    monkeypatch.setattr(p_plus, "FEW", 1)
    for teaching in (textual_inversion, dreambooth_lora):
        monkeypatch.setattr(teaching, "JUDGED", 2)
    monkeypatch.setattr(p_plus, "taken_from", lambda *given: {"class": 1.0, "colour": 0.5, "pattern": 0.0})
    quick = {"steps": 1, **{f"{name}_steps": 1 for name in names("teaching")}}
    model = replace(small, calibration=quick)
    scores = next(filter(None, (claim.score(model, seed) for seed in range(60_000, 60_020))))
    assert {"method", *claim.baselines} <= scores.keys()
    assert all(-1 <= value <= 1 for value in scores.values())


def test_what_is_said_of_a_rank_is_of_a_lora_of_that_rank(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    def ranks(asked: concepts.Concept, model: Backbone, *given: Any) -> dict[str, float]:
        (rank,) = {min(values.shape) for values in lora_of(model).values()}
        return {"likeness": rank / 10, "identity": rank / 20}

    monkeypatch.setattr(concepts.Concept, "judged", ranks)
    monkeypatch.setattr(concepts.Concept, "leaked", lambda asked, model, seed: ranks(asked, model)["likeness"])
    monkeypatch.setattr(dreambooth_lora, "right", lambda model, seed, but: 0.0)
    (claim,) = (one for one in get("dreambooth_lora").claims if one.id.endswith("rank"))
    found = claim.score(replace(small, calibration={"dreambooth_lora_steps": 1}), 60_000)
    assert found["method"] == found["rank 8: leaked"] == 0.8
    assert [found[arm] for arm in claim.baselines] == [0.1, 0.2, 0.4]
    assert found["rank 2: identity"] == 0.1


def test_what_a_picture_shows_is_of_the_one_scene_or_of_the_other():
    pairs = [both for both in (two_looks(seed, 128) for seed in range(60_000, 60_040)) if both]
    assert len(pairs) > 10
    found = [[taken_from(*both, [Image.fromarray(one.picture)]) for one in both] for both in pairs]
    seen = [both for both in found if all(both)]
    assert len(seen) > len(pairs) / 2
    for role in ("class", "colour", "pattern"):
        first, second = (np.mean([both[number][role] for both in seen]) for number in (0, 1))
        assert first > second + 0.5, role


def test_the_inner_places_grow_from_the_coarsest_to_both_sides(backbone: Backbone):
    found = p_plus.splits(backbone)
    strides = [site.grid_stride for site in backbone.places]
    assert 3 <= len(found) <= p_plus.SPLITS + 1
    first, last = found[0]
    assert {one for place, one in enumerate(strides) if first <= place <= last} == {max(strides)}
    for (first, last), (further, later) in pairwise(found):
        assert further <= first <= last <= later
        assert (further, later) != (first, last)
    assert found[-1] != (0, len(strides) - 1), "some are left to the outer caption"


def test_a_concept_has_a_colour_without_a_word_and_the_judge_knows_it():
    asked_for = [concept(seed, 128, ("car", "chair", "dog")) for seed in range(60_000, 60_006)]
    for asked in asked_for:
        assert asked.look.colour in UNNAMED_COLOURS
        assert not set(UNNAMED_COLOURS) & set(asked.words.split())
        assert len(asked.shots) == 5
        assert asked.kept(asked.shots) >= 0.8
        assert asked.alike(asked.shots) > 0.8
        grey = [image.convert("L").convert("RGB") for image in asked.shots]
        assert asked.kept(grey) < 0.5
        others = [image for one in asked_for for image in one.shots if one is not asked]
        assert asked.alike(others) < 0.6


def test_a_judge_that_sees_no_colour_finds_no_concept(monkeypatch: pytest.MonkeyPatch):
    tried: list[str] = []

    def unseen(own: concepts.Concept, pictures: list[Image.Image]) -> float:
        tried.append(own.look.category)
        return 0.0

    monkeypatch.setattr(concepts.Concept, "kept", unseen)
    categories = sorted(CATEGORIES)[:7]  # as many as candidates are apart
    with pytest.raises(NotFoundError, match="the judge does not see the colour of any of 49"):
        concept(60_000, 32, categories, shots=1)
    assert set(tried) == set(categories)


def alike(small: Backbone) -> LearnedWord:
    return LearnedWord("<toy>", begun(small, "car"))


def placed(small: Backbone) -> LearnedWord:
    return LearnedWord("<toy>", tuple(one.expand(len(small.places), -1, -1).clone() for one in begun(small, "car")))


@pytest.mark.parametrize("word", [alike, placed])
def test_a_learned_word_is_a_word_to_other_methods(small: Backbone, word: Callable[[Backbone], LearnedWord]):
    """As that which it has the vectors of: in an edit, as what is looked for, as what is mapped."""
    taught = small.knowing(word(small))
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    edited, found, mapped = [], [], []
    for model, name in ((small, "car"), (taught, "<toy>")):
        shared = {"size": (64, 64), "seed": 1}
        edit = get("prompt_to_prompt").function
        edited.append(edit(model, "a red dog", f"a red {name}", steps=2, guidance=3.0, **shared).latents)
        found.append(get("pdm").function(model, picture, [picture], word=name, **shared).scores)
        daam = get("daam")
        mapped.append(daam.function(model, f"a {name}", [name], daam.config(steps=2), **shared).maps[0][name].values)
    torch.testing.assert_close(*edited, atol=1e-4, rtol=1e-3)
    np.testing.assert_allclose(*found, atol=1e-4)
    np.testing.assert_allclose(*mapped, atol=1e-4)
