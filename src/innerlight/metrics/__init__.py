"""Scores: pure functions of numpy arrays. Label maps are pooled over pictures as tables of counts, then scored.

A mask is `bool`, (h, w); a label map whole numbers. A score of nothing at all (no class, no count) is nan, so that
`np.nanmean` leaves it out.
"""

from __future__ import annotations

from innerlight.metrics.label_maps import class_iou, confusion, mean_iou
from innerlight.metrics.masks import BestThreshold, auroc, best_threshold_iou, iou, pointing
from innerlight.metrics.numbers import Entropy, entropy, psnr

__all__ = [
    "BestThreshold",
    "Entropy",
    "auroc",
    "best_threshold_iou",
    "class_iou",
    "confusion",
    "entropy",
    "iou",
    "mean_iou",
    "pointing",
    "psnr",
]
