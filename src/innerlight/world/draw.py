"""From a scene to pixels and their truth: layers of distance fields, painted back to front."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from innerlight.world import coat, settings, styles
from innerlight.world._checks import whole
from innerlight.world.figures import figure_of, place
from innerlight.world.palette import COLOURS, FIXED_PAINTS, Colour, mixed
from innerlight.world.scene import Look, Scene, Thing
from innerlight.world.shapes import Array, Bounds, Frame, Shape, merged, similarity
from innerlight.world.sketch import Figure, Layer

FAR = 1e6  # a distance beyond every picture
LONGEST_SIDE = 16_384  # pixels


@dataclass(frozen=True, eq=False)
class PlacedThing:
    """A thing in pixels: its figure's shapes, where the figure's frame lies, and where its numbering starts."""

    thing: Thing
    figure: Figure
    frame: Frame  # figure units -> pixels
    shapes: tuple[Shape, ...]
    bounds: tuple[Bounds, ...]  # of each shape
    first: int  # owner number of its shape 0

    @cached_property
    def box(self) -> Bounds:
        """The box around all of it, seen or hidden."""
        return merged(self.bounds)

    @property
    def layers(self) -> Iterator[tuple[Layer, int]]:
        """Each layer with the number of its first shape."""
        number = 0
        for layer in self.figure.layers:
            yield layer, number
            number += len(layer.shapes)


class Pass(Enum):
    """Which layers of a thing are drawn: all, or those behind or before what it contains."""

    ALL = "all"
    BACK = "back"
    FRONT = "front"


@dataclass(frozen=True, eq=False)
class Render:
    """A picture (height, width, 3) and for each pixel its owner: 0 the setting, else the number of a shape."""

    scene: Scene
    picture: NDArray[np.uint8]
    owners: NDArray[np.int16]
    placed: tuple[PlacedThing, ...]
    canvas: Frame  # canvas units -> pixels


def render(scene: Scene, height: int = 128, width: int | None = None) -> Render:
    """Draw `scene`, square if no width is given; its canvas is fitted inside and the setting goes on beyond it."""
    height = whole("height", height, 1, LONGEST_SIDE)
    width = height if width is None else whole("width", width, 1, LONGEST_SIDE)
    canvas_frame = fit(scene, height, width)
    x, y = pixel_centres(height, width)
    style = styles.LOOKS[scene.style]
    brush = _Brush(settings.paint(scene, x, y, canvas_frame), np.zeros((height, width), np.int16), x, y, style)
    placed = place_all(scene, canvas_frame)
    for thing in placed:
        if thing.thing.grounded:
            brush.shadow(*shadow_of(thing), colour=settings.SHADOWS[scene.setting])
    for number, which in passes(scene):
        brush.thing(placed[number], which)
    picture = styles.finish(brush.canvas, scene, x, y, canvas_frame)
    pixels = np.clip(picture + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return Render(scene, np.ascontiguousarray(pixels), brush.owners, placed, canvas_frame)


def pixel_centres(height: int, width: int) -> tuple[Array, Array]:
    """x (1, w) and y (h, 1) of the middles of all pixels."""
    x, y = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in (width, height))
    return x[None, :], y[:, None]


def fit(scene: Scene, height: int, width: int) -> Frame:
    """The similarity from canvas units to pixels that centres the canvas in the picture."""
    scale = min(width / scene.width, height / scene.height)
    return similarity((width - scale * scene.width) / 2, (height - scale * scene.height) / 2, scale)


def place_all(scene: Scene, canvas: Frame) -> tuple[PlacedThing, ...]:
    """The things of `scene` in pixels, in the scene's order."""
    placed, first = [], 1
    for thing in scene.things:
        figure = figure_of(thing)
        frame = place(thing, figure).within(canvas)
        shapes = tuple(shape.placed(frame) for shape in figure.shapes)
        bounds = tuple(shape.bounds() for shape in shapes)
        placed.append(PlacedThing(thing, figure, frame, shapes, bounds, first))
        first += len(shapes)
    return tuple(placed)


