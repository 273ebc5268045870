"""Points: by hand; invariants of shares, of ways back, and of the linear map."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerlight.metrics import (
    PairErrors,
    box_side,
    cycle_distances,
    distances,
    end_point_error,
    fit_points,
    image_side,
    pck,
    pck_hits,
    points_side,
    swapped_distances,
)
from innerlight.types import InputError

SEEDS = st.integers(0, 99)
AVERAGES = ("image", "point", "category")
PAIRS = [
    PairErrors(np.array([0.0, 5.0, 20.0]), 100.0, "dog"),
    PairErrors(np.array([11.0]), 100.0, "dog"),
    PairErrors(np.array([]), 100.0, "cow"),
    PairErrors(np.array([1.0, 1.0]), 10.0, "cat"),
]


def random_pairs(seed: int, points: int | None = None) -> list[PairErrors]:
    generator = np.random.default_rng(seed)
    counts = generator.integers(1, 6, 5) if points is None else [points] * 5
    return [
        PairErrors(generator.exponential(10, n), generator.uniform(20, 99), "abc"[k % 3]) for k, n in enumerate(counts)
    ]


def partners(height: int, width: int) -> np.ndarray:
    """Each pixel its own partner, at its centre."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1) + 0.5


def test_distances_by_hand():
    assert distances([[0, 0], [1, 1]], [[3, 4], [1, 1]]).tolist() == [5, 0]
    assert distances(np.zeros((0, 2)), np.zeros((0, 2))).tolist() == []


def test_hits_are_inclusive_and_take_each_points_size():
    assert pck_hits([10, 10.1, 0], 100, [0.05, 0.1]).tolist() == [[False, True], [False, False], [True, True]]
    assert pck_hits([10, 10], [100, 99], [0.1]).tolist() == [[True], [False]]


def test_the_kinds_of_average_by_hand():
    # at 0.1: dog 2 of 3 and 0 of 1, cat 2 of 2, cow has no point
    assert pck(PAIRS, [0.1], "image") == pytest.approx([(2 / 3 + 0 + 1) / 3])
    assert pck(PAIRS, [0.1], "point") == pytest.approx([4 / 6])
    assert pck(PAIRS, [0.1], "category") == pytest.approx([(2 / 4 + 1) / 2])
    assert pck(PAIRS, [0.1, 0.15], "point") == pytest.approx([4 / 6, 5 / 6])
    assert pck(iter(PAIRS), [0.2], "image").tolist() == [1]


@given(seed=SEEDS)
@pytest.mark.parametrize("average", AVERAGES)
def test_shares_grow_with_alpha_to_1_and_scale_with_the_picture(average, seed: int):
    pairs, alphas = random_pairs(seed), [0.01, 0.05, 0.1, 0.15, math.inf]
    shares = pck(pairs, alphas, average)
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] == 1
    twice = [PairErrors(2 * pair.distances, 2 * pair.size, pair.category) for pair in pairs]
    assert (pck(twice, alphas, average) == shares).all()
    exact = [PairErrors(0 * pair.distances, pair.size, pair.category) for pair in pairs]
    assert (pck(exact, [1e-9, 0.1], average) == 1).all()


@given(seed=SEEDS)
def test_with_equally_many_points_images_and_points_average_alike(seed: int):
    pairs = random_pairs(seed, points=4)
    assert pck(pairs, [0.1, 0.3], "image") == pytest.approx(pck(pairs, [0.1, 0.3], "point"))


@given(seed=SEEDS)
def test_the_order_of_pairs_means_nothing(seed: int):
    pairs = random_pairs(seed)
    for average in AVERAGES:
        assert pck(pairs[::-1], [0.1, 0.3], average) == pytest.approx(pck(pairs, [0.1, 0.3], average))


def test_no_point_scores_nan():
    for average in AVERAGES:
        assert np.isnan(pck([], [0.1, 0.2], average)).tolist() == [True, True]
        assert np.isnan(pck(PAIRS[2:3], [0.1], average)).all()


