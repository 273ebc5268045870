"""Label maps against the truth, as a table of counts: add the tables of many pictures, then score the sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.types import InputError


def confusion(truth: ArrayLike, predicted: ArrayLike, classes: int, ignore: int | None = None) -> NDArray[np.int64]:
    """Counts (classes, classes) of pixels, rows the true label and columns the predicted one.

    Pixels whose true label is `ignore` count for nothing; a prediction cannot abstain.
    """
    true, given = _labels("truth", truth), _labels("predicted", predicted)
    if true.shape != given.shape:
        raise InputError(f"truth is {true.shape} and predicted {given.shape}; resize by nearest neighbour first")
    if ignore is not None:
        true, given = true[true != ignore], given[true != ignore]
    for name, labels in (("truth", true), ("predicted", given)):
        if labels.size and not (labels.min() >= 0 and labels.max() < classes):
            raise InputError(
                f"{name}: expected labels from 0 to {classes - 1}, got {labels.min()} to {labels.max()}; "
                "raise classes, or name the true label to ignore"
            )
    pairs = true.astype(np.int64).ravel() * classes + given.astype(np.int64).ravel()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def class_iou(confusion: ArrayLike) -> NDArray[np.float64]:
    """(classes,) TP / (TP + FP + FN) of each class, pooled over all that was counted; nan where the truth has none."""
    table = _table(confusion)
    true = table.sum(1)
    union = true + table.sum(0) - table.diagonal()
    return np.where(true > 0, table.diagonal() / np.maximum(union, 1), np.nan)


def mean_iou(confusion: ArrayLike) -> float:
    """The mean of `class_iou` over the classes that the truth has; nan if it has none."""
    present = class_iou(confusion)
    present = present[~np.isnan(present)]
    return float(present.mean()) if present.size else float("nan")


def _labels(name: str, given: ArrayLike) -> NDArray[np.integer]:
    array = np.asarray(given)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name}: expected labels, whole numbers, got {array.dtype}")
    return array


def _table(given: ArrayLike) -> NDArray[np.integer]:
    table = np.asarray(given)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.dtype.kind not in "iu":
        raise InputError(f"expected the counts (classes, classes) of `confusion`, got {table.dtype} {table.shape}")
    return table
