"""Few-shot episodes: a support set, a query and one class each; counts are pooled by class, then scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.metrics._sums import Sums
from innerlight.metrics.masks import _mask, _refuse_unlike
from innerlight.types import InputError


@dataclass(frozen=True, eq=False)
class EpisodeCounts(Sums):
    """Pixels by the class asked for, (classes,); those of many episodes add up."""

    intersection: NDArray[np.int64]  # in both masks
    union: NDArray[np.int64]  # in either
    pixels: NDArray[np.int64]  # all of the picture but the ignored ones

    @property
    def class_iou(self) -> NDArray[np.float64]:
        """(classes,) pooled over the episodes of each class; nan where neither truth nor prediction had a pixel."""
        return np.where(self.union > 0, self.intersection / np.maximum(self.union, 1), np.nan)

    @property
    def mean_iou(self) -> float:
        """The mean over classes, those at nan left out; nan if all are."""
        return float(self.class_iou[self.union > 0].mean()) if self.union.any() else float("nan")

    @property
    def foreground_background_iou(self) -> float:
        """FB-IoU: the mean of foreground's and background's IoU, each pooled over all episodes whatever their class.

        A side that neither truth nor prediction ever had is left out.
        """
        intersection, union, pixels = (int(n.sum()) for n in (self.intersection, self.union, self.pixels))
        sides = [(intersection, union), (pixels - union, pixels - intersection)]
        ious = [shared / either for shared, either in sides if either]
        return sum(ious) / len(ious) if ious else float("nan")


def episode(
    truth: ArrayLike, predicted: ArrayLike, asked: int, classes: int, ignored: ArrayLike | None = None
) -> EpisodeCounts:
    """The counts of one query's masks, under the class `asked` for, a number from 0 within the fold.

    Pixels in the mask `ignored` count for nothing, in truth and prediction.
    """
    true, given = _mask("truth", truth), _mask("predicted", predicted)
    _refuse_unlike("truth", true, "predicted", given)
    if not 0 <= asked < classes:
        raise InputError(f"asked: expected a class from 0 to {classes - 1}, got {asked}; number them within the fold")
    if ignored is not None:
        left_out = _mask("ignored", ignored)
        _refuse_unlike("truth", true, "ignored", left_out)
        true, given = true[~left_out], given[~left_out]
    one = (np.arange(classes) == asked).astype(np.int64)
    return EpisodeCounts(one * int((true & given).sum()), one * int((true | given).sum()), one * true.size)


def harmonic_mean(seen: float, unseen: float) -> float:
    """Of the scores of seen and of unseen classes; 0 if either is 0."""
    if seen < 0 or unseen < 0:
        raise InputError(f"expected scores from 0 on, got {seen} and {unseen}")
    return 2 * seen * unseen / (seen + unseen) if seen + unseen else 0.0
