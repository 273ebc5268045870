"""Self-attention of several grids as one map between the cells of one grid (DiffSeg, Tian et al. 2023,
arXiv:2308.12469, steps 3 and 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from innerlight.maps.resizing import checked_size, nearest_cells, resize
from innerlight.types import InputError

Grid = tuple[int, int]


def combine_levels(
    maps: Mapping[Grid, Tensor], size: tuple[int, int], weights: Mapping[Grid, float] | None = None
) -> Tensor:
    """Maps (n, n) from queries to keys by their grids (h, w), n = h w, as one (N, N), N = height x width of `size`.

    Each level may be a sum over heads, layers and steps: its rows are made distributions, and so are those of the
    result. `weights` need not sum to 1; None weighs a level by the side of its grid, as the
    authors' code does.
    """
    if not maps:
        raise InputError("maps: expected at least one level, {(h, w): (h w, h w)}, got none")
    height, width = checked_size(size)
    shares = _shares(maps, weights)
    precise, device = _shared_kind(maps)
    total = torch.zeros(height * width, height * width, dtype=precise, device=device)
    for grid, attention in maps.items():
        rows = _checked_level(grid, attention).to(precise).unflatten(1, grid)  # (n, h, w)
        rows = resize(rows, (height, width)).flatten(1)  # (n, N)
        rows = rows * (shares[grid] / rows.sum(1, keepdim=True))
        total += rows[_cells_under(grid, (height, width), device)]
    return total


def _shares(maps: Mapping[Grid, Tensor], weights: Mapping[Grid, float] | None) -> dict[Grid, float]:
    """Weights that sum to 1."""
    if weights is None:
        weights = {(h, w): math.sqrt(h * w) for h, w in maps}
    if weights.keys() != maps.keys():
        raise InputError(f"weights: expected one for each of {', '.join(map(str, maps))}, got {dict(weights)}")
    total = sum(weights.values())
    if not (math.isfinite(total) and total > 0 and min(weights.values()) >= 0):
        raise InputError(f"weights: expected numbers from 0 on, not all 0, got {dict(weights)}")
    return {grid: weight / total for grid, weight in weights.items()}


def _shared_kind(maps: Mapping[Grid, Tensor]) -> tuple[torch.dtype, torch.device]:
    """The dtype to add in, at least float32, and where the levels lie."""
    precise, device = torch.float32, next(iter(maps.values())).device
    for attention in maps.values():
        precise = torch.promote_types(precise, attention.dtype)
    return precise, device


def _checked_level(grid: Grid, attention: Tensor) -> Tensor:
    cells = grid[0] * grid[1]
    if attention.shape != (cells, cells):
        expected = f"({cells}, {cells})"
        raise InputError(f"the level of grid {grid}: expected attention {expected}, got {tuple(attention.shape)}")
    if not bool((attention.sum(1) > 0).all()):
        raise InputError(f"the level of grid {grid}: a query attends to nothing, or to nan; expected sums above 0")
    return attention


def _cells_under(grid: Grid, size: tuple[int, int], device: torch.device) -> Tensor:
    """(N,) for each cell of the large grid, the number of the level's cell it lies in."""
    rows, columns = (nearest_cells(new, old, device) for new, old in zip(size, grid, strict=True))
    return (rows[:, None] * grid[1] + columns).flatten()
