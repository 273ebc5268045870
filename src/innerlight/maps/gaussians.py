"""The normal distribution on a grid: as a blur, and as the guess that a thing stands in the middle."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from innerlight.maps.resizing import checked_maps, checked_size
from innerlight.types import InputError


def gaussian_blur(maps: Tensor, sigma: float, radius: int | None = None) -> Tensor:
    """Maps (..., h, w) smoothed by a normal distribution of `sigma` cells, mirrored at the border.

    The kernel reaches `radius` cells (None: four sigmas), on a small map as far as there is something to mirror.
    """
    if not (math.isfinite(sigma) and sigma >= 0):
        raise InputError(f"sigma: expected a number of cells from 0 on, got {sigma!r}")
    if radius is not None and radius < 0:
        raise InputError(f"radius: expected a number of cells from 0 on, or None, got {radius!r}")
    if not checked_maps(maps).is_floating_point():
        raise InputError(f"a blur needs maps of floats, got {maps.dtype}; cast them with .float()")
    if sigma == 0:
        return maps
    height, width = maps.shape[-2:]
    reach = round(4 * sigma) if radius is None else radius
    down, across = (_kernel(sigma, min(reach, side - 1), like=maps) for side in (height, width))
    padding = [len(across) // 2] * 2 + [len(down) // 2] * 2
    blurred = F.pad(maps.reshape(-1, 1, height, width), padding, mode="reflect")
    blurred = F.conv2d(F.conv2d(blurred, down.view(1, 1, -1, 1)), across.view(1, 1, 1, -1))
    return blurred.reshape(maps.shape)


def centred_gaussian(size: tuple[int, int], sigma: float = 0.25) -> Tensor:
    """(height, width) of `size`: largest in the middle, falling off by `sigma` of each side. A baseline for any map."""
    if not (math.isfinite(sigma) and sigma > 0):
        raise InputError(f"sigma: expected a share of the side above 0, got {sigma!r}")
    down, across = ((2 * torch.arange(side) + 1 - side) / (2 * side * sigma) for side in checked_size(size))
    return torch.exp(-(down[:, None] ** 2 + across**2) / 2)


def _kernel(sigma: float, radius: int, like: Tensor) -> Tensor:
    """(2 radius + 1,) weights that sum to 1."""
    weights = torch.exp(-((torch.arange(-radius, radius + 1, dtype=torch.float64) / sigma) ** 2) / 2)
    return (weights / weights.sum()).to(like)
