"""What the numbers of a map are measured against: its own extremes, other words, its maximum."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from innerlight.maps.resizing import checked_maps
from innerlight.types import InputError


def min_max(maps: Tensor) -> Tensor:
    """Maps (..., h, w), each stretched to 0..1; a flat one is all zeros."""
    low, high = (extreme(checked_maps(maps), dim=(-2, -1), keepdim=True) for extreme in (torch.amin, torch.amax))
    return (maps - low) / torch.where(high > low, high - low, 1)


def share(maps: Tensor, eps: float = 1e-6) -> Tensor:
    """Maps of words (k, h, w) as each word's share of their sum in every cell."""
    if checked_maps(maps).ndim != 3:
        raise InputError(f"maps: expected one a word, (k, h, w), got {tuple(maps.shape)}")
    return maps / (maps.sum(0) + eps)


def threshold(map: Tensor, of_max: float = 0.4) -> Tensor:
    """Masks of maps (..., h, w): where a map reaches `of_max` of its maximum; nowhere if that is not above 0.

    A higher `of_max` selects a part of what a lower one does. 0.4 did best in DAAM (arXiv:2210.04885).
    """
    if not (math.isfinite(of_max) and of_max >= 0):
        raise InputError(f"of_max: expected a share of the maximum from 0 on, got {of_max!r}")
    highest = torch.amax(checked_maps(map), dim=(-2, -1), keepdim=True)
    return (map >= of_max * highest) & (highest > 0)
