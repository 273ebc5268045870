"""Masks and maps against masks: by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score, roc_auc_score

from innerlight.metrics import BestThreshold, auroc, best_threshold_iou, iou, pointing
from innerlight.types import InputError

CELLS = 12
MASKS = st.lists(st.booleans(), min_size=CELLS, max_size=CELLS).map(lambda cells: np.array(cells).reshape(3, 4))
MAPS = st.lists(st.integers(-2, 4), min_size=CELLS, max_size=CELLS).map(lambda n: np.array(n, float).reshape(3, 4))


def test_iou_by_hand():
    a = np.array([[True, True, False], [False, True, False]])
    b = np.array([[True, False, False], [False, True, True]])
    assert iou(a, b) == 2 / 4
    assert iou(a, ~a) == 0
    assert iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 1


@given(a=MASKS, b=MASKS)
def test_iou_is_scikit_learns_and_symmetric(a: np.ndarray, b: np.ndarray):
    assert iou(a, b) == iou(b, a)
    if (a | b).any():
        assert iou(a, b) == pytest.approx(jaccard_score(a.ravel(), b.ravel(), zero_division=0))


def test_the_best_threshold_by_hand():
    map = np.array([[1.0, 0.7, 0.5, 0.1]])
    mask = np.array([[True, True, False, False]])
    assert best_threshold_iou(map, mask, [0.1, 0.4, 0.6, 0.7, 0.9]) == BestThreshold(0.6, 2, 2)
    assert best_threshold_iou(map, mask, [0.9, 0.4]) == BestThreshold(0.4, 2, 3)
    assert best_threshold_iou(map, mask, [0.4]).iou == 2 / 3


def test_thresholds_are_those_of_the_maps_room():
    import torch

    from innerlight.maps import threshold

    map = np.random.default_rng(0).normal(size=(5, 6))
    mask = map > 0.5
    for share in (0.0, 0.3, 0.8):
        best = best_threshold_iou(map, mask, [share])
        assert best.iou == iou(threshold(torch.tensor(map), share).numpy(), mask)
    assert best_threshold_iou(-np.abs(map), mask, [0.0]).intersection == 0


@given(map=MAPS, mask=MASKS, shares=st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_more_thresholds_do_no_harm(map: np.ndarray, mask: np.ndarray, shares: list[float]):
    best = best_threshold_iou(map, mask, shares)
    assert best.threshold in shares
    assert best.iou == max(best_threshold_iou(map, mask, [share]).iou for share in shares)


def test_auroc_by_hand():
    assert auroc([0.9, 0.8, 0.3, 0.1], [True, True, False, False]) == 1
    assert auroc([0.9, 0.8, 0.3, 0.1], [False, True, False, True]) == 1 / 4
    assert auroc([0.5, 0.5, 0.5], [True, False, False]) == 0.5
    assert math.isnan(auroc([1.0, 2.0], [True, True]))
    assert math.isnan(auroc([1.0, 2.0], [False, False]))


@given(scores=MAPS, truth=MASKS)
def test_auroc_is_scikit_learns(scores: np.ndarray, truth: np.ndarray):
    if truth.all() or not truth.any():
        assert math.isnan(auroc(scores, truth))
        return
    assert auroc(scores, truth) == pytest.approx(roc_auc_score(truth.ravel(), scores.ravel()))
    assert auroc(-scores, truth) == pytest.approx(1 - auroc(scores, truth))
    assert auroc(scores**3, truth) == auroc(scores, truth)


def test_pointing_by_hand():
    mask = np.array([[True, False], [False, False]])
    assert pointing([[5, 1], [2, 3]], mask) == 1
    assert pointing([[1, 5], [2, 3]], mask) == 0
    assert pointing([[5, 5], [5, 3]], mask) == 1 / 3
    assert pointing(np.zeros((2, 2)), mask) == mask.mean()


@pytest.mark.parametrize("score", [auroc, pointing, lambda a, b: best_threshold_iou(a, b, [0.5])])
def test_maps_that_fit_nothing_are_refused(score):
    mask = np.zeros((2, 2), bool)
    with pytest.raises(InputError, match="nan or infinity"):
        score([[np.nan, 1], [0, 0]], mask)
    with pytest.raises(InputError, match="resize"):
        score(np.zeros((4, 4)), mask)
    with pytest.raises(InputError, match="mask of bool"):
        score(np.zeros((2, 2)), mask.astype(np.uint8))


def test_masks_that_fit_nothing_are_refused():
    with pytest.raises(InputError, match="a > 0"):
        iou(np.ones((2, 2)), np.ones((2, 2), bool))
    with pytest.raises(InputError, match=r"a is \(2, 2\) and b \(2, 3\)"):
        iou(np.ones((2, 2), bool), np.ones((2, 3), bool))
    with pytest.raises(InputError, match="at least one share"):
        best_threshold_iou(np.ones((2, 2)), np.ones((2, 2), bool), [])
