"""Clusters matched to classes: by hand, against brute force, scikit-learn and torchmetrics."""

from __future__ import annotations

import math
from functools import reduce
from itertools import permutations
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

from innerlight.metrics import (
    assigned_counts,
    class_iou,
    cluster_table,
    confusion,
    match_clusters,
    matched_over_set,
    matched_per_image,
    mean_iou,
)
from innerlight.types import InputError

# 3 segments on 2 of 3 classes
#   truth 0 0 0 0 0 1 1 1     segment 0 covers 4 of class 0, segment 1 the fifth and 2 of class 1, segment 2 the last
#   given 0 0 0 0 1 1 1 2
TRUTH = np.array([[0, 0, 0, 0], [0, 1, 1, 1]])
GIVEN = np.array([[0, 0, 0, 0], [1, 1, 1, 2]])
TABLE = np.array([[4, 1, 0], [0, 2, 1], [0, 0, 0]])


def tables(most: int = 6, highest: int = 4, square: bool = False) -> st.SearchStrategy[np.ndarray]:
    """Counts of few and small numbers, so that equals are common."""
    sides = st.integers(1, most)
    shapes = sides.map(lambda n: (n, n)) if square else st.tuples(sides, sides)
    return shapes.flatmap(lambda shape: arrays(np.int64, shape, elements=st.integers(0, highest)))


def ious(table: np.ndarray) -> np.ndarray:
    union = table.sum(1)[:, None] + table.sum(0)[None] - table
    return np.divide(table, union, out=np.zeros(table.shape), where=union > 0)


def matchings(table: np.ndarray) -> list[list[tuple[int, int]]]:
    """All full matchings, as (class, cluster)."""
    classes, clusters = table.shape
    if classes <= clusters:
        return [list(enumerate(order)) for order in permutations(range(clusters), classes)]
    return [[(c, k) for k, c in enumerate(order)] for order in permutations(range(classes), clusters)]


def test_the_table_by_hand():
    assert (cluster_table(TRUTH, GIVEN, 3, 3) == TABLE).all()
    assert cluster_table([0, 255, 1], [1, 0, 4], 2, 5, ignore=255).tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1]]
    assert cluster_table([255], [0], 2, 3, ignore=255).tolist() == [[0, 0, 0], [0, 0, 0]]


@given(seed=st.integers(0, 99))
def test_the_table_is_scikit_learns_and_with_names_our_own(seed: int):
    truth, given_ = np.random.default_rng(seed).integers(0, 4, (2, 5, 6))
    truth.ravel()[:4], given_.ravel()[:4] = range(4), range(4)  # theirs leaves out labels that never come
    assert (cluster_table(truth, given_, 4, 4) == contingency_matrix(truth.ravel(), given_.ravel())).all()
    assert (cluster_table(truth, given_, 4, 4, ignore=2) == confusion(truth, given_, 4, ignore=2)).all()


def test_three_segments_and_two_classes_by_hand():
    found = matched_per_image(TABLE)
    # segment 0 is class 0, segment 1 class 1; segment 2 shares no pixel with class 2, which the picture does not have
    assert found.hits.tolist() == [4, 2, 0]
    assert found.false_positives.tolist() == [0, 1, 0]
    assert found.misses.tolist() == [1, 1, 0]
    np.testing.assert_equal(found.class_iou, [4 / 5, 2 / 4, np.nan])
    assert found.mean_iou == pytest.approx((4 / 5 + 2 / 4) / 2)
    assert found.accuracy == 6 / 8
    assert found.pixels == 8
    # over a set every class takes a cluster while there are some, here class 2 the third
    assert match_clusters(TABLE).tolist() == [0, 1, 2]
    assert matched_over_set(TABLE).false_positives.tolist() == [0, 1, 1]


def test_clusters_left_over_are_errors_in_the_classes_they_cover():
    table = np.array([[5, 0, 1, 0], [0, 4, 0, 2]])
    assert match_clusters(table).tolist() == [0, 1, -1, -1]
    found = matched_over_set(table)
    assert (found.hits.tolist(), found.false_positives.tolist(), found.misses.tolist()) == ([5, 4], [0, 0], [1, 2])
    np.testing.assert_equal(found.class_iou, [5 / 6, 4 / 6])
    assert found.accuracy == 9 / 12


