"""PDM as released: the card's invariants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from innerlight.backbones import Backbone
from innerlight.matching import Features, nearest_cells
from innerlight.methods.retrieval.pdm_voting import PdmVotingConfig, _Picture, pdm_voting, sureness, votes
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


def test_votes_are_counted():
    """A second, plain writing."""
    one, other = seen(0), seen(1)
    heat = torch.zeros(2, 12)
    for row, (own, others) in enumerate(((one.queries, other.queries), (one.keys, other.keys))):
        for k in INSIDE.nonzero().flatten().tolist():
            alike = [float(F.cosine_similarity(own[k], others[c], dim=0)) for c in range(12)]
            for cell in np.argsort(alike)[::-1][:3]:
                heat[row, int(cell)] += 1
        heat[row] /= heat[row].max()
    assert torch.allclose(votes(one, INSIDE, other, 3 / 12).flatten(), heat.mean(0))


def test_one_pixel_finds_itself():
    one = seen(0)
    for cell in (0, 5, 11):
        inside = torch.zeros(12, dtype=torch.bool)
        inside[cell] = True
        assert votes(one, inside, one, 1 / 12).argmax() == cell


def test_a_picture_is_as_sure_as_its_matches_are_alike():
    """A second, plain writing of the score."""
    one, other = (
        _Picture(seen(k), Features(torch.randn(4, 3, 4, generator=torch.Generator().manual_seed(k)), (30, 40)))
        for k in (0, 1)
    )
    places, alike = nearest_cells(one.features, other.features)
    total = []
    for k in INSIDE.nonzero().flatten().tolist():
        there = int(places[k])
        for own, others in (
            (one.attention.queries, other.attention.queries),
            (one.attention.keys, other.attention.keys),
        ):
            total.append(float(alike[k] * F.cosine_similarity(own[k], others[there], dim=0)))
    assert sureness(one, INSIDE, other) == pytest.approx(float(np.mean(total)), abs=1e-6)
    assert sureness(one, INSIDE, one) == pytest.approx(1.0, abs=1e-5)


def test_shapes_may_differ(backbone: Backbone, pictures: list[np.ndarray], mask: np.ndarray):
    tall = render(sample(6), 96, 48).picture
    found = pdm_voting(backbone, pictures[0], [pictures[1], tall], mask=mask)
    assert [one.image_size for one in found.maps] == [(64, 96), (96, 48)]
    assert np.isfinite(found.scores).all()
    assert all(one.values.max() <= 1 and one.values.min() >= 0 for one in found.maps)
    assert 0 < found.mask(0).mean() < 1


def test_a_look_and_two_noises_a_picture(
    small: Backbone, pictures: list[np.ndarray], mask: np.ndarray, counted: Callable[..., Any]
):
    with counted(small) as rows:
        pdm_voting(small, pictures[0], pictures[1:], mask=mask, size=SIZE)
    assert rows == [1, 2] * 3


def test_the_recipe_says_the_models_own_threshold(
    small: Backbone, pictures: list[np.ndarray], mask: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(small, "calibration", {"pdm_voting_threshold": 0.55})
    recipe = pdm_voting(small, pictures[0], pictures[1:], mask=mask, size=SIZE).recipe
    assert (recipe["config"]["threshold"], recipe["size"]) == (0.55, [64, 96])


def test_what_cannot_be_is_refused(small: Backbone, pictures: list[np.ndarray], mask: np.ndarray):
    with pytest.raises(InputError, match="needs the reference's mask"):
        pdm_voting(small, pictures[0], pictures[1:], word="cat")
    with pytest.raises(InputError, match="expected bool"):
        pdm_voting(small, pictures[0], pictures[1:], PdmVotingConfig(), mask=mask.T)


@pytest.mark.parametrize("share", [2.0, -1.0, float("nan")])
def test_a_share_of_cells_is_one(small: Backbone, pictures: list[np.ndarray], mask: np.ndarray, share: float):
    with pytest.raises(InputError, match=r"nearest: expected a share of cells, 0\.\.1"):
        pdm_voting(small, pictures[0], pictures[1:], PdmVotingConfig(nearest=share), mask=mask)