def test_sizes_by_hand():
    assert box_side((10, 20, 40, 35)) == 30
    assert box_side((10, 20, 15, 35)) == 15
    assert points_side([[3, 1], [5, 9], [4, 2]]) == 8
    assert image_side((480, 640)) == 640


def test_the_swap_is_granted_to_all_points_at_once():
    true = np.array([[0.0, 0], [10, 0], [5, 5]])
    mirrored = true[[1, 0, 2]]
    assert swapped_distances(mirrored, true, [1, 0, 2]).tolist() == [0, 0, 0]
    # a point swapped alone would do better: plain (0, 10, 0), swapped (10, 0, 0) is no smaller
    found = np.array([[0.0, 0], [0, 0], [5, 5]])
    assert swapped_distances(found, true, [1, 0, 2]).tolist() == [0, 10, 0]


@given(seed=SEEDS)
def test_with_the_swap_it_is_never_worse(seed: int):
    found, true = np.random.default_rng(seed).normal(size=(2, 4, 2))
    plain, swapped = distances(found, true).mean(), distances(found[[1, 0, 2, 3]], true).mean()
    assert swapped_distances(found, true, [1, 0, 2, 3]).mean() == pytest.approx(min(plain, swapped))


def test_end_point_errors_by_hand():
    true = partners(2, 2)
    found = true + np.array([[[3, 4], [0, 0]], [[0, 1], [0, 0]]])
    assert end_point_error(found, true) == 6 / 4
    visible = np.array([[False, True], [True, True]])
    true[0, 0] = np.nan
    assert end_point_error(found, true, visible) == 1 / 3
    assert math.isnan(end_point_error(found, true, np.zeros((2, 2), bool)))
    with pytest.raises(InputError, match="finite points"):
        end_point_error(found, true)


def test_the_way_there_and_back():
    here = partners(4, 6)
    there = here[:, ::-1]  # mirrored, and so back again
    assert (cycle_distances(there, there) == 0).all()
    # all back to the upper left pixel
    assert cycle_distances(there, np.full((4, 6, 2), 0.5)) == pytest.approx(np.hypot(*(here - 0.5).transpose(2, 0, 1)))
    # to a picture twice as large: the centre of a pixel is where four meet, the way back is that of the last of them
    back = partners(8, 12) / 2
    assert cycle_distances(2 * here, back) == pytest.approx(np.full((4, 6), math.hypot(0.25, 0.25)))


def test_ways_that_leave_the_other_picture_are_lost():
    there = partners(2, 3)
    there[0] += [1, 0]  # the last column leaves a picture 3 wide
    there[1, 0] = np.nan
    off = cycle_distances(there, partners(2, 3))
    np.testing.assert_equal(off, [[1, 1, np.nan], [np.nan, 0, 0]])
    assert np.isnan(cycle_distances(-there, partners(2, 3))).all()


@given(seed=SEEDS)
def test_a_linear_image_of_the_points_is_recovered(seed: int):
    generator = np.random.default_rng(seed)
    found = generator.uniform(0, 1, (20, 3, 2))
    weights = generator.normal(size=(6, 4))
    true = ((found.reshape(20, 6) - 0.5) @ weights).reshape(20, 2, 2) + 0.5
    fitted = fit_points(found[:12], true[:12])
    assert fitted.weights == pytest.approx(weights)
    assert fitted(found[12:]) == pytest.approx(true[12:])
    assert fitted(np.full((1, 3, 2), 0.5)) == pytest.approx(np.full((1, 2, 2), 0.5))


