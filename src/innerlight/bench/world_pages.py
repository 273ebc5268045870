"""Pictures that show the world: contact sheets, and the truths of a scene drawn over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image

from innerlight import viz
from innerlight.types import LabelMap, Match
from innerlight.world import truth
from innerlight.world.captions import caption
from innerlight.world.correspondence import Correspondence, correspond, same_categories
from innerlight.world.draw import Render, render
from innerlight.world.layout import sample


def contact_sheet(seeds: Iterable[int], size: tuple[int, int], columns: int | None = None) -> Image.Image:
    """Scenes of (height, width) with their captions, in a grid nearly square if no number of columns is given."""
    scenes = [sample(seed, shape=size) for seed in seeds]
    pictures = [render(scene, *size).picture for scene in scenes]
    columns = columns or max(1, round(len(scenes) ** 0.5))
    return viz.grid(pictures, [caption(scene).text for scene in scenes], columns)


def truths(drawn: Render, scale: float) -> dict[str, Image.Image]:
    """By name: every kind of truth, drawn over the picture."""
    picture = drawn.picture
    points = {
        name: (point.x, point.y) for thing in truth.keypoints(drawn) for name, point in thing.items() if point.visible
    }
    seen = [(box, placed) for box, placed in zip(truth.boxes(drawn), drawn.placed, strict=True) if box is not None]
    boxes, names = [box for box, _ in seen], [placed.thing.look.category for _, placed in seen]
    return {
        "picture": viz.enlarge(picture, scale),
        "category of each pixel": _overlay(drawn, truth.semantic(drawn), scale),
        "part of each pixel": _overlay(drawn, truth.parts(drawn), scale),
        "boxes": viz.boxes(picture, boxes, names, scale=scale),
        "keypoints": viz.points(picture, points, scale=scale),
    }


def partner_picture(
    source: Render, target: Render, count: int, scale: float, partners: Mapping[int, int] | None = None
) -> Image.Image:
    """Two renders with lines between spots that show the same place; things of a category pair up by themselves."""
    found = correspond(source, target, same_categories(source, target) if partners is None else partners)
    return viz.matches(source.picture, target.picture, _spread(found, source, count), scale=scale)


def _overlay(drawn: Render, labels: LabelMap, scale: float) -> Image.Image:
    """Labels over the picture, the setting bare, in colours dealt out to what is there."""
    shown = [int(number) for number in np.unique(labels.labels)]
    present = LabelMap(labels.labels, {number: labels.names[number] for number in shown})
    colours = {number: viz.distinct_colour(order) for order, number in enumerate(shown)}
    return viz.labels(drawn.picture, present, hidden=[0], colours=colours, scale=scale)


def _spread(found: Correspondence, source: Render, count: int) -> list[Match]:
    """About `count` visible partners on things, spread evenly over them."""
    rows, columns = np.nonzero(found.visible & (truth.instances(source) > 0))
    chosen = np.linspace(0, len(rows) - 1, num=min(count, len(rows)), dtype=int)
    return [
        Match((columns[k] + 0.5, rows[k] + 0.5), tuple(map(float, found.flow[rows[k], columns[k]])))  # type: ignore[arg-type]
        for k in chosen
    ]