def test_classes_left_over_are_missed():
    found = matched_over_set([[3], [5]])
    assert (found.hits.tolist(), found.false_positives.tolist(), found.misses.tolist()) == ([0, 5], [0, 3], [3, 0])
    np.testing.assert_equal(found.class_iou, [0, 5 / 8])


def test_swapped_names_are_no_error():
    truth = np.repeat([[0, 1]], 3, axis=1).reshape(2, 3)
    table = cluster_table(truth, 1 - truth, 2, 2)
    assert mean_iou(table) == 0
    for found in (matched_over_set(table), matched_per_image(table, "iou")):
        assert (found.mean_iou, found.accuracy) == (1, 1)


def test_hits_and_iou_may_match_otherwise():
    table = np.array([[7, 3], [3, 0]])
    # straight: 7 + 0 hits, IoU 7 / 13 and 0; crossed: 3 + 3 hits, IoU 3 / 10 and 3 / 10
    assert match_clusters(table, "hits").tolist() == [0, 1]
    assert match_clusters(table, "iou").tolist() == [1, 0]
    found = {by: matched_over_set(table, by) for by in ("hits", "iou")}
    assert (found["hits"].accuracy, found["iou"].accuracy) == (7 / 13, 6 / 13)
    assert found["hits"].mean_iou == pytest.approx(7 / 26)
    assert found["iou"].mean_iou == pytest.approx(3 / 10)


def test_of_equal_iou_more_hits_are_matched():
    # class 1 takes cluster 0; class 0 has IoU 1 / 3 with cluster 1, one hit, and 2 / 6 with cluster 2, two
    table = np.array([[0, 1, 2], [3, 0, 3]])
    assert match_clusters(table, "iou").tolist() == [1, -1, 0]
    assert match_clusters(table[:, ::-1], "iou").tolist() == [0, -1, 1]


@given(table=tables(square=True), by=st.sampled_from(["hits", "iou"]))
def test_a_matching_is_the_best_of_all_and_the_better_of_equals(table: np.ndarray, by):
    overlap = ious(table)
    scores = [(sum(table[p] for p in m), sum(overlap[p] for p in m)) for m in matchings(table)]
    first = 0 if by == "hits" else 1
    matched = match_clusters(table, by)
    mine = [(c, k) for k, c in enumerate(matched) if c >= 0]
    got = (sum(table[p] for p in mine), sum(overlap[p] for p in mine))
    best = max(score[first] for score in scores)
    assert got[first] == pytest.approx(best)
    assert got[1 - first] == pytest.approx(max(score[1 - first] for score in scores if score[first] >= best - 1e-12))


@given(table=tables(most=5))
def test_of_unequal_numbers_as_many_are_matched_as_can_be(table: np.ndarray):
    matched = match_clusters(table)
    assert (matched >= 0).sum() == min(table.shape)
    assert len(set(matched[matched >= 0])) == min(table.shape)
    hits = sum(table[c, k] for k, c in enumerate(matched) if c >= 0)
    assert hits == max(sum(table[p] for p in m) for m in matchings(table))
    rows, columns = linear_sum_assignment(table, maximize=True)
    assert hits == table[rows, columns].sum()


@given(table=tables(), seed=st.integers(0, 99), by=st.sampled_from(["hits", "iou"]))
def test_other_names_for_the_clusters_change_nothing(table: np.ndarray, seed: int, by):
    renamed = table[:, np.random.default_rng(seed).permutation(table.shape[1])]
    for score in (matched_over_set, matched_per_image):
        one, other = score(table, by), score(renamed, by)
        assert one.accuracy == pytest.approx(other.accuracy, nan_ok=True)
    assert matched_over_set(table, by).mean_iou == pytest.approx(matched_over_set(renamed, by).mean_iou, nan_ok=True)


@given(table=tables(square=True))
def test_matching_by_hits_is_never_worse_than_the_names_as_they_are(table: np.ndarray):
    named = assigned_counts(table, np.arange(len(table)))
    np.testing.assert_equal(named.class_iou, class_iou(table))
    assert named.mean_iou == pytest.approx(mean_iou(table), nan_ok=True)
    found = matched_over_set(table)
    assert math.isnan(found.accuracy) or found.accuracy >= named.accuracy
    assert math.isnan(found.accuracy) or matched_over_set(table, "iou").mean_iou >= named.mean_iou - 1e-8