def passes(scene: Scene) -> Iterator[tuple[int, Pass]]:
    """What is drawn when, back to front: a container in two passes, around what it contains."""
    contained = {r.object: r.subject for r in scene.relations if r.name == "in"}
    for number in scene.order:
        if number in contained:
            yield number, Pass.BACK
            yield contained[number], Pass.ALL
            yield number, Pass.FRONT
        elif number not in contained.values():
            yield number, Pass.ALL


def shadow_of(placed: PlacedThing) -> tuple[float, float, float, float]:
    """Centre and radii, in pixels, of the soft ellipse under a thing; nothing is darkened beyond them."""
    left, _, right, bottom = placed.box
    half = (right - left) * 0.56
    return (left + right) / 2, bottom - 0.1 * half, half, max(0.26 * half, 1.5)


class _Brush:
    """A canvas (3, h, w) of 0..255 and its owners, painted upon."""

    def __init__(self, canvas: Array, owners: NDArray[np.int16], x: Array, y: Array, style: styles.Style) -> None:
        self.canvas, self.owners, self.x, self.y, self.style = canvas, owners, x, y, style

    def shadow(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Darken towards `colour`, most in the middle, not at all at the rim."""
        rows, columns = self._crop((x - rx, y - ry, x + rx, y + ry))
        u, v = (self.x[:, columns] - x) / rx, (self.y[rows] - y) / ry
        share = np.maximum(1.0 - u * u - v * v, 0.0) * 0.5
        patch = self.canvas[:, rows, columns]
        patch += share * (_column(colour) - patch)

    def thing(self, placed: PlacedThing, which: Pass) -> None:
        """Paint the layers of a thing that belong to this pass."""
        for layer, number in placed.layers:
            if which is Pass.ALL or (which is Pass.BACK) == layer.behind:
                self._layer(placed, layer, number)

    def _layer(self, placed: PlacedThing, layer: Layer, number: int) -> None:
        mine = slice(number, number + len(layer.shapes))
        shapes, bounds = placed.shapes[mine], placed.bounds[mine]
        line = self.style.line * placed.frame.width * placed.figure.span if layer.outline else 0.0
        blend = layer.blend * placed.frame.width
        left, top, right, bottom = merged(bounds)
        # Where shapes melt together the silhouette bulges: by a quarter of the blend for each that joins.
        rows, columns = self._crop((left - blend, top - blend, right + blend, bottom + blend))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        distance, nearest = self._silhouette(shapes, bounds, rows, columns, blend)
        colours = self._colours(placed, layer, distance, rows, columns, line)
        patch = self.canvas[:, rows, columns]
        patch += np.clip(0.5 - distance, 0.0, 1.0) * (colours - patch)
        owners = self.owners[rows, columns]
        owners[distance < 0] = (nearest + (placed.first + number))[distance < 0]

    def _silhouette(
        self, shapes: Sequence[Shape], bounds: Sequence[Bounds], rows: slice, columns: slice, blend: float
    ) -> tuple[Array, NDArray[np.int16]]:
        """Distance (h, w) to the melted union of `shapes`, and the number of the nearest one."""
        distance = np.full((rows.stop - rows.start, columns.stop - columns.start), FAR, np.float32)
        nearest = np.zeros(distance.shape, np.int16)
        x, y = self.x[:, columns], self.y[rows]
        for number, (shape, (left, top, right, bottom)) in enumerate(zip(shapes, bounds, strict=True)):
            its_rows, its_columns = self._crop((left - blend, top - blend, right + blend, bottom + blend))
            sub_rows, sub_columns = _inner(its_rows, rows), _inner(its_columns, columns)
            new = shape.distance(x[:, sub_columns], y[sub_rows])
            old = distance[sub_rows, sub_columns]
            nearest[sub_rows, sub_columns][new < old] = number
            if blend > 0:  # polynomial smooth minimum
                overlap = np.maximum(blend - np.abs(new - old), 0.0)
                distance[sub_rows, sub_columns] = np.minimum(new, old) - overlap * overlap * (0.25 / blend)
            else:
                np.minimum(new, old, out=old)
        return distance, nearest

    def _colours(
        self, placed: PlacedThing, layer: Layer, distance: Array, rows: slice, columns: slice, line: float
    ) -> Array:
        """What the layer is painted with, (3, h, w) or (3, 1, 1) before shading."""
        look, span = placed.thing.look, placed.frame.width * placed.figure.span
        base = paint_of(look, layer.paint)
        colours: Array = _column(base)
        if layer.coat:
            colours = self._coat(placed, colours, rows, columns)
        # Light from above left, a rounded rim, then the line around it all.
        left, top, right, bottom = placed.box
        light = (
            1.09 - 0.15 * (self.y[rows] - top) / (bottom - top) - 0.05 * (self.x[:, columns] - left) / (right - left)
        )
        rim = np.clip(distance * (-1.0 / (0.09 * span)), 0.0, 1.0)
        colours = colours * (light * (1.0 - self.style.rim * (1.0 - rim) ** 2))
        if self.style.wash:
            colours = colours + self.style.wash * (_column(self.style.paper) - colours)
        if line > 0:
            edge = np.clip(distance + (line + 0.5), 0.0, 1.0) * self.style.line_strength
            colours = colours + edge * (_column(self.style.ink(base)) - colours)
        return colours

    def _coat(self, placed: PlacedThing, colours: Array, rows: slice, columns: slice) -> Array:
        look, frame = placed.thing.look, placed.figure.coat.within(placed.frame)
        x, y = self.x[:, columns], self.y[rows]
        span = placed.frame.width * placed.figure.span
        a, b = frame.grid(x, y)
        share = coat.pattern_share(look, a * frame.width, b * frame.height, span * look.period / 1000, 1.0)
        if share is not None:
            colours = colours + share * (_column(COLOURS[look.second]) - colours)
        if look.patch != "none":
            share = coat.patch_share(look.patch, a, b, 1.0 / math.sqrt(frame.width * frame.height))
            colours = colours + share * (_column(COLOURS[look.accent]) - colours)
        for mark in look.marks:
            share = coat.mark_share(mark, frame, x, y)
            colours = colours + share * (_column(COLOURS[mark.colour]) - colours)
        return colours

    def _crop(self, bounds: Bounds) -> tuple[slice, slice]:
        """Rows and columns of the pixels that anything within `bounds` can touch."""
        left, top, right, bottom = bounds
        height, width = self.owners.shape
        return (
            slice(max(int(top) - 1, 0), min(math.ceil(bottom) + 1, height)),
            slice(max(int(left) - 1, 0), min(math.ceil(right) + 1, width)),
        )


def paint_of(look: Look, paint: str) -> Colour:
    """The colour that a paint's name means on this individual."""
    if paint in FIXED_PAINTS:
        return FIXED_PAINTS[paint]
    main = COLOURS[look.colour]
    match paint:
        case "main":
            return main
        case "shade":
            return mixed(main, FIXED_PAINTS["ink"], 0.25)
        case "dark":
            return mixed(main, FIXED_PAINTS["ink"], 0.55)
        case "light":
            return mixed(main, FIXED_PAINTS["cream"], 0.6)
        case "second":
            return COLOURS[look.second]
        case "accent":
            return COLOURS[look.accent]
    raise AssertionError(f"no paint is called {paint!r}")


def _column(colour: Colour) -> Array:
    """A colour as (3, 1, 1)."""
    return np.array(colour, np.float32)[:, None, None]


def _inner(part: slice, whole: slice) -> slice:
    """`part`, cut to `whole` and counted from its start."""
    start = min(max(part.start, whole.start), whole.stop)
    return slice(start - whole.start, max(min(part.stop, whole.stop), start) - whole.start)
