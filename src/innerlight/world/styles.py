"""Styles: how the same geometry is put on paper, by day, by pencil, by night."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from innerlight.world.palette import Colour, mixed
from innerlight.world.scene import UNIT, Scene
from innerlight.world.shapes import Array, Frame

Gains = tuple[float, float, float]  # of red, green and blue


@dataclass(frozen=True)
class Style:
    """What a style does to things: their line (share of the span), its strength, how much fades into paper;
    and to the setting: how much is left of its colours, what is added to them, how wide its pencil line is.
    """

    line: float
    line_strength: float
    line_dark: float
    rim: float
    wash: float
    paper: Colour = (250, 246, 236)
    line_colour: Colour = (38, 34, 44)
    keep: Gains = (1.0, 1.0, 1.0)
    lift: Colour = (0, 0, 0)
    pencil: float = 0.0  # share of the canvas's shorter side
    dark: bool = False  # stars are out and windows lit

    def ink(self, colour: Colour) -> Colour:
        """The colour of the line around `colour`."""
        return mixed(colour, self.line_colour, self.line_dark)


LOOKS: dict[str, Style] = {
    "photo": Style(line=0.013, line_strength=0.75, line_dark=0.6, rim=0.22, wash=0.0),
    "drawing": Style(
        line=0.018, line_strength=0.95, line_dark=0.85, rim=0.05, wash=0.12,
        keep=(0.56, 0.56, 0.56), lift=(110, 108, 104), pencil=0.0045,
    ),
    "night": Style(
        line=0.013, line_strength=0.75, line_dark=0.6, rim=0.22, wash=0.0, line_colour=(150, 176, 226),
        keep=(0.38, 0.44, 0.48), lift=(2, 8, 30), dark=True,
    ),
}  # fmt: skip


def finish(canvas: Array, scene: Scene, x: Array, y: Array, frame: Frame) -> Array:
    """What a style does to the whole picture (3, h, w), after all things are drawn."""
    across = (x - frame.ox) / (frame.ux * scene.width) - 0.5  # 0 in the middle of the canvas
    down = (y - frame.oy) / (frame.vy * scene.height) - 0.5
    corner = np.minimum(across * across + down * down, 0.6)  # (h, w)
    match scene.style:
        case "photo":  # sunlight from above left, dimmer corners
            return canvas * (1.05 - 0.06 * across - 0.05 * down - 0.22 * corner)
        case "drawing":  # paper through the strokes
            return canvas * (1.0 - 0.03 * _tooth((x - frame.ox) / frame.ux, (y - frame.oy) / frame.vy))
        case "night":  # moonlight
            return canvas * (_DIM + canvas * _BRIGHT) * (1.0 - 0.25 * corner)
    raise AssertionError(f"no style is called {scene.style!r}")


# Dark colours lose a quarter, most of it red; bright ones hardly anything.
_DIM = np.array((0.7, 0.76, 0.9), np.float32)[:, None, None]
_BRIGHT = np.array((0.22, 0.18, 0.1), np.float32)[:, None, None] / np.float32(255.0)


def _tooth(x: Array, y: Array) -> Array:
    """The grain of drawing paper, 0 to 1 (h, w), at canvas units x (1, w), y (h, 1)."""
    fine = 2.0 * np.pi / (0.021 * UNIT)
    return 0.5 + 0.25 * (
        np.sin(fine * x + 1.7 * np.sin(0.31 * fine * y)) + np.sin(1.3 * fine * y + np.sin(0.4 * fine * x))
    )