@given(many=st.lists(arrays(np.int64, (3, 4), elements=st.integers(0, 4)), min_size=1, max_size=4))
def test_a_matching_for_each_picture_is_no_less_accurate_than_one_for_all(many: list[np.ndarray]):
    per_image, over_set = reduce(add, map(matched_per_image, many)), matched_over_set(np.sum(many, axis=0))
    assert per_image.pixels == over_set.pixels == np.sum(many)
    assert math.isnan(over_set.accuracy) or per_image.accuracy >= over_set.accuracy
    backwards = sum(map(matched_per_image, reversed(many)))
    assert backwards
    np.testing.assert_equal(per_image.class_iou, backwards.class_iou)


@given(table=tables(), by=st.sampled_from(["hits", "iou"]))
def test_every_pixel_is_counted_once(table: np.ndarray, by):
    for found in (matched_over_set(table, by), matched_per_image(table, by)):
        assert (found.hits + found.misses == table.sum(1)).all()
        assert found.false_positives.sum() <= found.misses.sum()  # the difference lies in clusters left over


@given(table=tables(), by=st.sampled_from(["hits", "iou"]))
def test_a_picture_has_no_false_positives_of_classes_without_hits(table: np.ndarray, by):
    found = matched_per_image(table, by)
    assert (found.false_positives[found.hits == 0] == 0).all()


def test_the_mean_is_over_classes_of_the_truth_and_nan_if_it_has_none():
    perfect = matched_over_set(np.diag([3, 0, 4]))
    assert (perfect.mean_iou, perfect.accuracy) == (1, 1)
    nothing = matched_over_set(np.zeros((2, 2), int))
    assert math.isnan(nothing.mean_iou)
    assert math.isnan(nothing.accuracy)


def test_clusters_may_share_a_class_where_the_caller_says_so():
    found = assigned_counts(TABLE, [0, 1, 1])
    assert (found.hits.tolist(), found.false_positives.tolist()) == ([4, 3, 0], [0, 1, 0])


def test_matched_and_renamed_it_scores_as_torchmetrics_does():
    pytest.importorskip("torchmetrics")
    import torch
    from torchmetrics.functional.classification import multiclass_jaccard_index

    truth, given_ = np.random.default_rng(0).integers(0, 4, (2, 200))
    table = cluster_table(truth, given_, 4, 4)
    renamed = match_clusters(table)[given_]
    theirs = multiclass_jaccard_index(torch.tensor(renamed), torch.tensor(truth), 4, average="none")
    assert matched_over_set(table).class_iou == pytest.approx(theirs.numpy())
    assert matched_over_set(table).accuracy == (renamed == truth).mean()


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"truth: expected labels from 0 to 1, got 0 to 255; .* ignore"):
        cluster_table([0, 255], [0, 1], 2, 2)
    with pytest.raises(InputError, match="predicted: expected labels from 0 to 2, got 0 to 3; raise clusters"):
        cluster_table([0, 1], [0, 3], 2, 3)
    with pytest.raises(InputError, match="nearest"):
        cluster_table([0, 1], [0], 2, 2)
    with pytest.raises(InputError, match="whole numbers"):
        cluster_table([0, 1], [0.0, 1.0], 2, 2)
    for wrong in (np.ones((2, 2)), np.ones(2, int), -np.ones((2, 2), int), np.ones((0, 2), int)):
        with pytest.raises(InputError, match="cluster_table"):
            match_clusters(wrong)
    with pytest.raises(InputError, match='"hits" or "iou", got \'dice\''):
        matched_over_set(TABLE, "dice")  # pyright: ignore[reportArgumentType]
    for wrong in ([0, 1], [0, 1, 3], [0, 1, -2]):
        with pytest.raises(InputError, match="assigned: expected classes from -1 to 2"):
            assigned_counts(TABLE, wrong)
    with pytest.raises(InputError, match="expected counts"):
        sum([matched_over_set(TABLE)], 1)  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(InputError, match="do not add up"):
        add(matched_over_set(TABLE), matched_over_set([[1]]))
