"""Label maps brought to the boundaries of a picture: the front, and what it gains on scenes whose truth is known."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from innerlight.maps.refinement import (
    GraphCutConfig,
    MeanFieldConfig,
    costs_of_labels,
    costs_of_scores,
    refine,
)
from innerlight.maps.refinement.refining import Refinement
from innerlight.metrics import confusion, mean_iou
from innerlight.types import InputError
from innerlight.world import render, sample, truth

HOWS: tuple[Refinement, ...] = ("graph_cut", "crf")
Labels = NDArray[Any]


def halves(height: int = 12, width: int = 20, at: int = 10) -> NDArray[np.uint8]:
    """Dark up to column `at`, light from there on, with a little grain."""
    grain = np.random.default_rng(0).integers(0, 3, (height, width, 3))
    return (np.where(np.arange(width) < at, 60, 180)[None, :, None] + grain).astype(np.uint8)


def given_halves(at: int = 13) -> Labels:
    return np.broadcast_to(np.arange(20) >= at, (12, 20)).astype(np.int64)


@pytest.mark.parametrize("how", HOWS)
def test_a_boundary_moves_to_where_the_colours_change(how: Refinement):
    assert (refine(given_halves(at=13), halves(at=10), how) == given_halves(at=10)).all()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint16])
def test_any_labels_and_their_dtype_survive(how: Refinement, dtype: type):
    names = np.array([3, 255, 17], dtype)
    indices = np.arange(20) // 7 + np.zeros((12, 1), int)  # three stripes
    stripes = names[indices]
    refined = refine(stripes, np.repeat(stripes[..., None], 3, axis=2).astype(np.uint8), how)
    assert refined.dtype == dtype
    assert (refined == stripes).all()
    masked = refine(given_halves() == 1, halves(), how)
    assert masked.dtype == bool
    assert (masked == (given_halves(at=10) == 1)).all()


@pytest.mark.parametrize("how", HOWS)
def test_other_names_of_labels_change_the_names_only(how: Refinement):
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, (5, 6)).repeat(3, 0).repeat(3, 1)
    picture = render(sample(3), 15, 18).picture
    before = refine(labels, picture, how, confidence=0.6)
    assert (before != labels).any()
    names = np.array([40, 7, 255, 0])
    after = refine(names[labels], picture, how, confidence=0.6)
    assert (after == names[before]).all()
    two = refine(labels % 2, picture, how)
    assert (two != labels % 2).any()
    assert (refine(1 - labels % 2, picture, how) == 1 - two).all()


@pytest.mark.parametrize("how", HOWS)
def test_one_label_stays_and_one_pixel_does(how: Refinement):
    assert (refine(np.full((12, 20), 9), halves(), how) == 9).all()
    assert refine(np.array([[4]]), np.zeros((1, 1, 3), np.uint8), how).tolist() == [[4]]
    assert refine(np.array([[[0.2]], [[0.5]]]), np.zeros((1, 1, 3), np.uint8), how).tolist() == [[1]]
    row = refine(given_halves()[:1], halves()[:1], how)
    assert row.shape == (1, 20)


@pytest.mark.parametrize("how", HOWS)
def test_scores_are_shares_of_their_sum(how: Refinement):
    scores = np.random.default_rng(2).random((3, 12, 20)).astype(np.float32)
    scores[1, :, 10:] += 0.5
    refined = refine(scores, halves(), how)
    assert set(np.unique(refined)) <= {0, 1, 2}
    assert (refined[:, 10:] == 1).all()
    brightness = np.random.default_rng(3).integers(1, 5, (12, 20))
    assert (refine(scores * brightness, halves(), how) == refined).all()


@pytest.mark.parametrize("how", HOWS)
def test_where_scores_are_0_the_surroundings_decide(how: Refinement):
    scores = np.stack([given_halves(at=10) == 0, given_halves(at=10) == 1]).astype(float)
    scores[:, 4:7, 3:5] = scores[:, 4:7, 14:16] = 0
    assert (refine(scores, halves(at=10), how) == given_halves(at=10)).all()


def test_settings_that_weigh_nothing_change_nothing():
    labels = np.random.default_rng(4).integers(0, 4, (12, 20))
    assert (refine(labels, halves(), "graph_cut", GraphCutConfig(smoothness=0)) == labels).all()
    assert (refine(labels, halves(), "crf", MeanFieldConfig(nearness=0, likeness=0)) == labels).all()
    assert (refine(labels, halves(), "crf", MeanFieldConfig(iterations=0)) == labels).all()
    scores = np.random.default_rng(5).random((4, 12, 20))
    assert (refine(scores, halves(), "graph_cut", GraphCutConfig(smoothness=0)) == scores.argmax(0)).all()


def test_costs_are_logarithms_of_probabilities():
    values, costs = costs_of_labels([[3, 255], [17, 3]], confidence=0.8)
    assert values.tolist() == [3, 17, 255]
    assert np.allclose(np.exp(-costs).sum(0), 1)
    assert np.allclose(np.exp(-costs)[:, 0, 1], [0.1, 0.1, 0.8])
    shares = np.exp(-costs_of_scores(np.array([[[3.0, 0.0, 0.0]], [[1.0, 0.0, 2.0]]])))
    assert np.allclose(shares[:, 0], [[0.75, 0.5, 1e-6], [0.25, 0.5, 1]])


@pytest.mark.parametrize("how", HOWS)
def test_what_is_given_is_not_written_to(how: Refinement):
    labels, picture = given_halves(), halves()
    labels.flags.writeable = picture.flags.writeable = False
    refine(labels, picture, how)
    scores = np.random.default_rng(6).random((2, 12, 20))
    scores.flags.writeable = False
    refine(scores, picture, how)


@pytest.mark.parametrize(
    ("given", "picture", "options", "message"),
    [
        (given_halves(), halves(10, 20), {}, r"the picture is \(10, 20\) and the labels are \(12, 20\); bring"),
        (np.ones((2, 10, 20)), halves(), {}, "bring the labels to its size"),
        (given_halves(), halves()[..., 0], {}, r"picture: expected uint8 \(h, w, 3\)"),
        (given_halves(), halves() / 255, {}, "got float64"),
        (given_halves() * 1.0, halves(), {}, "expected whole numbers"),
        (given_halves()[0], halves(), {}, r"labels \(h, w\) or scores"),
        (np.zeros((0, 20), int), halves(), {}, "expected whole numbers"),
        (np.ones((2, 12, 20), int), halves(), {}, r"expected floats \(labels, h, w\)"),
        (-np.ones((2, 12, 20)), halves(), {}, "take softmax of logits"),
        (np.full((2, 12, 20), np.nan), halves(), {}, "finite"),
        (given_halves(), halves(), {"confidence": 0.5}, r"between 1 / 2"),
        (given_halves(), halves(), {"confidence": 1.0}, "confidence"),
        (given_halves(), halves(), {"how": "dense"}, "graph_cut, crf"),
        (given_halves(), halves(), {"how": "crf", "config": GraphCutConfig()}, "crf takes a MeanFieldConfig"),
        (given_halves(), halves(), {"config": MeanFieldConfig()}, "graph_cut takes a GraphCutConfig"),
    ],
)
def test_what_makes_no_sense_is_refused(given: Any, picture: Any, options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        refine(given, picture, **options)


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (GraphCutConfig, {"smoothness": -1.0}),
        (GraphCutConfig, {"smoothness": float("inf")}),
        (GraphCutConfig, {"contrast": 0.0}),
        (GraphCutConfig, {"neighbours": 6}),
        (GraphCutConfig, {"sweeps": 0}),
        (GraphCutConfig, {"fineness": 0}),
        (MeanFieldConfig, {"iterations": -1}),
        (MeanFieldConfig, {"radius": 0}),
        (MeanFieldConfig, {"likeness": float("nan")}),
        (MeanFieldConfig, {"colour_sigma": 0.0}),
    ],
)
def test_settings_out_of_range_are_refused(config: type, settings: dict[str, float]):
    with pytest.raises(InputError, match=next(iter(settings))):
        config(**settings)
    with pytest.raises(FrozenInstanceError):
        setattr(config(), next(iter(settings)), 1)


def coarsened(labels: Labels, factor: int = 8) -> Labels:
    """Every block of pixels as the one next to its centre."""
    kept = labels[factor // 2 :: factor, factor // 2 :: factor]
    return kept.repeat(factor, 0).repeat(factor, 1)


def scored(true: Labels, labels: Labels, where: Labels | None = None) -> float:
    where = np.ones(true.shape, bool) if where is None else where
    return mean_iou(confusion(true[where], labels[where], classes=int(max(true.max(), labels.max())) + 1))


def near_boundaries(labels: Labels, reach: int = 8) -> Labels:
    """Pixels of a band about the true boundaries."""
    inside = ndimage.minimum_filter(labels, 3) == ndimage.maximum_filter(labels, 3)
    return np.asarray(ndimage.distance_transform_edt(inside)) <= reach


@pytest.fixture(scope="module")
def scenes() -> list[tuple[NDArray[np.uint8], Labels]]:
    drawn = [render(sample(seed), 128) for seed in range(5100, 5112)]
    return [(scene.picture, truth.semantic(scene).labels) for scene in drawn]


@pytest.mark.parametrize(("how", "margin"), [("graph_cut", 0.05), ("crf", 0.04)])
def test_coarse_masks_of_scenes_gain(how: Refinement, margin: float, scenes: list[tuple[NDArray[np.uint8], Labels]]):
    gains, band_gains, over_median = [], [], []
    for picture, true in scenes:
        coarse = coarsened(true)
        refined = refine(coarse, picture, how)
        band = near_boundaries(true)
        gains.append(scored(true, refined) - scored(true, coarse))
        band_gains.append(scored(true, refined, band) - scored(true, coarse, band))
        over_median.append(scored(true, refined) - scored(true, ndimage.median_filter(coarse, 9)))
    assert np.mean(gains) > margin
    assert np.mean(band_gains) > margin
    assert np.mean(over_median) > 0.02  # without the picture, corners can only be rounded
    assert np.mean(np.array(gains) > 0) > 0.75
