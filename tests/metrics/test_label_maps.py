"""Label maps: the table by hand and against scikit-learn's; scores of pooled tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, jaccard_score

from innerlight.metrics import class_iou, confusion, mean_iou
from innerlight.types import InputError

CLASSES = 4
LABELS = st.lists(st.integers(0, CLASSES - 1), min_size=12, max_size=12).map(np.array)


def test_the_table_by_hand():
    truth = np.array([[0, 0, 1], [1, 255, 2]], np.uint8)
    predicted = np.array([[0, 1, 1], [1, 2, 0]], np.uint8)
    table = confusion(truth, predicted, 4, ignore=255)
    assert table.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_equal(class_iou(table), [1 / 3, 2 / 3, 0, np.nan])
    assert mean_iou(table) == pytest.approx(1 / 3)


def test_a_class_that_is_only_predicted_counts_against_the_others_alone():
    table = confusion([0, 0, 0, 0], [0, 0, 0, 1], 2)
    np.testing.assert_equal(class_iou(table), [3 / 4, np.nan])
    assert mean_iou(table) == 3 / 4


@given(truth=LABELS, predicted=LABELS)
def test_it_is_scikit_learns(truth: np.ndarray, predicted: np.ndarray):
    table = confusion(truth, predicted, CLASSES)
    assert (table == confusion_matrix(truth, predicted, labels=range(CLASSES))).all()
    present = np.unique(truth)
    theirs = jaccard_score(truth, predicted, labels=present, average=None, zero_division=0)
    assert class_iou(table)[present] == pytest.approx(theirs)
    assert mean_iou(table) == pytest.approx(np.mean(theirs))


@given(truth=LABELS, predicted=LABELS)
def test_tables_of_parts_add_up(truth: np.ndarray, predicted: np.ndarray):
    parts = confusion(truth[:5], predicted[:5], CLASSES) + confusion(truth[5:], predicted[5:], CLASSES)
    assert (parts == confusion(truth, predicted, CLASSES)).all()


def test_the_perfect_prediction_scores_1_and_nothing_scores_nan():
    labels = np.arange(6).reshape(2, 3)
    assert mean_iou(confusion(labels, labels, 6)) == 1
    assert math.isnan(mean_iou(confusion([255], [0], 6, ignore=255)))


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([0, 255], [0, 1], "truth: expected labels from 0 to 3, got 0 to 255"),
        ([0, 1], [0, 4], "predicted: .* raise classes"),
        ([0, 1], [0, -1], "predicted"),
        ([0, 1], [0, 1, 2], "nearest"),
        ([0.0, 1.0], [0, 1], "whole numbers"),
    ],
)
def test_what_cannot_be_counted_is_refused(truth: list, predicted: list, message: str):
    with pytest.raises(InputError, match=message):
        confusion(truth, predicted, CLASSES)


def test_what_is_no_table_is_refused():
    with pytest.raises(InputError, match="classes, classes"):
        mean_iou(np.ones((2, 3), int))
    with pytest.raises(InputError, match="classes, classes"):
        class_iou(np.ones((2, 2)))
