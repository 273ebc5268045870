"""How a figure is put down: layers of shapes, back to front, in the figure's own units (y points down)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from innerlight.world.shapes import (
    IDENTITY,
    Bounds,
    Box,
    Clip,
    Ellipse,
    Frame,
    Limb,
    Point,
    Polygon,
    Shape,
    merged,
    similarity,
)


@dataclass(frozen=True)
class Layer:
    """Shapes of one paint, drawn as one silhouette: lines between them are not seen.

    paint: "main", "second", "accent", "shade" (main, darker), "dark" (darker still), "light"
    (paler) or a name of FIXED_PAINTS.
    coat: wears the thing's pattern, patches and marks. blend: radius (figure units) over which shapes melt together.
    """

    paint: str
    shapes: tuple[Shape, ...]
    coat: bool = False
    outline: bool = True
    blend: float = 0.0
    behind: bool = False  # of a container: drawn before what it contains


class Anchor(NamedTuple):
    """A keypoint: canonical (a, b) of the shape number `shape` of the figure."""

    shape: int
    a: float
    b: float


@dataclass(frozen=True)
class Figure:
    """A thing in one pose, in figure units."""

    layers: tuple[Layer, ...]
    keypoints: dict[str, Anchor]
    coat: Frame  # unit disk: where patterns are anchored and marks may lie
    bounds: Bounds
    support: tuple[float, float, float] | None = None  # left, right, y of what others can stand on
    opening: tuple[float, float, float] | None = None  # left, right, y of the rim that others look out of
    hand: Point | None = None  # where it holds others
    grip: Point | None = None  # where it is held

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """All shapes, in drawing order: the numbering of anchors and of owner maps."""
        return tuple(shape for layer in self.layers for shape in layer.shapes)

    @property
    def span(self) -> float:
        """The longer side of its box."""
        left, top, right, bottom = self.bounds
        return max(right - left, bottom - top)


class Sketch:
    """Collects layers and keypoints; what it makes is a `Figure`.

    Shapes go into the layer begun last. Inside `with sketch.at(x, y, turn):` coordinates are those of a turned frame,
    so that a head or a wing is written once and moved as a whole.
    """

    def __init__(self) -> None:
        self._layers: list[tuple[Layer, list[Shape]]] = []
        self._place = IDENTITY
        self._points: list[tuple[str, Shape, Point]] = []
        self._coat: Frame | None = None
        self._lines: dict[str, tuple[float, float, float]] = {}
        self._spots: dict[str, Point] = {}

    @contextmanager
    def at(self, x: float, y: float, turn: float = 0.0, size: float = 1.0, mirror: bool = False) -> Iterator[None]:
        """Coordinates inside are those of a frame at (x, y), turned clockwise by degrees, scaled, mirrored."""
        before = self._place
        self._place = similarity(x, y, size, turn, mirror).within(before)
        try:
            yield
        finally:
            self._place = before

    def layer(
        self, paint: str, *, coat: bool = False, outline: bool = True, blend: float = 0.0, behind: bool = False
    ) -> None:
        """Begin a layer in front of those before; see `Layer`."""
        self._layers.append((Layer(paint, (), coat, outline, blend, behind), []))

    def ellipse(
        self, part: str, x: float, y: float, rx: float, ry: float, turn: float = 0.0, *, key: str = "",
        clip: tuple[float, float, float] | None = None, hollow: float = 0.0,
    ) -> None:  # fmt: skip
        """An ellipse about (x, y); `clip` (na, nb, limit) keeps na a + nb b <= limit of its unit disk."""
        frame = _spread(similarity(x, y, turn=turn), rx, ry)
        self._add(Ellipse(part, key or part, frame, Clip(*clip) if clip else None, hollow=hollow))

    def ring(self, part: str, x: float, y: float, radius: float, half_width: float, *, key: str = "") -> None:
        """A circle drawn as a band."""
        self.ellipse(part, x, y, radius, radius, key=key, hollow=half_width)

    def limb(
        self, part: str, start: Point, end: Point, radius: float, to: float | None = None, *, key: str = ""
    ) -> None:
        """A rounded bar from `start` (radius) to `end` (radius `to`)."""
        (x0, y0), (x1, y1) = start, end
        ux, uy = (x1 - x0) / 2, (y1 - y0) / 2
        girth = max(radius, to or radius) / max(math.hypot(ux, uy), 1e-6)
        frame = Frame((x0 + x1) / 2, (y0 + y1) / 2, ux, uy, -uy * girth, ux * girth)
        self._add(Limb(part, key or part, frame, start=radius, end=radius if to is None else to))

    def path(
        self, part: str, points: Sequence[Point], radius: float, to: float | None = None, *, key: str = ""
    ) -> None:
        """A chain of limbs through `points`, thinning evenly; the pieces are called key.0, key.1, ..."""
        to, pieces = radius if to is None else to, len(points) - 1
        for k in range(pieces):
            here, there = (radius + (to - radius) * j / pieces for j in (k, k + 1))
            self.limb(part, points[k], points[k + 1], here, there, key=f"{key or part}.{k}")

    def curve(
        self, part: str, start: Point, bend: Point, end: Point, radius: float, to: float | None = None,
        *, pieces: int = 4, key: str = "",
    ) -> None:  # fmt: skip
        """A chain of limbs along the quadratic Bezier curve from `start` to `end` drawn towards `bend`."""
        shares = [k / pieces for k in range(pieces + 1)]
        points = [
            tuple((1 - t) ** 2 * s + 2 * t * (1 - t) * b + t * t * e for s, b, e in zip(start, bend, end, strict=True))
            for t in shares
        ]
        self.path(part, [(x, y) for x, y in points], radius, to, key=key)

    def box(
        self, part: str, x: float, y: float, half_width: float, half_height: float, round: float = 0.0,
        turn: float = 0.0, *, key: str = "",
    ) -> None:  # fmt: skip
        """A rounded rectangle about (x, y)."""
        frame = _spread(similarity(x, y, turn=turn), half_width, half_height)
        self._add(Box(part, key or part, frame, round=min(round, half_width, half_height)))

    def polygon(self, part: str, points: Sequence[Point], round: float = 0.0, *, key: str = "") -> None:
        """A polygon through `points`, its corners rounded and all of it grown by `round`."""
        xs, ys = [x for x, _ in points], [y for _, y in points]
        x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        rx, ry = (max(xs) - min(xs)) / 2, (max(ys) - min(ys)) / 2
        corners = tuple(((px - x) / rx, (py - y) / ry) for px, py in points)
        self._add(Polygon(part, key or part, Frame(x, y, rx, 0.0, 0.0, ry), corners=corners, round=round))

    def point(self, name: str, x: float, y: float) -> None:
        """A keypoint at (x, y) of the shape added last, which must cover it."""
        self._points.append((name, self._layers[-1][1][-1], self._place.point(x, y)))

    def coat(self, x: float, y: float, rx: float, ry: float) -> None:
        """Anchor pattern and marks in the ellipse about (x, y), turned as the coordinates are."""
        self._coat = _spread(similarity(x, y), rx, ry).within(self._place)

    def support(self, left: float, right: float, y: float) -> None:
        """Others may stand on the line from (left, y) to (right, y)."""
        self._lines["support"] = self._line(left, right, y)

    def opening(self, left: float, right: float, y: float) -> None:
        """Others may look out over the rim from (left, y) to (right, y)."""
        self._lines["opening"] = self._line(left, right, y)

    def hand(self, x: float, y: float) -> None:
        """It holds others at (x, y)."""
        self._spots["hand"] = self._place.point(x, y)

    def grip(self, x: float, y: float) -> None:
        """It is held at (x, y)."""
        self._spots["grip"] = self._place.point(x, y)

    def figure(self) -> Figure:
        """All that was put down."""
        layers = tuple(replace(layer, shapes=tuple(shapes)) for layer, shapes in self._layers)
        shapes = [shape for layer in layers for shape in layer.shapes]
        numbers = {id(shape): number for number, shape in enumerate(shapes)}
        keypoints = {name: Anchor(numbers[id(s)], *s.frame.canonical(*xy)) for name, s, xy in self._points}
        bounds = merged([shape.bounds() for shape in shapes])
        coat = self._coat or _spread(similarity((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2), 1.0, 1.0)
        return Figure(
            layers, keypoints, coat, bounds, self._lines.get("support"), self._lines.get("opening"),
            self._spots.get("hand"), self._spots.get("grip"),
        )  # fmt: skip

    def _line(self, left: float, right: float, y: float) -> tuple[float, float, float]:
        """A level line in figure units."""
        (x0, y0), (x1, y1) = self._place.point(left, y), self._place.point(right, y)
        return min(x0, x1), max(x0, x1), (y0 + y1) / 2

    def _add(self, shape: Shape) -> None:
        self._layers[-1][1].append(shape.placed(self._place))


def _spread(frame: Frame, rx: float, ry: float) -> Frame:
    return frame._replace(ux=frame.ux * rx, uy=frame.uy * rx, vx=frame.vx * ry, vy=frame.vy * ry)
