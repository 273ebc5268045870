"""Patterns, two-tone patches and marks: what a thing wears, anti-aliased, in the frame of its coat."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from innerlight.world.scene import Look, Mark
from innerlight.world.shapes import Array, Frame

Pattern = Callable[[Array, Array, float, float, float], Array]


def pattern_share(look: Look, p: Array, q: Array, period: float, pixel: float) -> Array | None:
    """Share (h, w) of the second colour at (p, q), lengths along and across the coat; None for plain."""
    pattern = _PATTERNS.get(look.pattern)
    return None if pattern is None else pattern(p, q, period, look.phase / 1000, pixel)


def patch_share(kind: str, a: Array, b: Array, pixel: float) -> Array:
    """Share (h, w) of the patch colour at canonical (a, b) of the coat; `pixel` in canonical units."""
    wave = 0.08 * np.sin(9.0 * (b if kind in ("front", "back") else a))  # no fur ends in a straight line
    depth = {
        "front": a - 0.3,
        "back": -a - 0.3,
        "belly": b - 0.25,
        "saddle": 0.3 - np.abs(a) - 0.6 * np.maximum(b, 0.0),
    }
    return _covered(depth[kind] + wave, pixel)


def mark_share(mark: Mark, coat: Frame, x: Array, y: Array) -> Array:
    """Share (h, w) of a mark's colour at pixels x (1, w), y (h, 1)."""
    ox, oy = coat.point(mark.a / 1000, mark.b / 1000)
    size = min(coat.width, coat.height) * mark.size / 1000
    flip = math.copysign(1.0, coat.det)
    angle = math.atan2(coat.uy, coat.ux) + math.radians(mark.turn) * flip
    cos, sin = size * math.cos(angle), size * math.sin(angle)
    a, b = Frame(ox, oy, cos, sin, -sin * flip, cos * flip).grid(x, y)
    return _covered(_MARKS[mark.kind](a, b), 1.0 / size)


def _covered(depth: Array, pixel: float) -> Array:
    """Coverage of a pixel that lies `depth` (above 0: inside) from an edge."""
    return np.clip(depth / pixel + 0.5, 0.0, 1.0)


def _wave(value: Array) -> Array:
    """Distance to the nearest whole number: a triangle wave from 0 to 0.5."""
    return np.abs(value - np.rint(value))


def _striped(p: Array, q: Array, period: float, phase: float, pixel: float) -> Array:
    return _covered((_wave(p / period + phase) - 0.28) * period, pixel)


def _zigzag(p: Array, q: Array, period: float, phase: float, pixel: float) -> Array:
    crooked = q / period + phase + 1.3 * _wave(p / (1.5 * period))
    return _covered((_wave(crooked) - 0.28) * period, pixel * 1.6)


def _ringed(p: Array, q: Array, period: float, phase: float, pixel: float) -> Array:
    return _covered((_wave(np.sqrt(p * p + q * q) / period + phase) - 0.28) * period, pixel)


def _dotted(p: Array, q: Array, period: float, phase: float, pixel: float) -> Array:
    row = np.rint(q / (0.87 * period))
    across = (q / (0.87 * period) - row) * 0.87
    along = _wave(p / period + phase + 0.5 * (row % 2))
    return _covered((0.3 - np.sqrt(along * along + across * across)) * period, pixel)


def _checkered(p: Array, q: Array, period: float, phase: float, pixel: float) -> Array:
    # Signed distance to the nearest cell edge along each axis; cells are half a period wide.
    along, across = _wave(p / period + phase) - 0.25, _wave(q / period) - 0.25
    depth = np.minimum(np.abs(along), np.abs(across)) * np.sign(along * across)
    return _covered(depth * period, pixel)


def _patched(p: Array, q: Array, period: float, phase: float, pixel: float) -> Array:
    # Two crossed waves that bend each other leave irregular islands.
    turn = 2 * math.pi
    u, v = p * (turn / (1.7 * period)), q * (turn / (1.7 * period))
    islands = np.sin(u + 1.1 * np.sin(v * 0.9 + turn * phase)) + np.sin(v + 1.1 * np.sin(u * 0.8 + 2.0 + turn * phase))
    return _covered((islands - 0.25) * (period / 4.5), pixel)


_PATTERNS: dict[str, Pattern] = {
    "striped": _striped,
    "dotted": _dotted,
    "checkered": _checkered,
    "patched": _patched,
    "zigzag": _zigzag,
    "ringed": _ringed,
}

_MARKS: dict[str, Callable[[Array, Array], Array]] = {  # depth inside, in units of the mark's size
    "spot": lambda a, b: 1.0 - np.sqrt(a * a + b * b),
    "ring": lambda a, b: 0.28 - np.abs(np.sqrt(a * a + b * b) - 0.75),
    "bar": lambda a, b: np.minimum(1.1 - np.abs(a), 0.35 - np.abs(b)),
    "cross": lambda a, b: np.minimum(1.0 - np.maximum(np.abs(a), np.abs(b)), 0.32 - np.minimum(np.abs(a), np.abs(b))),
    "diamond": lambda a, b: (1.1 - 1.3 * np.abs(a) - np.abs(b)) * 0.62,
    "heart": lambda a, b: (1.0 - np.sqrt(a * a + (1.15 * b - 0.75 * np.sqrt(np.abs(a)) + 0.25) ** 2)) * 0.8,
    "crescent": lambda a, b: np.minimum(1.0 - np.sqrt(a * a + b * b), np.sqrt((a - 0.5) ** 2 + b * b) - 0.75),
}
