"""Cuts against every labelling there is, expansions against every expansion, and the laws of the energy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import maximum_flow

from innerlight.maps.refinement import (
    Cut,
    GraphCutConfig,
    alpha_expansion,
    energy,
    graph_cut,
    link_weights,
    minimum_cut,
)
from innerlight.types import InputError

OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
SEEDS = st.integers(0, 2**32 - 1)
Floats = NDArray[np.float64]


def problem(
    seed: int, labels: int, height: int, width: int, links: int = 4, strength: float = 1.0, whole: bool = False
) -> tuple[Floats, Floats]:
    """Random costs and links; `whole`: in thousandths, which the solver counts exactly."""
    random = np.random.default_rng(seed)
    costs, weights = random.normal(0, 1, (labels, height, width)), strength * random.random((links, height, width))
    return (np.round(costs, 3), np.round(weights, 3)) if whole else (costs, weights)


def plain_energy(labels: NDArray[np.integer], costs: Floats, weights: Floats) -> float:
    """As the formula says, pixel by pixel and pair by pair."""
    height, width = labels.shape
    total = 0.0
    for y, x in itertools.product(range(height), range(width)):
        total += costs[labels[y, x], y, x]
        for (down, right), links in zip(OFFSETS, weights, strict=False):
            v, u = y + down, x + right
            if v < height and 0 <= u < width and labels[y, x] != labels[v, u]:
                total += links[y, x]
    return float(total)


def all_energies(costs: Floats, weights: Floats, labellings: NDArray[np.integer]) -> Floats:
    """(n,) energies of labellings (n, h, w)."""
    _, height, width = labellings.shape
    rows, columns = np.indices((height, width))
    total = costs[labellings, rows, columns].sum((1, 2))
    for (down, right), links in zip(OFFSETS, weights, strict=False):
        for y, x in itertools.product(range(height - down), range(width)):
            if 0 <= x + right < width:
                total += links[y, x] * (labellings[:, y, x] != labellings[:, y + down, x + right])
    return total


def every_labelling(labels: int, height: int, width: int) -> NDArray[np.intp]:
    return np.array(list(itertools.product(range(labels), repeat=height * width))).reshape(-1, height, width)


TWO, THREE = every_labelling(2, 3, 4), every_labelling(3, 3, 3)


@given(seed=SEEDS, links=st.sampled_from([2, 4]), strength=st.sampled_from([0.1, 0.5, 1.0, 3.0]))
def test_a_cut_is_the_best_of_all_labellings(seed: int, links: int, strength: float):
    costs, weights = problem(seed, 2, 3, 4, links, strength, whole=True)
    cut = minimum_cut(costs, weights)
    assert cut.after == pytest.approx(all_energies(costs, weights, TWO).min(), abs=1e-9)
    assert cut.after == pytest.approx(plain_energy(cut.labels, costs, weights), abs=1e-9)
    assert cut.before == pytest.approx(plain_energy(costs.argmin(0), costs, weights), abs=1e-9)
    assert cut.settled


@given(seed=SEEDS, fineness=st.sampled_from([1, 10, 1000, 10**8]))
def test_a_cut_is_off_by_half_a_unit_for_each_number_at_most(seed: int, fineness: int):
    costs, weights = problem(seed, 2, 3, 4)
    cut = minimum_cut(costs, weights, GraphCutConfig(fineness=fineness))
    numbers = 12 + 4 * 12
    least = all_energies(costs, weights, TWO).min()
    assert least - 1e-9 <= cut.after <= least + numbers / fineness + 1e-6
    assert cut.after <= cut.before


def test_the_energy_of_a_cut_is_the_flow_of_its_network():
    costs, weights = problem(7, 2, 9, 14, strength=0.8, whole=True)
    arcs: dict[tuple[int, int], int] = {}
    source, sink = 9 * 14, 9 * 14 + 1
    for y, x in itertools.product(range(9), range(14)):
        pixel = y * 14 + x
        least = costs[:, y, x].min()
        arcs[source, pixel] = round(1000 * (costs[0, y, x] - least))  # on the source's side: label 1
        arcs[pixel, sink] = round(1000 * (costs[1, y, x] - least))
        for (down, right), links in zip(OFFSETS, weights, strict=True):
            if y + down < 9 and 0 <= x + right < 14:
                other = (y + down) * 14 + x + right
                arcs[pixel, other] = arcs[other, pixel] = round(1000 * links[y, x])
    tails, heads = zip(*arcs, strict=True)
    network = sparse.csr_array((np.array(list(arcs.values()), np.int32), (tails, heads)), shape=(sink + 1, sink + 1))
    network.indices, network.indptr = network.indices.astype(np.int32), network.indptr.astype(np.int32)
    flow = maximum_flow(network, source, sink).flow_value
    assert minimum_cut(costs, weights).after == pytest.approx(costs.min(0).sum() + flow / 1000, abs=1e-6)


def test_isings_model_is_a_cut():
    random = np.random.default_rng(8)
    strength, field = 0.4, np.round(random.normal(0, 1, (3, 4)), 3)
    inside = np.ones((2, 3, 4))
    inside[0, :, -1] = inside[1, -1] = 0
    spins = 2 * TWO - 1
    agreement = (spins[:, :, 1:] * spins[:, :, :-1]).sum((1, 2)) + (spins[:, 1:] * spins[:, :-1]).sum((1, 2))
    hamiltonian = -strength * agreement - (field * spins).sum((1, 2))
    cut = minimum_cut(np.stack([field, -field]), 2 * strength * inside)
    assert (cut.labels == TWO[hamiltonian.argmin()]).all()
    assert cut.after == pytest.approx(hamiltonian.min() + strength * inside.sum())


@given(seed=SEEDS, labels=st.integers(1, 5), links=st.sampled_from([2, 4]))
def test_the_energy_is_the_formula(seed: int, labels: int, links: int):
    costs, weights = problem(seed, labels, 4, 5, links)
    given = np.random.default_rng(seed).integers(0, labels, (4, 5))
    assert energy(given, costs, weights) == pytest.approx(plain_energy(given, costs, weights))


@given(seed=SEEDS, labels=st.integers(2, 5), strength=st.sampled_from([0.1, 1.0, 10.0]))
def test_an_expansion_never_raises_the_energy(seed: int, labels: int, strength: float):
    costs, weights = problem(seed, labels, 6, 7, strength=strength)
    energies = [
        alpha_expansion(costs, weights, GraphCutConfig(sweeps=sweeps, fineness=fineness)).after
        for fineness in (1, 1000)
        for sweeps in (1, 2, 5)
    ]
    before = plain_energy(costs.argmin(0), costs, weights)
    assert max(energies) <= before + 1e-9
    assert energies[0] >= energies[1] >= energies[2]
    assert energies[3] >= energies[4] >= energies[5]


@given(seed=SEEDS, strength=st.sampled_from([0.2, 0.6, 2.0]))
def test_no_expansion_is_left_and_twice_the_least_is_not_exceeded(seed: int, strength: float):
    costs, weights = problem(seed, 3, 3, 3, strength=strength, whole=True)
    costs = costs - costs.min()  # the bound is for costs from 0 on
    result = alpha_expansion(costs, weights, GraphCutConfig(sweeps=20))
    assert result.settled
    switches = every_labelling(2, 3, 3).astype(bool)
    for alpha in range(3):
        moved = np.where(switches, alpha, result.labels)
        assert all_energies(costs, weights, moved).min() >= result.after - 1e-9
    least = all_energies(costs, weights, THREE).min()
    assert least - 1e-9 <= result.after <= 2 * least + 1e-9


@given(seed=SEEDS, strength=st.sampled_from([0.2, 1.0, 4.0]))
def test_with_two_labels_expansions_reach_the_cut(seed: int, strength: float):
    costs, weights = problem(seed, 2, 7, 9, strength=strength, whole=True)
    expanded = alpha_expansion(costs, weights, GraphCutConfig(sweeps=50))
    assert expanded.settled
    assert expanded.after == pytest.approx(minimum_cut(costs, weights).after, abs=1e-9)


def test_a_run_that_was_cut_short_says_so():
    costs, weights = problem(9, 6, 20, 20, strength=0.7)
    short = alpha_expansion(costs, weights, GraphCutConfig(sweeps=1))
    long = alpha_expansion(costs, weights, GraphCutConfig(sweeps=20))
    assert not short.settled
    assert long.settled
    assert long.after < short.after < short.before == long.before


@pytest.mark.parametrize("labels", [1, 2, 4])
def test_without_links_the_cheapest_labels_stay(labels: int):
    costs, weights = problem(10, labels, 6, 8)
    picture = np.random.default_rng(10).integers(0, 256, (6, 8, 3), np.uint8)
    for cut in (
        graph_cut(costs, picture, GraphCutConfig(smoothness=0)),
        alpha_expansion(costs, 0 * weights),
    ):
        assert (cut.labels == costs.argmin(0)).all()
        assert cut.before == cut.after == pytest.approx(costs.min(0).sum())


@pytest.mark.parametrize("labels", [2, 3, 5])
@pytest.mark.parametrize("smoothness", [1e4, 1e12, 1e100])
def test_links_beyond_all_costs_leave_the_one_label_that_is_cheapest(labels: int, smoothness: float):
    costs, _ = problem(11, labels, 9, 8)
    picture = np.random.default_rng(11).integers(0, 256, (9, 8, 3), np.uint8)
    cut = graph_cut(costs, picture, GraphCutConfig(smoothness=smoothness))
    assert (cut.labels == costs.sum((1, 2)).argmin()).all()
    assert cut.after == pytest.approx(costs.sum((1, 2)).min())


@pytest.mark.parametrize("dear", [1e4, 1e9, 1e15])
def test_what_is_ruled_out_by_a_cost_leaves_the_rest_exact(dear: float):
    costs, weights = problem(12, 2, 3, 4, whole=True)
    costs[0, 0, 0] += dear  # label 1 here,
    costs[1, 2, 3] += dear  # label 0 there
    costs[:, 1, 1] = dear, 0
    allowed = TWO[(TWO[:, 0, 0] == 1) & (TWO[:, 2, 3] == 0) & (TWO[:, 1, 1] == 1)]
    best = allowed[all_energies(costs, weights, allowed).argmin()]
    assert (minimum_cut(costs, weights).labels == best).all()
    assert len(np.unique(all_energies(costs, weights, allowed).round(6))) > 100


def test_a_large_problem_does_not_overflow():
    random = np.random.default_rng(13)
    costs = np.stack([1e6 * random.random((60, 70)), 1e6 * random.random((60, 70))])
    weights = 1e6 * random.random((4, 60, 70))
    large, small = minimum_cut(costs, weights), minimum_cut(costs / 1e6, weights / 1e6)
    assert large.after < large.before
    assert large.after / 1e6 == pytest.approx(small.after, rel=1e-3)


@given(seed=SEEDS, constant=st.integers(-50, 50), labels=st.integers(2, 3))
def test_a_constant_at_a_pixel_changes_the_energy_only(seed: int, constant: int, labels: int):
    costs, weights = problem(seed, labels, 5, 6, whole=True)
    shifted = costs.copy()
    shifted[:, 2, 3] += constant
    solve = minimum_cut if labels == 2 else alpha_expansion
    before, after = solve(costs, weights), solve(shifted, weights)
    assert (after.labels == before.labels).all()
    assert after.after - before.after == pytest.approx(constant, abs=1e-9)


@given(seed=SEEDS)
def test_swapped_labels_swap_the_result(seed: int):
    costs, weights = problem(seed, 2, 5, 6, whole=True)
    cut, swapped = minimum_cut(costs, weights), minimum_cut(costs[::-1], weights)
    assert swapped.after == pytest.approx(cut.after, abs=1e-9)
    assert energy(1 - swapped.labels, costs, weights) == pytest.approx(cut.after, abs=1e-9)


def test_links_are_weak_where_colours_change_and_none_lead_outside():
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:, 3:] = 100
    weights = link_weights(picture, GraphCutConfig(smoothness=2, contrast=50))
    right, below, below_right, below_left = weights
    across = math.exp(-3 * 100**2 / (2 * 50**2))
    assert right[0] == pytest.approx([2, 2, 2 * across, 2, 2, 0])
    assert below[0] == pytest.approx([2] * 6)
    assert below_right[0] == pytest.approx(np.array([2, 2, 2 * across, 2, 2, 0]) / math.sqrt(2))
    assert below_left[0] == pytest.approx(np.array([0, 2, 2, 2 * across, 2, 2]) / math.sqrt(2))
    assert not weights[1:, -1].any()
    assert (link_weights(picture, GraphCutConfig(2, 50, neighbours=4)) == weights[:2]).all()


def test_contrast_is_measured_against_the_pictures_own():
    random = np.random.default_rng(14)
    picture = random.integers(0, 100, (6, 7, 3), np.uint8)
    squares = []
    for (y, x), (down, right) in itertools.product(itertools.product(range(6), range(7)), OFFSETS):
        if y + down < 6 and 0 <= x + right < 7:
            squares.append(((picture[y, x].astype(int) - picture[y + down, x + right]) ** 2).sum())
    measured = GraphCutConfig(contrast=math.sqrt(np.mean(squares)))
    assert np.allclose(link_weights(picture), link_weights(picture, measured))
    assert np.allclose(link_weights(2 * picture), link_weights(picture))
    flat = link_weights(np.full((3, 3, 3), 7, np.uint8), GraphCutConfig(smoothness=2))
    assert flat[0].tolist() == [[2, 2, 0]] * 3


def test_what_is_no_problem_is_refused():
    costs, weights = problem(15, 2, 4, 5)
    with pytest.raises(InputError, match="of 2 labels, got 3"):
        minimum_cut(np.zeros((3, 4, 5)), weights)
    with pytest.raises(InputError, match=r"weights: expected numbers \(2 or 4, 4, 5\)"):
        minimum_cut(costs, weights[:, :3])
    with pytest.raises(InputError, match="weights: expected finite numbers from 0 on"):
        alpha_expansion(costs, -weights)
    with pytest.raises(InputError, match="large number for what is ruled out"):
        alpha_expansion(np.full((2, 4, 5), np.inf), weights)
    with pytest.raises(InputError, match=r"costs: expected numbers \(labels, h, w\)"):
        graph_cut(costs[0], np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(InputError, match=r"from 0 to 1, got \(4, 5\) from 0 to 2"):
        energy(np.full((4, 5), 2) - (np.arange(5) < 2) * 2, costs, weights)


def test_a_run_tells_what_it_gained():
    costs, _ = problem(16, 3, 8, 9)
    picture = np.random.default_rng(16).integers(0, 256, (8, 9, 3), np.uint8)
    cut = graph_cut(costs, picture)
    weights = link_weights(picture)
    assert isinstance(cut, Cut)
    assert cut.after == energy(cut.labels, costs, weights) < cut.before == energy(costs.argmin(0), costs, weights)
