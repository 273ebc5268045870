"""Label maps whose names are unknown: clusters are matched to classes by linear assignment, then scored as classes.

Two protocols share one table of counts. Over a set (PiCIE, STEGO): clusters mean the same in every picture, the tables
are added up and matched once. Per image (DiffSeg): segments mean nothing beyond their picture, each table is matched on
its own and the scores' counts are added up; far more lenient, so report both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.metrics._sums import Sums
from innerlight.metrics.label_maps import _labels
from innerlight.types import InputError

MatchBy = Literal["hits", "iou"]


@dataclass(frozen=True, eq=False)
class ClassCounts(Sums):
    """Pixels of each class, right and wrong, (classes,); those of many pictures add up."""

    hits: NDArray[np.int64]  # of the class, and called so
    false_positives: NDArray[np.int64]  # called so, and of another class
    misses: NDArray[np.int64]  # of the class, and not called so

    @property
    def pixels(self) -> int:
        """All that were counted."""
        return int(self.hits.sum() + self.misses.sum())

    @property
    def accuracy(self) -> float:
        """The share of pixels that are hits; nan if none was counted."""
        return int(self.hits.sum()) / self.pixels if self.pixels else float("nan")

    @property
    def class_iou(self) -> NDArray[np.float64]:
        """(classes,) pooled over all that was counted; nan where the truth has none."""
        true = self.hits + self.misses
        return np.where(true > 0, self.hits / np.maximum(true + self.false_positives, 1), np.nan)

    @property
    def mean_iou(self) -> float:
        """The mean over the classes that the truth has; nan if it has none."""
        present = self.hits + self.misses > 0
        return float(self.class_iou[present].mean()) if present.any() else float("nan")


def cluster_table(
    truth: ArrayLike, predicted: ArrayLike, classes: int, clusters: int, ignore: int | None = None
) -> NDArray[np.int64]:
    """Counts (classes, clusters) of pixels, rows the true label and columns the cluster.

    Pixels whose true label is `ignore` count for nothing.
    """
    true, given = _labels("truth", truth), _labels("predicted", predicted)
    if true.shape != given.shape:
        raise InputError(f"truth is {true.shape} and predicted {given.shape}; resize by nearest neighbour first")
    if ignore is not None:
        true, given = true[true != ignore], given[true != ignore]
    _refuse_beyond("truth", true, classes, "raise classes, or name the true label to ignore")
    _refuse_beyond("predicted", given, clusters, "raise clusters")
    pairs = true.astype(np.int64).ravel() * clusters + given.astype(np.int64).ravel()
    return np.bincount(pairs, minlength=classes * clusters).reshape(classes, clusters)


def match_clusters(table: ArrayLike, by: MatchBy = "hits") -> NDArray[np.int64]:
    """The class of each cluster (clusters,), no class twice; -1 for clusters left over.

    "hits" matches for the most hits, "iou" for the highest sum of IoU; of matchings equal in one, the best in the
    other is taken.
    """
    from scipy.optimize import linear_sum_assignment

    counts = _counts(table)
    classes, clusters = linear_sum_assignment(_worth(counts, by), maximize=True)
    matched = np.full(counts.shape[1], -1, np.int64)
    matched[clusters] = classes
    return matched


def assigned_counts(table: ArrayLike, assigned: ArrayLike) -> ClassCounts:
    """The counts when each cluster is called the class it has in `assigned` (clusters,); clusters may share a class.

    Pixels of clusters at -1 are misses of their classes and false positives of none.
    """
    counts, names = _counts(table), _labels("assigned", assigned)
    classes, clusters = counts.shape
    if names.shape != (clusters,) or names.min() < -1 or names.max() >= classes:
        raise InputError(f"assigned: expected classes from -1 to {classes - 1}, ({clusters},), got {names!r:.60}")
    called = names == np.arange(classes)[:, None]  # (classes, clusters)
    hits = (counts * called).sum(1)
    return ClassCounts(hits, (counts.sum(0) * called).sum(1) - hits, counts.sum(1) - hits)


def matched_over_set(table: ArrayLike, by: MatchBy = "hits") -> ClassCounts:
    """One matching for the pooled table of a set; pixels of clusters left over are misses of the classes they cover."""
    return assigned_counts(table, match_clusters(table, by))


def matched_per_image(table: ArrayLike, by: MatchBy = "hits") -> ClassCounts:
    """A matching of one picture's segments with the classes it has: add up the counts of all pictures.

    Segments left over, or that share no pixel with a class still free, are misses of the classes they cover and false
    positives of none.
    """
    counts = _counts(table)
    matched = match_clusters(counts, by)
    shared = counts[matched, np.arange(len(matched))] > 0
    return assigned_counts(counts, np.where(shared, matched, -1))


def _worth(counts: NDArray[np.int64], by: MatchBy) -> NDArray[np.float64]:
    """What each pair adds to a matching: `by`, and so little of the other that it decides between equals only."""
    overlap = counts / np.maximum(counts.sum(1, keepdims=True) + counts.sum(0) - counts, 1)
    if by == "hits":
        return counts + overlap / (min(counts.shape) + 1)
    if by == "iou":
        return overlap + 1e-9 * counts / max(1, counts.sum())
    raise InputError(f'by: expected "hits" or "iou", got {by!r}')


def _counts(table: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(table)
    if counts.ndim != 2 or counts.dtype.kind not in "iu" or not counts.size or counts.min() < 0:
        got = f"{counts.dtype} {counts.shape}"
        raise InputError(f"expected the counts (classes, clusters) of `cluster_table`, got {got}")
    return counts.astype(np.int64)


def _refuse_beyond(name: str, labels: NDArray[np.integer], count: int, way_out: str) -> None:
    if labels.size and not (labels.min() >= 0 and labels.max() < count):
        raise InputError(
            f"{name}: expected labels from 0 to {count - 1}, got {labels.min()} to {labels.max()}; {way_out}"
        )
