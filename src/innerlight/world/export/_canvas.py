"""What the layouts share: how an entry is drawn, which split it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from innerlight.world.draw import Render, render
from innerlight.world.sample import sample
from innerlight.world.scene import UNIT
from innerlight.world.shapes import Bounds


def draw(seed: int, size: tuple[int, int], categories: Sequence[str] | None = None) -> Render:
    """The scene number `seed` at (height, width), on a canvas of the picture's shape."""
    height, width = size
    shorter = min(size)
    scene = sample(
        seed,
        categories=categories,
        width=min(UNIT * width // shorter, 4 * UNIT),
        height=min(UNIT * height // shorter, 4 * UNIT),
    )
    return render(scene, height, width)


def split_of(seed: int) -> str:
    """trn, val or test: seven, one and two of every ten."""
    return (*["trn"] * 7, "val", "test", "test")[seed % 10]


def whole_box(box: Bounds) -> list[int]:
    """left, top, right, bottom as whole pixels."""
    return [round(side) for side in box]
