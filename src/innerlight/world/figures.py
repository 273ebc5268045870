"""From a thing in a scene to shapes on the canvas: its figure, its place, its box."""

from __future__ import annotations

from functools import lru_cache

from innerlight.world.scene import Thing
from innerlight.world.shapes import Bounds, Frame, merged, similarity
from innerlight.world.sketch import Figure, Sketch
from innerlight.world.things import CATEGORIES, Build


def figure_of(thing: Thing) -> Figure:
    """The thing in its pose, in figure units."""
    return _figure(thing.look.category, thing.look.build, thing.pose, thing.sway)


def ordinary_figure(category: str, pose: str | None = None) -> Figure:
    """The category with ordinary proportions, in its plain pose or another."""
    kind = CATEGORIES[category]
    return _figure(category, tuple(1000 for _ in kind.proportions), pose or kind.poses[0], 0)


def place(thing: Thing, figure: Figure) -> Frame:
    """The similarity from figure units to the canvas that stands the thing on its (x, y)."""
    frame = similarity(0.0, 0.0, thing.span / figure.span, thing.tilt, thing.mirrored)
    left, _, right, bottom = _bounds(figure, frame)
    return frame._replace(ox=thing.x - (left + right) / 2, oy=thing.y - bottom)


def box_of(thing: Thing) -> Bounds:
    """Left, top, right, bottom of all of the thing on the canvas, seen or hidden."""
    figure = figure_of(thing)
    return _bounds(figure, place(thing, figure))


def _bounds(figure: Figure, frame: Frame) -> Bounds:
    if frame.uy == 0.0:  # not tilted: the figure's own box will do
        left, top, right, bottom = figure.bounds
        (x0, y0), (x1, y1) = frame.point(left, top), frame.point(right, bottom)
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    return merged([shape.placed(frame).bounds() for shape in figure.shapes])


@lru_cache(maxsize=4096)
def _figure(name: str, build: tuple[int, ...], pose: str, sway: int) -> Figure:
    category = CATEGORIES[name]
    sketch = Sketch()
    shares = {part: share / 1000 for part, share in zip(category.proportions, build, strict=True)}
    category.draw(sketch, pose, Build(shares), sway / 1000)
    return sketch.figure()
