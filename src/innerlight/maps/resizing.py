"""Maps on another grid: the cells' edges are kept in line, not their centres; nothing is averaged beforehand."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from innerlight.types import InputError

Resizing = Literal["bilinear", "bicubic", "nearest"]


def resize(maps: Tensor, size: tuple[int, int], how: Resizing = "bilinear") -> Tensor:
    """Maps (..., h, w) as (..., height, width) of `size`, of the same dtype.

    "bilinear" stays within the numbers given, "bicubic" may overshoot them, "nearest" takes the cell under each new
    centre and also serves labels and masks.
    """
    if how not in get_args(Resizing):
        raise InputError(f"how: expected one of {', '.join(get_args(Resizing))}, got {how!r}")
    height, width = checked_maps(maps).shape[-2:]
    size = checked_size(size)
    if how == "nearest":
        rows, columns = (nearest_cells(new, old, maps.device) for new, old in zip(size, (height, width), strict=True))
        return maps[..., rows[:, None], columns]
    if not maps.is_floating_point():
        raise InputError(f'{how} needs maps of floats, got {maps.dtype}; cast them with .float(), or use "nearest"')
    flat = maps.reshape(-1, 1, height, width)
    return F.interpolate(flat, size=size, mode=how, align_corners=False).reshape(*maps.shape[:-2], *size)


def nearest_cells(new: int, old: int, device: torch.device) -> Tensor:
    """(new,) the old cell under the centre of each new one, along one axis; where old divides new, plain repetition."""
    return (2 * torch.arange(new, device=device) + 1) * old // (2 * new)


def checked_maps(maps: Tensor) -> Tensor:
    """`maps`, if they have rows and columns."""
    if maps.ndim < 2 or 0 in maps.shape[-2:]:
        raise InputError(f"maps: expected (..., h, w) with at least one cell, got {tuple(maps.shape)}")
    return maps


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """`size`, if it is (height, width)."""
    if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
        raise InputError(f"size: expected (height, width), whole numbers from 1 on, got {size!r}")
    return size[0], size[1]
