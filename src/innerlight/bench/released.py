"""Published algorithms as their authors released them, rebuilt from their description: what ours are timed against."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from innerlight.maps import anchor_cells, resize
from innerlight.taps.sites import Grid

SLABS = 16  # in which DiffSeg compares anchors with all rows
LEAST = 1e-12


def diffseg(
    levels: Mapping[Grid, Tensor],
    latent: Grid,
    size: Grid,
    threshold: float,
    passes: int = 3,
    compared: torch.dtype = torch.float16,
) -> Tensor:
    """(height, width): DiffSeg behind the network. `levels` are (heads, n, n) by grid; all is kept whole, in float64,
    and every divergence is taken element by element, of anchors with all rows in `compared`, by the authors in half
    precision.
    """
    cells = latent[0] * latent[1]
    total = torch.zeros(cells, cells, dtype=torch.float64)
    weight = sum(grid[0] for grid in levels)
    for grid, heads in levels.items():
        mean = heads.mean(0).double()
        keys = resize(mean.unflatten(1, grid), latent).flatten(1)
        keys = keys / keys.sum(1, keepdim=True)
        times = latent[0] // grid[0], latent[1] // grid[1]
        rows = keys.unflatten(0, grid).repeat_interleave(times[0], 0).repeat_interleave(times[1], 1).flatten(0, 1)
        total += rows * (grid[0] / weight)
    less = total.to(compared)
    anchors = less[anchor_cells(latent, (latent[0] // 4, latent[1] // 4))]
    near = torch.cat([_divergence(anchors[:, None], part[None]) < threshold for part in less.split(cells // SLABS)], 1)
    proposals = [total[chosen].mean(0) for chosen in near]
    for _ in range(passes - 1):
        taken, merged = [False] * len(proposals), []
        stacked = torch.stack(proposals)
        for number, own in enumerate(proposals):
            if taken[number]:
                continue
            close = _divergence(own[None], stacked) < threshold
            close[number] = True
            merged.append(stacked[close].mean(0))
            taken = [before or bool(now) for before, now in zip(taken, close, strict=True)]
        proposals = merged
    return resize(torch.stack(proposals).unflatten(1, latent), size).argmax(0)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Half the Kullback-Leibler divergence there and back, over the last axis, by one quotient."""
    least = max(LEAST, torch.finfo(p.dtype).tiny)
    return ((p - q) * (p.clamp(min=least) / q.clamp(min=least)).log()).sum(-1) / 2
