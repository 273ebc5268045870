"""Corners of outlines that several drawings share."""

from __future__ import annotations

import math

from innerlight.world.shapes import Point


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, pieces: int) -> list[Point]:
    """Points on an ellipse from angle `start` to `end`, in degrees clockwise from the right."""
    angles = [math.radians(start + (end - start) * k / pieces) for k in range(pieces + 1)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def polar(radius: float, angle: float) -> Point:
    """The point at `radius` from the origin, `angle` degrees clockwise from straight up, like the hand of a clock."""
    return radius * math.sin(math.radians(angle)), -radius * math.cos(math.radians(angle))
