"""Partitions: by hand, against scikit-learn and torchmetrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import adjusted_rand_score

from innerlight.metrics import adjusted_rand, covering, iou
from innerlight.types import InputError

LABELS = arrays(np.int64, (3, 4), elements=st.integers(-1, 3))


def test_adjusted_rand_by_hand():
    # 2 x 2 shared pixels [[2, 0], [1, 1]]: pairs alike in both 1, in the truth 1 + 1, given 3 + 0, of 6;
    # chance 2 * 3 / 6 = 1, so (1 - 1) / (2.5 - 1) = 0
    assert adjusted_rand([0, 0, 1, 1], [0, 0, 0, 1]) == 0
    # [[2, 0], [0, 1]]: both 1, truth 1, given 1, but equal
    assert adjusted_rand([0, 0, 1], [5, 5, -3]) == 1
    # crossed: both 0, 2, 2; chance 4 / 6; (0 - 2 / 3) / (2 - 2 / 3) = -1 / 2
    assert adjusted_rand([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(-1 / 2)


def test_covering_by_hand():
    # truth has 5 and 3 pixels; 0: IoU 4 / 5 and 1 / 7; 1: 0 and 2 / 4, and 1 / 3
    truth, found = [[0, 0, 0, 0], [0, 1, 1, 1]], [[0, 0, 0, 0], [1, 1, 1, 2]]
    assert covering(truth, found) == pytest.approx((5 * 4 / 5 + 3 * 2 / 4) / 8)


@given(truth=LABELS, found=LABELS)
def test_adjusted_rand_is_scikit_learns_and_symmetric(truth: np.ndarray, found: np.ndarray):
    assert adjusted_rand(truth, found) == pytest.approx(adjusted_rand_score(truth.ravel(), found.ravel()))
    assert adjusted_rand(truth, found) == pytest.approx(adjusted_rand(found, truth))


@given(truth=LABELS, found=LABELS)
def test_covering_is_its_definition(truth: np.ndarray, found: np.ndarray):
    regions = [truth == label for label in np.unique(truth)]
    best = [max(iou(region, found == label) for label in np.unique(found)) for region in regions]
    assert covering(truth, found) == pytest.approx(sum(b * r.sum() for b, r in zip(best, regions, strict=True)) / 12)


@given(truth=LABELS, found=LABELS, seed=st.integers(0, 99))
def test_names_of_regions_mean_nothing(truth: np.ndarray, found: np.ndarray, seed: int):
    renamed = np.random.default_rng(seed).permutation(50)[found]
    for score in (adjusted_rand, covering):
        assert score(truth, renamed) == pytest.approx(score(truth, found))
        assert score(found, renamed) == 1


@given(truth=LABELS, found=LABELS)
def test_ignored_pixels_are_as_if_they_were_not_there(truth: np.ndarray, found: np.ndarray):
    kept = truth != 2
    for score in (adjusted_rand, covering):
        assert score(truth, found, ignore=2) == pytest.approx(score(truth[kept], found[kept]), nan_ok=True)


@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1, 2]])
def test_one_region_and_pixels_all_apart_are_equal_to_themselves(labels: list[int]):
    assert adjusted_rand(labels, labels) == 1
    assert adjusted_rand([0, 0, 0], [0, 1, 2]) == 0


def test_shuffled_labels_are_at_chance():
    generator = np.random.default_rng(0)
    truth = np.repeat(np.arange(5), 800)
    assert abs(adjusted_rand(truth, generator.permutation(truth))) < 0.01


def test_nothing_scores_nan():
    for score in (adjusted_rand, covering):
        assert math.isnan(score([255, 255], [0, 1], ignore=255))


def test_many_regions_of_a_large_picture_lose_no_digits():
    truth = np.arange(512 * 512).reshape(512, 512) // 300
    assert adjusted_rand(truth, truth.max() - truth) == 1
    assert covering(truth, truth.max() - truth) == 1


@pytest.mark.filterwarnings("ignore:Sparse invariant")
def test_adjusted_rand_is_torchmetrics():
    pytest.importorskip("torchmetrics")
    import torch
    from torchmetrics.functional.clustering import adjusted_rand_score as theirs

    truth, found = np.random.default_rng(0).integers(0, 4, (2, 60))
    expected = float(theirs(torch.tensor(found), torch.tensor(truth)))
    assert adjusted_rand(truth, found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("score", [adjusted_rand, covering])
def test_what_is_no_pair_of_label_maps_is_refused(score):
    with pytest.raises(InputError, match="nearest"):
        score([0, 1], [0, 1, 2])
    with pytest.raises(InputError, match="whole numbers"):
        score([0.0, 1.0], [0, 1])
