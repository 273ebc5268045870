"""Rows of self-attention merged into a few, by their divergence (DiffSeg, Tian et al. 2023, arXiv:2308.12469, steps 5
to 7).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from innerlight.types import InputError

LEAST = 1e-12  # a smaller share counts as this in a logarithm


def divergences(rows: Tensor, others: Tensor) -> Tensor:
    """(n, m): half the Kullback-Leibler divergence there and back between distributions (n, cells) and (m, cells).

    With h = sum p log p it is (h_p + h_q - p . log q - log p . q) / 2: two matrix products.
    """
    logs, other_logs = (values.clamp(min=LEAST).log() for values in (rows, others))
    own, theirs = (rows * logs).sum(1), (others * other_logs).sum(1)
    mixed = rows @ other_logs.T + logs @ others.T
    return ((own[:, None] + theirs - mixed) / 2).clamp(min=0)


def merge(rows: Tensor, anchors: Tensor, threshold: float, passes: int = 3) -> Tensor:
    """Proposals (k, cells) of distributions (n, cells): each the mean of what is less than `threshold` apart.

    First of all rows near each of the `anchors` (m,), numbers of rows; then, `passes` - 1 times, of the proposals near
    each that no earlier one of the list has taken. A proposal may be in several means.
    """
    if not (threshold > 0 and not math.isnan(threshold)):
        raise InputError(f"threshold: expected a divergence above 0, got {threshold}")
    if passes < 1:
        raise InputError(f"passes: expected at least 1, got {passes}")
    near = divergences(rows[anchors], rows) < threshold
    near[torch.arange(len(anchors)), anchors] = True  # rounding aside, everything is at 0 from itself
    proposals = _means(rows, near)
    for _ in range(passes - 1):
        near = divergences(proposals, proposals) < threshold
        near.fill_diagonal_(True)
        proposals = _means(proposals, near[_seeds(near)])
    return proposals


def anchor_cells(grid: tuple[int, int], along: tuple[int, int]) -> Tensor:
    """The numbers of cells on a regular grid of `along` (rows, columns) over one of `grid` cells, centred."""
    places = [_spaced(cells, count) for cells, count in zip(grid, along, strict=True)]
    return (places[0][:, None] * grid[1] + places[1]).flatten()


def _spaced(cells: int, count: int) -> Tensor:
    if not 1 <= count <= cells:
        raise InputError(f"anchors: expected 1 to {cells} along a side of {cells} cells, got {count}")
    step = (cells - 1) // (count - 1) if count > 1 else 1
    return (cells - 1 - step * (count - 1)) // 2 + step * torch.arange(count)


def _seeds(near: Tensor) -> list[int]:
    """Proposals that no earlier one has taken, in the order of the list."""
    found, taken = [], torch.zeros(len(near), dtype=torch.bool, device=near.device)
    for number in range(len(near)):
        if not taken[number]:
            found.append(number)
            taken |= near[number]
    return found


def _means(rows: Tensor, chosen: Tensor) -> Tensor:
    """(m, cells): the means of those of rows (n, cells) that are chosen (m, n)."""
    shares = chosen.to(rows.dtype)
    return shares @ rows / shares.sum(1, keepdim=True).clamp(min=1)
