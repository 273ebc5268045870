"""One mask against another, and a map of numbers against a mask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.types import InputError


@dataclass(frozen=True)
class BestThreshold:
    """The threshold, as a share of the map's maximum, whose mask fits best, and how well it does."""

    threshold: float
    intersection: int  # pixels in both masks
    union: int  # pixels in either

    @property
    def iou(self) -> float:
        """Intersection over union; 1 where both masks are empty."""
        return self.intersection / self.union if self.union else 1.0


def iou(a: ArrayLike, b: ArrayLike) -> float:
    """Intersection over union of two masks of one shape; 1 where both are empty."""
    first, second = _mask("a", a), _mask("b", b)
    _refuse_unlike("a", first, "b", second)
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 1.0


def best_threshold_iou(map: ArrayLike, mask: ArrayLike, thresholds: Iterable[float]) -> BestThreshold:
    """The best of `thresholds`, shares of the map's maximum as in `innerlight.maps.threshold`; of equals the lowest."""
    numbers, truth = _numbers("map", map), _mask("mask", mask)
    _refuse_unlike("map", numbers, "mask", truth)
    highest = numbers.max()
    tried = []
    for share in sorted(thresholds):
        found = (numbers >= share * highest) & (highest > 0)
        tried.append(BestThreshold(float(share), int((found & truth).sum()), int((found | truth).sum())))
    if not tried:
        raise InputError("thresholds: expected at least one share of the maximum, such as 0.4, got none")
    return max(tried, key=lambda one: one.iou)


def auroc(scores: ArrayLike, truth: ArrayLike) -> float:
    """How likely a score inside `truth` is above one outside, equal ones counting half; nan if a side is empty.

    Any shape: the area under the receiver operating characteristic, by ranks.
    """
    numbers, inside = _numbers("scores", scores), _mask("truth", truth)
    _refuse_unlike("scores", numbers, "truth", inside)
    hits = int(inside.sum())
    misses = inside.size - hits
    if not hits or not misses:
        return float("nan")
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # from 1; equal scores share the mean of theirs
    ranks_inside = float(ranks[places.reshape(numbers.shape)][inside].sum())
    return (ranks_inside - hits * (hits + 1) / 2) / (hits * misses)


def pointing(map: ArrayLike, mask: ArrayLike) -> float:
    """1 if the highest number of the map lies inside the mask, 0 if not; of equal highest ones the share inside."""
    numbers, inside = _numbers("map", map), _mask("mask", mask)
    _refuse_unlike("map", numbers, "mask", inside)
    return float(inside[numbers == numbers.max()].mean())


def _mask(name: str, given: ArrayLike) -> NDArray[np.bool_]:
    array = np.asarray(given)
    if array.dtype != np.bool_:
        raise InputError(f"{name}: expected a mask of bool, got {array.dtype}; say what is inside, such as {name} > 0")
    return array


def _numbers(name: str, given: ArrayLike) -> NDArray[np.floating]:
    array = np.asarray(given, dtype=np.float64)
    if not array.size or not np.isfinite(array).all():
        raise InputError(f"{name}: expected finite numbers, got {'none' if not array.size else 'nan or infinity'}")
    return array


def _refuse_unlike(name: str, one: NDArray, other_name: str, other: NDArray) -> None:
    if one.shape != other.shape:
        raise InputError(f"{name} is {one.shape} and {other_name} {other.shape}; resize one of them to the other")
