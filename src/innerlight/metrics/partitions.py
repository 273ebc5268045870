"""How alike two partitions of a picture are, whatever the names and the number of their regions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.metrics.label_maps import _labels
from innerlight.types import InputError


def adjusted_rand(truth: ArrayLike, predicted: ArrayLike, ignore: int | None = None) -> float:
    """How many pairs of pixels both partitions treat alike: 1 for equal partitions, around 0 for chance.

    Hubert and Arabie 1985. Pixels whose true label is `ignore` count for nothing; nan if none is left.
    """
    shared = _shared(truth, predicted, ignore)
    if not shared.size:
        return float("nan")
    both, true, given = (float(_pairs(n).sum()) for n in (shared, shared.sum(1), shared.sum(0)))
    if both == true == given:
        return 1.0  # equal partitions; the formula is 0 / 0 for a single region, and for pixels all apart
    chance = true * given / float(_pairs(shared.sum()))
    return (both - chance) / ((true + given) / 2 - chance)


def covering(truth: ArrayLike, predicted: ArrayLike, ignore: int | None = None) -> float:
    """The IoU of each true region with the region that fits it best, averaged by the true regions' areas.

    Arbelaez et al. 2011. Pixels whose true label is `ignore` count for nothing; nan if none is left.
    """
    shared = _shared(truth, predicted, ignore)
    if not shared.size:
        return float("nan")
    areas = shared.sum(1)
    overlap = shared / (areas[:, None] + shared.sum(0) - shared)
    return float((areas * overlap.max(1)).sum() / areas.sum())


def _shared(truth: ArrayLike, predicted: ArrayLike, ignore: int | None) -> NDArray[np.int64]:
    """Pixels (true regions, given regions) that two regions share; none empty."""
    true, given = _labels("truth", truth), _labels("predicted", predicted)
    if true.shape != given.shape:
        raise InputError(f"truth is {true.shape} and predicted {given.shape}; resize by nearest neighbour first")
    if ignore is not None:
        true, given = true[true != ignore], given[true != ignore]
    rows, row = np.unique(true.ravel(), return_inverse=True)
    columns, column = np.unique(given.ravel(), return_inverse=True)
    pairs = np.bincount(row * len(columns) + column, minlength=len(rows) * len(columns))
    return pairs.reshape(len(rows), len(columns))


def _pairs(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return counts.astype(np.float64) * (counts - 1) / 2
