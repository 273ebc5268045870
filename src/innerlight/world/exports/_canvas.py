"""What the layouts share: how an entry is drawn, which split it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from innerlight.world.draw import Render, render
from innerlight.world.layout import sample
from innerlight.world.shapes import Bounds


def draw(seed: int | str, size: tuple[int, int], categories: Sequence[str] | None = None) -> Render:
    """The scene `seed` at (height, width), laid out for a picture of that shape."""
    return render(sample(seed, categories=categories, shape=size), *size)


def split_of(seed: int) -> str:
    """trn, val or test: seven, one and two of every ten."""
    return (*["trn"] * 7, "val", "test", "test")[seed % 10]


def whole_box(box: Bounds) -> list[int]:
    """left, top, right, bottom as whole pixels."""
    return [round(side) for side in box]
