"""The board that a setting is painted on: canvas coordinates at any size, anti-aliased, toned by the style.

Lengths are shares of the canvas's shorter side, y points down, and the plane has no end: a wider picture shows more of
it. A depth is a signed distance, above 0 inside a shape; a cover is the share of each pixel that lies inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from innerlight.world.palette import Colour
from innerlight.world.settings._chance import chances
from innerlight.world.shapes import Array, Bounds, Point
from innerlight.world.styles import Style

PENCIL: Colour = (96, 88, 92)
Paint = Colour | Array  # a colour, or colours (3, h, w), (3, h, 1)...
Depth = Callable[[Array, Array], Array]


class Mark(NamedTuple):
    """Part of a small figure that is stamped n times: its depth at offsets (n, 1, s) and (n, s, 1), its colours."""

    depth: Depth
    paint: Colour | Array  # one colour, or one for each point (n, 3)
    strength: Array | None = None  # (n, 1, 1)
    glows: bool = False  # in every style


class Board:
    """A canvas (3, h, w) with the coordinates x (1, w), y (h, 1) of its pixels, each `pixel` wide."""

    def __init__(self, canvas: Array, x: Array, y: Array, pixel: float, style: Style) -> None:
        self.canvas, self.x, self.y, self.pixel, self.style = canvas, x, y, pixel, style
        self._left, self._top = float(x[0, 0]) - pixel / 2, float(y[0, 0]) - pixel / 2

    def around(self, margin: float = 0.0) -> Bounds:
        """Left, top, right, bottom of what is seen, and `margin` more to all sides."""
        height, width = self.canvas.shape[1:]
        return (
            self._left - margin,
            self._top - margin,
            self._left + width * self.pixel + margin,
            self._top + height * self.pixel + margin,
        )

    def level(self, top: float, bottom: float = math.inf) -> Board | None:
        """The board between two y."""
        return self.part(-math.inf, top, math.inf, bottom)

    def part(self, left: float, top: float, right: float, bottom: float) -> Board | None:
        """The board within a box, painting on the same canvas; None where it is out of sight."""
        height, width = self.canvas.shape[1:]
        first_row, rows = self._span(top, bottom, self._top, height)
        first_column, columns = self._span(left, right, self._left, width)
        if first_row >= rows or first_column >= columns:
            return None
        return Board(
            self.canvas[:, first_row:rows, first_column:columns],
            self.x[:, first_column:columns],
            self.y[first_row:rows],
            self.pixel,
            self.style,
        )

    def _span(self, low: float, high: float, start: float, count: int) -> tuple[int, int]:
        margin = 1.0 + self.style.pencil / self.pixel
        first, last = (low - start) / self.pixel - margin, (high - start) / self.pixel + margin
        return int(max(first, 0.0)), int(min(max(last + 1.0, 0.0), count))

    # Covers

    def cover(self, depth: Array) -> Array:
        """How much of each pixel lies inside, by its depth."""
        cover = depth * (1.0 / self.pixel)
        cover += 0.5
        return np.clip(cover, 0.0, 1.0, out=cover)

    def band(self, depth: Array, half: float | Array) -> Array:
        """Cover of a line `half` wide to either side of depth 0, however thin."""
        return self.cover(depth + half) - self.cover(depth - half)

    def across(self, left: float, right: float) -> Array:
        """Cover of the upright stripe between two x."""
        return self._overlap(self.x, left, right)

    def down(self, top: float, bottom: float) -> Array:
        """Cover of the level stripe between two y."""
        return self._overlap(self.y, top, bottom)

    def _overlap(self, middles: Array, low: float, high: float) -> Array:
        """Share of the pixels about `middles` that lies from `low` to `high`."""
        half = self.pixel / 2
        overlap = np.minimum(middles + half, high) - np.maximum(middles - half, low)
        return np.maximum(overlap, 0.0) * (1.0 / self.pixel)

    def faded(self, half: float) -> float:
        """What is left of a fine structure of that half width when its pixels are larger."""
        return half * half / (half * half + self.pixel * self.pixel / 4)

    # Laying colour

    def tone(self, paint: Paint) -> Array:
        """`paint` as the style has it in the background, (3, ...)."""
        if isinstance(paint, tuple):
            return _toned(paint, self.style)
        return paint * _column(self.style.keep) + _column(self.style.lift)

    def fill(self, cover: Array | float, paint: Paint, light: Array | float | None = None) -> None:
        """Lay `paint`, lit by `light` (1: as it is), over what is there, as far as `cover` says."""
        colours = self.tone(paint)
        self._lay(cover, colours if light is None else colours * light)

    def shine(self, cover: Array | float, paint: Paint) -> None:
        """Lay `paint` as it is in every style: lamps, stars, pencil."""
        self._lay(cover, _column(paint) if isinstance(paint, tuple) else paint)

    def shape(self, depth: Array, paint: Paint, light: Array | float | None = None) -> None:
        """Fill a shape given by its depth; in a drawing its outline is pencilled."""
        self.fill(self.cover(depth), paint, light)
        self.pencil(depth)

    def pencil(self, depth: Array) -> None:
        """In a drawing, a line along depth 0."""
        if self.style.pencil:
            self.shine(0.55 * self.band(depth, self.style.pencil / 2), PENCIL)

    def shade(self, light: Array) -> None:
        """Lighten or darken what is there."""
        self.canvas *= light

    def _lay(self, cover: Array | float, colours: Array) -> None:
        self.canvas += cover * (colours - self.canvas)

    def hatch(self) -> None:
        """Slanting strokes of a coloured pencil over everything."""
        slant = 2.0 * math.pi / 0.034 * (self.x + 0.7 * self.y)
        strokes = np.sin(slant + 1.2 * np.sin(7.0 * self.y) + 1.2 * np.sin(5.0 * self.x))
        self.shade(1.0 + 0.028 * self.faded(0.007) * strokes)

    # Shapes

    def box(self, left: float, top: float, right: float, bottom: float, paint: Paint) -> None:
        """An upright rectangle."""
        board = self.part(left, top, right, bottom)
        if board is None:
            return
        board.fill(board.down(top, bottom) * board.across(left, right), paint)
        if self.style.pencil:
            wide, high = (right - left) / 2, (bottom - top) / 2
            depth = np.minimum(wide - np.abs(board.x - (left + wide)), high - np.abs(board.y - (top + high)))
            board.pencil(depth)

    def lit(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """An upright rectangle that shines at night, and is not there by day."""
        board = self.part(left, top, right, bottom) if self.style.dark else None
        if board is not None:
            board.shine(board.down(top, bottom) * board.across(left, right), colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, paint: Paint) -> None:
        """An upright ellipse."""
        board = self.part(x - rx, y - ry, x + rx, y + ry)
        if board is not None:
            board.shape(oval(board.x - x, board.y - y, rx, ry), paint)

    def polygon(self, corners: Sequence[Point], paint: Paint) -> None:
        """A convex polygon, its corners given clockwise."""
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        board = self.part(min(xs), min(ys), max(xs), max(ys))
        if board is None:
            return
        depth: Array | None = None
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            length = math.hypot(x1 - x0, y1 - y0)
            nx, ny = (y0 - y1) / length, (x1 - x0) / length  # inwards
            side = nx * board.x + (ny * board.y - (nx * x0 + ny * y0))
            depth = side if depth is None else np.minimum(depth, side)
        assert depth is not None
        board.shape(depth, paint)

    # Many small things at once

    def stamp(self, x: Array, y: Array, reach: float, *marks: Mark) -> None:
        """A small figure of one or more marks, back to front, at every point (n,); all within `reach` of the point."""
        if not len(x):
            return
        size = int(2.0 * reach / self.pixel) + 3
        lefts = np.floor((x - (reach + self._left)) / self.pixel).astype(int) - 1
        tops = np.floor((y - (reach + self._top)) / self.pixel).astype(int) - 1
        steps = np.arange(size) + 0.5
        u = ((lefts[:, None] + steps) * self.pixel + self._left - x[:, None]).astype(np.float32)[:, None, :]
        v = ((tops[:, None] + steps) * self.pixel + self._top - y[:, None]).astype(np.float32)[:, :, None]
        laid, left_over = self._composed(marks, u, v)
        height, width = self.canvas.shape[1:]
        for k, (left, top) in enumerate(zip(lefts.tolist(), tops.tolist(), strict=True)):
            first_column, last_column = max(left, 0), min(left + size, width)
            first_row, last_row = max(top, 0), min(top + size, height)
            if first_column < last_column and first_row < last_row:
                patch = self.canvas[:, first_row:last_row, first_column:last_column]
                rows, columns = slice(first_row - top, last_row - top), slice(first_column - left, last_column - left)
                patch *= left_over[k, rows, columns]
                patch += laid[k, :, rows, columns]

    def _composed(self, marks: Sequence[Mark], u: Array, v: Array) -> tuple[Array, Array]:
        """The colours (n, 3, s, s) that marks lay at offsets u and v, and how much (n, s, s) they leave of what was."""
        laid: Array | float = 0.0
        left_over: Array | float = 1.0
        for mark in marks:
            cover = self.cover(mark.depth(u, v))
            if mark.strength is not None:
                cover *= mark.strength
            colours = np.asarray(mark.paint, np.float32).reshape(-1, 3, 1, 1)
            if not mark.glows:
                colours = colours * _column(self.style.keep) + _column(self.style.lift)
            laid = laid * (1.0 - cover[:, None]) + cover[:, None] * colours
            left_over = left_over * (1.0 - cover)
        assert isinstance(laid, np.ndarray)
        assert isinstance(left_over, np.ndarray)
        return laid, left_over

    def disc(self, radius: Array, paint: Colour | Array, flat: float = 1.0, glows: bool = False) -> Mark:
        """A disk of each radius (n,), `flat` times as high as wide, as faint as it must be below a pixel."""
        radii = radius[:, None, None]
        area = radii * radii * flat
        strength = area / (area + self.pixel * self.pixel / 12)
        return Mark(lambda u, v: oval(u, v, radii, radii * flat), paint, strength, glows)

    def discs(
        self, x: Array, y: Array, radius: Array, paint: Colour | Array, flat: float = 1.0, glows: bool = False
    ) -> None:
        """Small disks at points (n,)."""
        if len(x):
            self.stamp(x, y, float(radius.max()), self.disc(radius, paint, flat, glows))

    # Texture

    def mottle(self, seed: int, wide: float, high: float, waves: int = 7) -> Array:
        """A smooth random field (h, w), mean 0, variance 1, of spots about `wide` x `high`, averaged over the pixel."""
        turns, lengths, phases = chances(seed, np.arange(waves), 3)
        angles = (np.arange(waves, dtype=np.float32) + turns) * np.float32(math.pi / waves)
        shares = 0.7 + 0.7 * lengths
        kx = 2.0 * math.pi / (2.0 * wide) * np.cos(angles) / shares
        ky = 2.0 * math.pi / (2.0 * high) * np.sin(angles) / shares
        # A wave along any direction is cos(a + b) of a alone in x and b alone in y: two matrix products for all.
        a = kx[:, None] * self.x + (2.0 * math.pi * phases)[:, None]
        b = ky * self.y
        kept = _averaged(kx * self.pixel) * _averaged(ky * self.pixel) * math.sqrt(2.0 / waves)
        return (np.cos(b) * kept) @ np.cos(a) - (np.sin(b) * kept) @ np.sin(a)

    def between(self, top: Colour, bottom: Colour, start: float, end: float) -> Array:
        """Colours (3, h, 1) that go from `top` at y = `start` to `bottom` at y = `end`."""
        share = np.clip((self.y - start) * (1.0 / (end - start)), 0.0, 1.0)
        return _column(top) + (_column(bottom) - _column(top)) * share


def rolling(x: Array, seed: int, length: float, height: float) -> Array:
    """A level that rises and falls with x: three waves, the longest about `length`."""
    phases, lengths = chances(seed, np.arange(3), 2)
    level = np.zeros_like(x)
    for k, share in enumerate((0.6, 0.27, 0.13)):
        number = 2.0 * math.pi * (k + 1) / (length * (0.8 + 0.4 * float(lengths[k])))
        level += share * np.sin(number * x + 2.0 * math.pi * float(phases[k]))
    return level * height


def oval(u: Array, v: Array, rx: float | Array, ry: float | Array) -> Array:
    """Depth of an ellipse at offsets from its middle, exact at its edge when round, else nearly."""
    p, q = u / rx, v / ry
    away = np.sqrt(p * p + q * q)
    return (1.0 - away) * np.sqrt(rx * ry)


def wave(value: Array) -> Array:
    """Distance to the nearest whole number."""
    return np.abs(value - np.rint(value))


@lru_cache(maxsize=4096)
def _toned(colour: Colour, style: Style) -> Array:
    return _column(colour) * _column(style.keep) + _column(style.lift)


@lru_cache(maxsize=4096)
def _column(values: tuple[float, ...]) -> Array:
    """Three values as (3, 1, 1), not to be written to."""
    return np.array(values, np.float32)[:, None, None]


def _averaged(phase: NDArray[np.float32]) -> Array:
    """What averaging over a stretch of `phase` radians leaves of a wave."""
    return np.sinc(phase / (2.0 * math.pi)).astype(np.float32)
