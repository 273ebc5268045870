"""DIFT: the card's invariants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.files import read_picture
from innerlight.methods.correspondence.dift import DiftConfig, dift, features
from innerlight.types import InputError
from innerlight.world import render, sample

SIZE = (64, 96)
QUICK = DiftConfig(draws=2)
POINTS = [(10.5, 8.5), (80.0, 60.0)]


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [render(sample(seed), 64, 96).picture for seed in (3, 4)]


def test_the_same_picture_and_noise_match_every_cell_with_itself(backbone: Backbone, pictures: list[np.ndarray]):
    from innerlight.matching import nearest_cells

    one = features(backbone, read_picture(pictures[0]), QUICK, size=SIZE, seed=5)
    again = features(backbone, read_picture(pictures[0]), QUICK, size=SIZE, seed=5)
    places, scores = nearest_cells(one, again)
    assert torch.equal(places, torch.arange(len(places)))
    assert torch.allclose(scores, torch.ones(len(scores)), atol=1e-5)


def test_points_land_in_targets_of_any_shape(small: Backbone, pictures: list[np.ndarray]):
    tall = render(sample(5), 96, 48).picture
    found = dift(small, pictures[0], [pictures[1], tall], POINTS, QUICK)
    assert found.found.shape == (2, 2, 2)
    assert (found.found[0] <= [96, 64]).all()
    assert (found.found[1] <= [48, 96]).all()
    assert ((found.scores <= 1.0001) & (found.scores >= -1.0001)).all()
    assert found.recipe["config"]["draws"] == 2


def test_without_points_mutual_cells_are_matched(small: Backbone, pictures: list[np.ndarray]):
    found = dift(small, pictures[0], pictures[1], None, QUICK, size=SIZE)
    assert 0 < len(found.points) <= 8 * 12
    with pytest.raises(InputError, match="2 targets"):
        dift(small, pictures[0], pictures, None, QUICK)


def test_passes_are_the_draws_of_each_picture(small: Backbone, pictures: list[np.ndarray], counted: Callable[..., Any]):
    with counted(small) as rows:
        dift(small, pictures[0], pictures[1], POINTS, DiftConfig(draws=6), size=SIZE)
    assert rows == [4, 2, 4, 2]


def test_the_prompt_and_the_timestep_count(
    small: Backbone, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
):
    plain = dift(small, pictures[0], pictures[1], POINTS, QUICK)
    assert not np.allclose(plain.scores, dift(small, pictures[0], pictures[1], POINTS, QUICK, prompt="a cat").scores)
    monkeypatch.setattr(small, "calibration", {"dift_timestep": 101})
    own = dift(small, pictures[0], pictures[1], POINTS, QUICK)
    assert np.array_equal(own.scores, dift(small, pictures[0], pictures[1], POINTS, DiftConfig(101, draws=2)).scores)
    assert not np.array_equal(own.scores, plain.scores)
    assert (own.recipe["config"]["timestep"], own.recipe["size"]) == (101, None)
    assert dift(small, pictures[0], pictures[1], POINTS, QUICK, size=SIZE).recipe["size"] == [64, 96]


def test_points_outside_are_refused(small: Backbone, pictures: list[np.ndarray]):
    with pytest.raises(InputError, match="outside its picture of 96 x 64"):
        dift(small, pictures[0], pictures[1], [(97, 3)], QUICK)


@pytest.mark.parametrize("points", [[(1, 2), (3,)], [("a", "b")], [1, 2], []])
def test_what_are_no_points_is_refused_before_a_pass(
    small: Backbone, pictures: list[np.ndarray], counted: Callable[..., Any], points: Any
):
    with counted(small) as rows, pytest.raises(InputError, match=r"expected one or more \(x, y\), shape \(n, 2\)"):
        dift(small, pictures[0], pictures[1], points, QUICK)
    assert rows == []
