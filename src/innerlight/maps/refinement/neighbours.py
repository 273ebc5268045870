"""Pairs of pixels that lie one offset apart, as two views of one array: sums over neighbours, no table of pixels."""

from __future__ import annotations

Offset = tuple[int, int]  # rows down, columns to the right
View = tuple[slice, slice]


def both_ends(offset: Offset) -> tuple[View, View]:
    """Two views of a grid: at the same place of both stand a pixel and the one that lies `offset` from it."""
    (up, down), (left, right) = (_ends(steps) for steps in offset)
    return (up, left), (down, right)


def half_window(radius: int) -> tuple[Offset, ...]:
    """The offsets of a square window whose pixels come later in reading order: each pair of pixels once."""
    reach = range(-radius, radius + 1)
    return tuple((down, right) for down in reach for right in reach if (down, right) > (0, 0))


def _ends(steps: int) -> tuple[slice, slice]:
    """Along one axis: where a pair's first pixel can stand, and where its second."""
    if steps < 0:
        return slice(-steps, None), slice(None, steps)
    return slice(None, -steps or None), slice(steps, None)
