"""Chance in the plane: numbers that belong to a place, so that every picture of the place agrees on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from innerlight.world._dice import Dice
from innerlight.world.shapes import Array, Bounds

_ROW = 1 << 20  # cells of one row before the next begins


@dataclass(frozen=True)
class Spots:
    """Points (n,) strewn over the plane, farther ones first, with their nearness (n,) and their luck (k, n)."""

    x: Array
    y: Array
    scale: Array
    chance: Array

    def where(self, keep: NDArray[np.bool_]) -> Spots:
        """Those to keep."""
        return Spots(self.x[keep], self.y[keep], self.scale[keep], self.chance[:, keep])

    def __len__(self) -> int:
        return len(self.x)


def share(dice: Dice, low: float, high: float) -> float:
    """A number from `low` to `high`, in thousand steps."""
    return low + (high - low) * dice.whole(0, 1000) / 1000


def seed_of(dice: Dice) -> int:
    """A seed for `chances` and all that is built on them."""
    return dice.whole(0, (1 << 40) - 1)


def chances(seed: int, cells: NDArray[np.int64], count: int) -> Array:
    """`count` numbers from 0 to 1 for each of the cells (n,): (count, n). SplitMix64 of seed, cell and number."""
    state = cells.astype(np.uint64)[None, :] * np.uint64(0xD1342543DE82EF95)
    state = state + (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))[:, None]
    state = state + np.uint64(seed * 0x2545F4914F6CDD1D & (1 << 64) - 1)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def along(seed: int, step: float, edges: Bounds, count: int) -> tuple[Array, Array]:
    """One point for every `step` of the x axis that is seen, with its luck: x (n,), chance (count, n)."""
    left, _, right, _ = edges
    numbers = np.arange(int(np.floor(left / step)) - 1, int(np.ceil(right / step)) + 1)
    luck = chances(seed, numbers, count + 1)
    return ((numbers + 0.15 + 0.7 * luck[0]) * step).astype(np.float32), luck[1:]


def strewn(
    seed: int, wide: float, high: float, edges: Bounds, count: int = 2
) -> Spots:  # fmt: skip
    """One spot somewhere in every cell `wide` x `high` that touches the box `edges`."""
    left, top, right, bottom = edges
    columns = np.arange(int(np.floor(left / wide)), int(np.ceil(right / wide)))
    rows = np.arange(int(np.floor(top / high)), int(np.ceil(bottom / high)))
    column, row = (part.ravel() for part in np.meshgrid(columns, rows))
    luck = chances(seed, row * _ROW + column, count + 2)
    x = (column + luck[0]) * np.float32(wide)
    y = (row + luck[1]) * np.float32(high)
    return Spots(x.astype(np.float32), y.astype(np.float32), np.ones_like(luck[0]), luck[2:])


def on_ground(seed: int, step: float, edges: Bounds, horizon: float, near: float, count: int = 2) -> Spots:
    """Spots on level ground: small and close at the horizon, `step` apart where the scale is 1, at y = `near`."""
    left, _, right, bottom = edges
    columns, rows, levels, steps = [], [], [], []
    y, row = horizon + 0.25 * step, 0
    while y < bottom + step:
        scale = nearness(y, horizon, near)
        for column in range(int(left // (1.6 * step * scale)), int(right // (1.6 * step * scale)) + 1):
            columns.append(column)
            rows.append(row)
            levels.append(y)
            steps.append(step * scale)
        y += step * scale
        row += 1
    column, pace = np.array(columns, np.int64), np.array(steps, np.float32)
    luck = chances(seed, np.array(rows, np.int64) * _ROW + column, count + 2)
    x = (column + luck[0]) * (1.6 * pace)
    y = np.array(levels, np.float32) + (luck[1] - 0.5) * pace
    scale = pace / np.float32(step)
    order = np.argsort(y, kind="stable")
    spots = Spots(x.astype(np.float32), y.astype(np.float32), scale, luck[2:])
    return Spots(spots.x[order], spots.y[order], scale[order], luck[2:][:, order])


def nearness(y: float, horizon: float, near: float) -> float:
    """How large things look that stand at y: 0.3 at the horizon, 1 at `near` and nearer."""
    return 0.3 + 0.7 * min(max((y - horizon) / (near - horizon), 0.0), 1.0)
