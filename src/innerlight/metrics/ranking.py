"""Rankings by score against what should be found; equal scores never profit from the order they came in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.metrics.masks import _mask, _numbers
from innerlight.types import InputError

Ties = Literal["worst", "average"]


def average_precision(scores: ArrayLike, positives: ArrayLike, ties: Ties = "worst") -> float:
    """The mean over positives of the precision at their rank, uninterpolated; nan without positives.

    scores: (n,) of the gallery, the query not among it; positives: (n,) bool. Of equal scores the positives come last,
    or with `ties="average"` the score is the mean over all orders.
    """
    numbers, wanted = _ranked(scores, positives)
    if ties not in ("worst", "average"):
        raise InputError(f'ties: expected "worst" or "average", got {ties!r}')
    if not wanted.any():
        return float("nan")
    return _worst(numbers, wanted) if ties == "worst" else _average(numbers, wanted)


def mean_average_precision(scores: Iterable[ArrayLike], positives: Iterable[ArrayLike], ties: Ties = "worst") -> float:
    """The mean of `average_precision` over queries, each with its own gallery; queries without positives are left out.

    nan if no query is left.
    """
    each = np.array([average_precision(*query, ties) for query in zip(scores, positives, strict=True)])
    each = each[~np.isnan(each)]
    return float(each.mean()) if each.size else float("nan")


def first_rank(scores: ArrayLike, positives: ArrayLike) -> float:
    """The rank, from 1, of the first positive, behind all negatives of its score; nan without positives."""
    numbers, wanted = _ranked(scores, positives)
    return float((numbers[~wanted] >= numbers[wanted].max()).sum() + 1) if wanted.any() else float("nan")


def reciprocal_rank(scores: ArrayLike, positives: ArrayLike) -> float:
    """1 / `first_rank`."""
    return 1 / first_rank(scores, positives)


def recall_at(k: int, scores: ArrayLike, positives: ArrayLike) -> float:
    """1 if any positive is among the first k, 0 if none is, by `first_rank`; nan without positives."""
    if k < 1:
        raise InputError(f"k: expected a rank from 1 on, got {k}")
    rank = first_rank(scores, positives)
    return rank if np.isnan(rank) else float(rank <= k)


def _worst(scores: NDArray[np.floating], positives: NDArray[np.bool_]) -> float:
    places = np.flatnonzero(positives[np.lexsort((positives, -scores))])  # from the best on, of equals negatives first
    return float((np.arange(1, len(places) + 1) / (places + 1)).mean())


def _average(scores: NDArray[np.floating], positives: NDArray[np.bool_]) -> float:
    """The expectation when equal scores stand in random order (McSherry and Najork 2008)."""
    _, tied, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    hits = np.bincount(tied, positives)
    items, wanted = np.repeat(counts, counts), np.repeat(hits, counts)  # of the group at each rank
    items_before, wanted_before = (np.repeat(np.cumsum(n) - n, counts) for n in (counts, hits))
    ranks = np.arange(1, len(scores) + 1)
    # that a positive stands at this rank, and how many do up to it if so
    chance = wanted / items
    found = wanted_before + 1 + (ranks - items_before - 1) * (wanted - 1) / np.maximum(items - 1, 1)
    return float((chance * found / ranks).sum() / hits.sum())


def _ranked(scores: ArrayLike, positives: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    numbers, wanted = _numbers("scores", scores), _mask("positives", positives)
    if numbers.ndim != 1 or numbers.shape != wanted.shape:
        raise InputError(f"expected scores and positives (n,), got {numbers.shape} and {wanted.shape}; rank one query")
    return numbers, wanted
