"""PDM: the card's invariants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from innerlight.backbones import Backbone
from innerlight.methods.retrieval.pdm import PdmConfig, pdm, similarity
from innerlight.sampling import Appearance
from innerlight.types import InputError
from innerlight.world import render, sample, truth

SIZE = (64, 96)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [render(sample(seed), 64, 96).picture for seed in (3, 4, 5)]


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    return truth.instances(render(sample(3), 64, 96)) == 1


def seen(seed: int, cells: int = 12, channels: int = 7) -> Appearance:
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(cells, channels, generator=generator) for _ in range(3)]
    return Appearance(*parts, torch.randn(5, channels, generator=generator), (3, 4), (30, 40))


INSIDE = torch.tensor([True, False, True] * 4)


def test_the_mean_of_products_is_the_product_with_the_mean():
    one, other = seen(0), seen(1)
    plain = torch.stack([other.look @ one.look[k] for k in INSIDE.nonzero().flatten()]).mean(0)
    assert torch.allclose(similarity(one, INSIDE, other, None).flatten(), plain, atol=1e-6)


def test_a_word_counts_half():
    one, other, tokens = seen(0), seen(1), torch.tensor([2, 3])
    look = similarity(one, INSIDE, other, None)
    meaning = F.cosine_similarity(other.words[:, None], other.prompt[tokens][None], dim=2).mean(1).view(3, 4)
    assert torch.allclose(similarity(one, INSIDE, other, tokens), (look + meaning) / 2, atol=1e-6)


def test_one_pixel_finds_itself():
    one = seen(0)
    for cell in (0, 5, 11):
        inside = torch.zeros(12, dtype=torch.bool)
        inside[cell] = True
        assert similarity(one, inside, one, None).argmax() == cell


def test_the_order_of_the_gallery_changes_no_score(small: Backbone, pictures: list[np.ndarray], mask: np.ndarray):
    there = pdm(small, pictures[0], pictures[1:], mask=mask, size=SIZE)
    back = pdm(small, pictures[0], pictures[:0:-1], mask=mask, size=SIZE)
    assert np.allclose(there.scores, back.scores[::-1])
    assert 0 < there.mask(0).mean() < 1


def test_a_word_stands_in_for_a_mask(backbone: Backbone, pictures: list[np.ndarray]):
    found = pdm(backbone, pictures[0], pictures[1:], word="cat", size=SIZE)
    assert found.reference_mask.any()
    assert found.recipe["word"] == "cat"
    assert found.maps[0].word == "cat"


def test_a_mask_wins_over_a_word_for_what_is_looked_for(small: Backbone, pictures: list[np.ndarray], mask: np.ndarray):
    both = pdm(small, pictures[0], pictures[1:], mask=mask, word="cat", size=SIZE)
    assert np.array_equal(both.reference_mask, mask)
    assert not np.allclose(both.scores, pdm(small, pictures[0], pictures[1:], mask=mask, size=SIZE).scores)


def test_shapes_may_differ(backbone: Backbone, pictures: list[np.ndarray], mask: np.ndarray):
    tall = render(sample(6), 96, 48).picture
    found = pdm(backbone, pictures[0], [pictures[1], tall], mask=mask)
    assert [one.image_size for one in found.maps] == [(64, 96), (96, 48)]
    assert np.isfinite(found.scores).all()


def test_one_pass_a_picture(small: Backbone, pictures: list[np.ndarray], mask: np.ndarray, counted: Callable[..., Any]):
    with counted(small) as rows:
        pdm(small, pictures[0], pictures[1:], mask=mask, size=SIZE)
    assert rows == [1, 1, 1]


def test_the_recipe_says_the_models_own_threshold(
    small: Backbone, pictures: list[np.ndarray], mask: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(small, "calibration", {"pdm_threshold": 0.55})
    recipe = pdm(small, pictures[0], pictures[1:], mask=mask, size=SIZE).recipe
    assert (recipe["config"]["threshold"], recipe["size"]) == (0.55, [64, 96])


def test_what_cannot_be_is_refused(small: Backbone, pictures: list[np.ndarray], mask: np.ndarray):
    with pytest.raises(InputError, match="mask=, or the word="):
        pdm(small, pictures[0], pictures[1:])
    with pytest.raises(InputError, match="self-attentions"):
        pdm(small, pictures[0], pictures[1:], PdmConfig(site=9), mask=mask)
    with pytest.raises(InputError, match="expected bool"):
        pdm(small, pictures[0], pictures[1:], mask=mask.T)
