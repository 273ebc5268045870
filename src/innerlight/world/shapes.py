"""Signed distance fields: a few shapes, each with an affine frame that says where inside it a point lies.

A frame maps canonical coordinates (a, b) to the plane. It is what correspondence rests on: the same (a, b) of the same
shape is the same spot of the same part, in whatever pose, size, place or picture; every shape fills -1 to 1 of its own.
All frames are orthogonal, and a thing is placed by a similarity (turn, mirror, scale, shift), so distances stay exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Point = tuple[float, float]
Bounds = tuple[float, float, float, float]  # left, top, right, bottom


class Frame(NamedTuple):
    """The affine map (a, b) -> origin + a u + b v."""

    ox: float
    oy: float
    ux: float
    uy: float
    vx: float
    vy: float

    def point(self, a: float, b: float) -> Point:
        """Where canonical (a, b) lies in the plane."""
        return self.ox + a * self.ux + b * self.vx, self.oy + a * self.uy + b * self.vy

    def canonical(self, x: float, y: float) -> Point:
        """The canonical coordinates of the plane's (x, y)."""
        x, y, det = x - self.ox, y - self.oy, self.det
        return (x * self.vy - y * self.vx) / det, (y * self.ux - x * self.uy) / det

    def grid(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Canonical coordinates (h, w) of all points with x (1, w) and y (h, 1)."""
        x, y, det = x - self.ox, y - self.oy, self.det
        return x * (self.vy / det) - y * (self.vx / det), y * (self.ux / det) - x * (self.uy / det)

    def within(self, outer: Frame) -> Frame:
        """This frame, given in the coordinates of `outer`, in those of the plane."""
        ox, oy = outer.point(self.ox, self.oy)
        ux, uy = outer.point(self.ux, self.uy)
        vx, vy = outer.point(self.vx, self.vy)
        return Frame(ox, oy, ux - outer.ox, uy - outer.oy, vx - outer.ox, vy - outer.oy)

    @property
    def det(self) -> float:
        return self.ux * self.vy - self.uy * self.vx

    @property
    def width(self) -> float:
        """Length of u."""
        return math.hypot(self.ux, self.uy)

    @property
    def height(self) -> float:
        """Length of v."""
        return math.hypot(self.vx, self.vy)


IDENTITY = Frame(0.0, 0.0, 1.0, 0.0, 0.0, 1.0)


def similarity(x: float, y: float, scale: float = 1.0, turn: float = 0.0, mirror: bool = False) -> Frame:
    """The frame that shifts to (x, y), scales, turns by `turn` degrees (clockwise, as y points down), mirrors x."""
    cos, sin = scale * math.cos(math.radians(turn)), scale * math.sin(math.radians(turn))
    flip = -1.0 if mirror else 1.0
    return Frame(x, y, flip * cos, flip * sin, -sin, cos)


class Clip(NamedTuple):
    """Keeps the half plane `na a + nb b <= limit` of a shape, in its canonical coordinates."""

    na: float
    nb: float
    limit: float


@dataclass(frozen=True, slots=True)
class Shape:
    """One piece of a part. `key` is its name in every figure that has it; `scale` is plane units per figure unit."""

    part: str
    key: str
    frame: Frame
    clip: Clip | None = None
    scale: float = 1.0

    def placed(self, place: Frame) -> Shape:
        """This shape, given in figure units, in the plane of `place` (a similarity)."""
        return replace(self, frame=self.frame.within(place), scale=self.scale * place.width)

    def distance(self, x: Array, y: Array) -> Array:
        """Signed distance (h, w), below 0 inside, of all points with x (1, w) and y (h, 1)."""
        a, b = self.frame.grid(x, y)
        distance = self._distance(a, b)
        if self.clip is not None:
            na, nb, limit = self.clip
            steepness = math.hypot(na / self.frame.width, nb / self.frame.height)
            distance = np.maximum(distance, (na * a + nb * b - limit) / steepness)
        return distance

    def bounds(self) -> Bounds:
        """The box around the shape: tight for straight sides, within 1 % for round ones."""
        outline = self._outline()
        if self.clip is not None:
            outline = _clipped(outline, self.clip)
        corners = [self.frame.point(a, b) for a, b in outline]
        grow = self._growth()
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return min(xs) - grow, min(ys) - grow, max(xs) + grow, max(ys) + grow

    def _distance(self, a: Array, b: Array) -> Array:
        raise AssertionError("a shape is one of the kinds below")

    def _outline(self) -> list[Point]:
        """A canonical polygon around the shape, before `_growth` is added."""
        return _CIRCLE

    def _growth(self) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class Ellipse(Shape):
    """The unit disk of its frame; with `hollow`, only a ring of that half width (figure units) along its edge."""

    hollow: float = 0.0

    def _distance(self, a: Array, b: Array) -> Array:
        rx, ry = self.frame.width, self.frame.height
        if abs(rx - ry) < 1e-6 * rx:
            distance = np.sqrt(a * a + b * b) * rx - rx
        else:
            # First-order distance k (k - 1) / |grad k^2 / 2|, exact at the edge; the last terms keep the centre finite.
            a2, b2 = a * a, b * b
            square = a2 + (b2 + 1e-6)
            slope = np.sqrt(a2 * (1.0 / rx**2) + b2 * (1.0 / ry**2) + 1e-6 / min(rx, ry) ** 2)
            distance = (square - np.sqrt(square)) / slope
        return np.abs(distance) - self.hollow * self.scale if self.hollow else distance

    def bounds(self) -> Bounds:
        if self.clip is not None:
            return super(Ellipse, self).bounds()
        frame, grow = self.frame, self._growth()
        wide, high = math.hypot(frame.ux, frame.vx) + grow, math.hypot(frame.uy, frame.vy) + grow
        return frame.ox - wide, frame.oy - high, frame.ox + wide, frame.oy + high

    def _growth(self) -> float:
        return self.hollow * self.scale


@dataclass(frozen=True, slots=True)
class Limb(Shape):
    """A rounded bar from canonical (-1, 0) to (1, 0), its radius going from `start` to `end` (figure units)."""

    start: float = 0.1
    end: float = 0.1

    def _distance(self, a: Array, b: Array) -> Array:
        along = np.clip(a, -1.0, 1.0)
        over, across = (a - along) * self.frame.width, b * self.frame.height
        middle, slope = (self.start + self.end) / 2 * self.scale, (self.end - self.start) / 2 * self.scale
        return np.sqrt(over * over + across * across) - (middle + slope * along)

    def bounds(self) -> Bounds:
        boxes = []
        for a, radius in ((-1.0, self.start * self.scale), (1.0, self.end * self.scale)):
            x, y = self.frame.point(a, 0.0)
            boxes.append((x - radius, y - radius, x + radius, y + radius))
        return merged(boxes)


@dataclass(frozen=True, slots=True)
class Box(Shape):
    """The square |a|, |b| <= 1 of its frame with corners rounded by `round` (figure units)."""

    round: float = 0.0

    def _distance(self, a: Array, b: Array) -> Array:
        rounding = self.round * self.scale
        right = np.abs(a) * self.frame.width - (self.frame.width - rounding)
        down = np.abs(b) * self.frame.height - (self.frame.height - rounding)
        outside = np.sqrt(np.maximum(right, 0.0) ** 2 + np.maximum(down, 0.0) ** 2)
        return outside + np.minimum(np.maximum(right, down), 0.0) - rounding

    def _outline(self) -> list[Point]:
        return [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]


@dataclass(frozen=True, slots=True)
class Polygon(Shape):
    """A simple polygon of canonical corners, grown and rounded by `round` (figure units)."""

    corners: tuple[Point, ...] = ()
    round: float = 0.0

    def _distance(self, a: Array, b: Array) -> Array:
        wide, high = self.frame.width, self.frame.height
        px, py = a * wide, b * high
        corners = [(ca * wide, cb * high) for ca, cb in self.corners]
        squared: Array | float = math.inf
        inside = np.zeros(px.shape, bool)
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            ex, ey, wx, wy = x1 - x0, y1 - y0, px - x0, py - y0
            along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0.0, 1.0)
            dx, dy = wx - ex * along, wy - ey * along
            squared = np.minimum(squared, dx * dx + dy * dy)
            if y0 != y1:  # an edge crossed by the ray to the right flips in and out
                inside ^= ((py < y0) != (py < y1)) & (wx < wy * (ex / ey))
        return np.where(inside, -1.0, 1.0).astype(np.float32) * np.sqrt(squared) - self.round * self.scale

    def _outline(self) -> list[Point]:
        return list(self.corners)

    def _growth(self) -> float:
        return self.round * self.scale


_CIRCLE: list[Point] = [(math.cos(math.pi * k / 24), math.sin(math.pi * k / 24)) for k in range(48)]


def merged(boxes: Sequence[Bounds]) -> Bounds:
    """The box around all boxes."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _clipped(corners: list[Point], clip: Clip) -> list[Point]:
    """A convex polygon without what the clip takes away (Sutherland-Hodgman, one edge)."""
    kept: list[Point] = []
    for (a0, b0), (a1, b1) in zip(corners, corners[1:] + corners[:1], strict=True):
        over0, over1 = (clip.na * a + clip.nb * b - clip.limit for a, b in ((a0, b0), (a1, b1)))
        if over0 <= 0:
            kept.append((a0, b0))
        if (over0 < 0 < over1) or (over1 < 0 < over0):
            share = over0 / (over0 - over1)
            kept.append((a0 + (a1 - a0) * share, b0 + (b1 - b0) * share))
    return kept
