"""The mean field against its formula in plain loops, and its laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from innerlight.maps.refinement import MeanFieldConfig, mean_field
from innerlight.types import InputError

Floats = NDArray[np.floating]


def problem(seed: int, labels: int = 3, height: int = 4, width: int = 5) -> tuple[Floats, NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    return random.normal(0, 1, (labels, height, width)), random.integers(0, 12, (height, width, 3), np.uint8)


def softmax(gains: Floats) -> Floats:
    return np.exp(gains) / np.exp(gains).sum(0)


def plain_mean_field(costs: Floats, picture: NDArray[np.uint8], config: MeanFieldConfig) -> Floats:
    """Over all pixels p and all pixels q of its window."""
    labels, height, width = costs.shape
    pixels = list(itertools.product(range(height), range(width)))

    def kernels(p: tuple[int, int], q: tuple[int, int]) -> Floats:
        if max(abs(p[0] - q[0]), abs(p[1] - q[1])) > config.radius:
            return np.zeros(2)
        place = (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2
        colour = ((picture[p].astype(float) - picture[q]) ** 2).sum()
        near = math.exp(-place / (2 * config.nearness_sigma**2))
        alike = math.exp(-place / (2 * config.likeness_sigma**2) - colour / (2 * config.colour_sigma**2))
        return np.array([near, alike])

    totals = {p: sum(kernels(p, q) for q in pixels) for p in pixels}
    weights = np.array([config.nearness, config.likeness])
    beliefs = softmax(-costs)
    for _ in range(config.iterations):
        gains = -costs.copy()
        for p in pixels:
            for q in pixels:
                if p != q:
                    link = (weights * kernels(p, q) / np.sqrt(totals[p] * totals[q])).sum()
                    for label in range(labels):
                        gains[label][p] += link * beliefs[label][q]
        beliefs = softmax(gains)
    return beliefs


@pytest.mark.parametrize(
    "config",
    [
        MeanFieldConfig(iterations=3),  # the window is larger than the picture
        MeanFieldConfig(iterations=1, radius=1),
        MeanFieldConfig(iterations=4, radius=2, nearness=1.3, nearness_sigma=0.8, likeness=2.1, colour_sigma=6),
        MeanFieldConfig(iterations=2, radius=3, likeness_sigma=1.5, nearness=0),
    ],
)
def test_it_is_the_formula_in_plain_loops(config: MeanFieldConfig):
    costs, picture = problem(0)
    assert np.allclose(mean_field(costs, picture, config), plain_mean_field(costs, picture, config), atol=1e-5)


@given(seed=st.integers(0, 1000), labels=st.integers(1, 5), iterations=st.integers(0, 4), scale=st.floats(0, 1000))
def test_marginals_are_distributions(seed: int, labels: int, iterations: int, scale: float):
    costs, picture = problem(seed, labels)
    marginals = mean_field(scale * costs, picture, MeanFieldConfig(iterations=iterations))
    assert marginals.shape == costs.shape
    assert (marginals >= 0).all()
    assert np.allclose(marginals.sum(0), 1, atol=1e-5)


def test_without_links_or_iterations_the_costs_decide():
    costs, picture = problem(1)
    for config in (MeanFieldConfig(nearness=0, likeness=0), MeanFieldConfig(iterations=0)):
        assert np.allclose(mean_field(costs, picture, config), softmax(-costs), atol=1e-6)


@given(seed=st.integers(0, 1000))
def test_labels_have_no_order(seed: int):
    costs, picture = problem(seed, labels=4)
    order = np.random.default_rng(seed).permutation(4)
    assert np.allclose(mean_field(costs[order], picture), mean_field(costs, picture)[order], atol=1e-5)


@given(seed=st.integers(0, 1000), constant=st.floats(-100, 100))
def test_a_constant_at_a_pixel_changes_nothing(seed: int, constant: float):
    costs, picture = problem(seed)
    shifted = costs.copy()
    shifted[:, 1, 2] += constant
    assert np.allclose(mean_field(shifted, picture), mean_field(costs, picture), atol=1e-4)


def test_strong_links_leave_one_label_on_an_even_surface():
    costs, _ = problem(2, height=7, width=9)
    even = np.full((7, 9, 3), 50, np.uint8)
    costs[1] -= 0.5
    marginals = mean_field(costs, even, MeanFieldConfig(likeness=200))
    assert (marginals.argmax(0) == 1).all()
    assert len(np.unique(costs.argmin(0))) == 3


def test_only_pixels_that_look_alike_agree():
    costs = np.zeros((2, 5, 8))
    costs[1, 2, 1] = costs[0, 2, 6] = 4  # one pixel of each half knows its label
    picture = np.zeros((5, 8, 3), np.uint8)
    picture[:, 4:] = 100
    marginals = mean_field(costs, picture, MeanFieldConfig(nearness=0, likeness=8, iterations=30))
    assert (marginals[0, :, :4] > 0.9).all()
    assert (marginals[1, :, 4:] > 0.9).all()


def test_what_is_no_problem_is_refused():
    costs, picture = problem(3)
    with pytest.raises(InputError, match=r"the picture is \(4, 4\)"):
        mean_field(costs, picture[:, :4])
    with pytest.raises(InputError, match="finite"):
        mean_field(costs * np.nan, picture)