@given(seed=SEEDS, pictures=st.sampled_from([4, 30]))
def test_the_map_is_the_written_formula_on_visible_rows(seed: int, pictures: int):
    generator = np.random.default_rng(seed)
    found, true = generator.uniform(0, 1, (pictures, 3, 2)), generator.uniform(0, 1, (pictures, 2, 2))
    visible = generator.uniform(size=(pictures, 2)) < 0.7
    visible[0] = True
    hidden = np.where(visible[..., None], true, np.nan)  # what is hidden is not looked at
    fitted = fit_points(found, hidden, visible)
    for coordinate in range(4):
        rows = visible[:, coordinate // 2]
        x, y = found.reshape(pictures, 6)[rows] - 0.5, true.reshape(pictures, 4)[rows, coordinate] - 0.5
        expected = np.linalg.pinv(x.T @ x, rcond=1e-10) @ x.T @ y
        assert fitted.weights[:, coordinate] == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(seed=SEEDS)
def test_other_names_for_the_found_points_change_nothing_once_refitted(seed: int):
    generator = np.random.default_rng(seed)
    found, true = generator.uniform(0, 1, (20, 3, 2)), generator.uniform(0, 1, (20, 2, 2))
    renamed = found[:, [2, 0, 1]]
    fitted = fit_points(found, true)
    assert fit_points(renamed, true)(renamed) == pytest.approx(fitted(found))
    assert not np.allclose(fitted(renamed), fitted(found))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distances([[0, 0]], [[0, 0], [1, 1]]), "one found point for each"),
        (lambda: distances([0, 0], [0, 0]), r"found: .*\(n, 2\)"),
        (lambda: distances([[0, 0]], [[0, np.nan]]), "true: .*leave out hidden"),
        (lambda: swapped_distances([[0, 0], [1, 1]], [[0, 0], [1, 1]], [0, 0]), "each of 0 to 1 once"),
        (lambda: box_side((10, 20, 10, 35)), "left, top, right, bottom"),
        (lambda: box_side((10, 20, 30)), "left, top, right, bottom"),
        (lambda: points_side([[3, 1], [3, 1]]), "two that differ"),
        (lambda: points_side(np.zeros((0, 2))), "two that differ"),
        (lambda: pck_hits([1, -1], 10, [0.1]), "distances: .* from 0 on"),
        (lambda: pck_hits([1, np.nan], 10, [0.1]), "distances: .* from 0 on"),
        (lambda: pck_hits([1, 2], 0, [0.1]), "sizes: .* above 0"),
        (lambda: pck_hits([1, 2], [10], [0.1]), r"sizes: .*\(2,\)"),
        (lambda: pck_hits([1, 2], 10, [0]), "alphas: .* above 0"),
        (lambda: pck_hits([1, 2], 10, 0.1), r"such as \[0.1\]"),
        (lambda: pck(PAIRS, [0.1], "pair"), '"image", "point" or "category"'),  # pyright: ignore[reportArgumentType]
        (lambda: pck([PairErrors(np.ones(1), 1.0)], [0.1], "category"), "pair 0 has no category"),
        (lambda: end_point_error(partners(2, 2), partners(2, 3)), "in both"),
        (lambda: end_point_error(partners(2, 2), partners(2, 2), np.ones((2, 3), bool)), "visible"),
        (lambda: cycle_distances(partners(2, 2)[0], partners(2, 2)), "there: .* each pixel"),
        (lambda: cycle_distances(partners(2, 2), np.zeros((2, 2, 3))), "back: .* each pixel"),
        (lambda: fit_points(np.zeros((3, 2)), np.zeros((3, 1, 2))), "pictures, points, 2"),
        (lambda: fit_points(np.zeros((3, 2, 2)), np.zeros((4, 1, 2))), r"true: expected \(3, m, 2\)"),
        (lambda: fit_points(np.zeros((3, 2, 2)), np.full((3, 1, 2), np.nan)), "where visible"),
        (lambda: fit_points(np.zeros((3, 2, 2)), np.zeros((3, 1, 2)), np.zeros((3, 1), bool)), "seen once"),
        (lambda: fit_points(np.ones((3, 2, 2)), np.ones((3, 1, 2)))(np.ones((1, 3, 2))), "expected 2 points"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str):
    with pytest.raises(InputError, match=message):
        call()
