"""What is where in a render: every map is a look-up in the one map of owners, so that all of them agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from innerlight.types import LabelMap
from innerlight.world._checks import one_of, whole
from innerlight.world.draw import PlacedThing, Render, pixel_centres, shadow_of
from innerlight.world.figures import ordinary_figure
from innerlight.world.looks import category_named
from innerlight.world.relations import NAMED_RELATIONS, PLANAR, holds
from innerlight.world.scene import Relation
from innerlight.world.shapes import Bounds
from innerlight.world.things import CATEGORIES


@dataclass(frozen=True)
class Keypoint:
    """A named spot in pixels; visible: its part is what is seen there."""

    x: float
    y: float
    visible: bool


@cache
def category_names() -> Mapping[int, str]:
    """Number of each category in semantic maps; 0 is the setting."""
    return MappingProxyType({0: "background"} | dict(enumerate(sorted(CATEGORIES), start=1)))


@cache
def part_names() -> Mapping[int, str]:
    """Number of each part in part maps, shared by all categories that have it; 0 is the setting."""
    figures = (ordinary_figure(name, pose) for name, kind in CATEGORIES.items() for pose in kind.poses)
    parts = {shape.part for figure in figures for shape in figure.shapes}
    return MappingProxyType({0: "background"} | dict(enumerate(sorted(parts), start=1)))


@cache
def keypoint_names(category: str) -> tuple[str, ...]:
    """The keypoints of a category, in a fixed order."""
    return tuple(sorted(ordinary_figure(category_named(category).name).keypoints))


def twin_of(category: str, keypoint: str) -> str | None:
    """The keypoint of `category` most easily mistaken for this one: the other ear, the far paw, the right wheel."""
    known = keypoint_names(category)
    one_of(f"keypoint of a {category}", keypoint, known)
    for one, other in (("near", "far"), ("left", "right"), ("front", "back")):
        for side, opposite in ((one, other), (other, one)):
            words = keypoint.split("_")
            twin = "_".join(opposite if word == side else word for word in words)
            if side in words and twin in known:
                return twin
    return None


def instances(render: Render) -> NDArray[np.int16]:
    """(h, w): 0 the setting, else 1 + number of the thing."""
    return _looked_up(render, lambda placed, number: number + 1)


def semantic(render: Render) -> LabelMap:
    """(h, w): the category of each pixel."""
    numbers = {name: number for number, name in category_names().items()}
    labels = _looked_up(render, lambda placed, _: numbers[placed.thing.look.category])
    return LabelMap(labels, category_names())


def parts(render: Render) -> LabelMap:
    """(h, w): the part of each pixel."""
    numbers = {name: number for number, name in part_names().items()}
    labels = _looked_up(render, lambda placed, _: [numbers[shape.part] for shape in placed.shapes])
    return LabelMap(labels, part_names())


def boxes(render: Render) -> tuple[Bounds | None, ...]:
    """For each thing the box (left, top, right, bottom) around its pixels; None if nothing of it is seen."""
    seen = instances(render)
    return tuple(_box(seen == number + 1) for number in range(len(render.placed)))


def keypoints(render: Render) -> tuple[dict[str, Keypoint], ...]:
    """For each thing its keypoints."""
    shown = parts(render).labels
    owner = instances(render)
    return tuple(
        {name: _keypoint(placed, number, name, shown, owner) for name in placed.figure.keypoints}
        for number, placed in enumerate(render.placed)
    )


def depth_order(render: Render) -> tuple[int, ...]:
    """The things from back to front."""
    return render.scene.order


def relations(render: Render) -> tuple[Relation, ...]:
    """All named relations that are true in the picture: those built in, and left, right, above, below by the boxes."""
    found = [r for r in render.scene.relations if r.name in NAMED_RELATIONS and r.name not in PLANAR]
    seen = boxes(render)
    for one, first in enumerate(seen):
        for other, second in enumerate(seen):
            if one != other and first and second:
                found += [Relation(one, name, other) for name in PLANAR if holds(name, first, second)]
    return tuple(found)


def footprint(render: Render, thing: int) -> NDArray[np.bool_]:
    """(h, w): where paint of a thing can have gone, were nothing before it: its mask, edges, and parts thinner than
    a pixel, which own none.
    """
    placed = render.placed[whole("thing", thing, 0, len(render.placed) - 1)]
    x, y = pixel_centres(*render.owners.shape)
    reached = np.zeros(render.owners.shape, bool)
    for layer, first in placed.layers:
        for shape in placed.shapes[first : first + len(layer.shapes)]:
            # half a pixel of anti-aliasing, and what melting adds: at most a quarter of the blend for each neighbour
            reached |= shape.distance(x, y) < 0.5 + 0.5 * layer.blend * placed.frame.width
    return reached


def shadow(render: Render, thing: int) -> NDArray[np.bool_]:
    """(h, w): where the foot shadow of a thing falls; nowhere if it has none."""
    placed = render.placed[whole("thing", thing, 0, len(render.placed) - 1)]
    if not placed.thing.grounded:
        return np.zeros(render.owners.shape, bool)
    (columns, rows), (x, y, rx, ry) = pixel_centres(*render.owners.shape), shadow_of(placed)
    return ((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 < 1


def _keypoint(
    placed: PlacedThing, number: int, name: str, shown: NDArray[np.integer], owner: NDArray[np.integer]
) -> Keypoint:
    anchor = placed.figure.keypoints[name]
    shape = placed.shapes[anchor.shape]
    x, y = shape.frame.point(anchor.a, anchor.b)
    row, column = int(np.floor(y)), int(np.floor(x))
    inside = 0 <= row < shown.shape[0] and 0 <= column < shown.shape[1]
    visible = inside and owner[row, column] == number + 1 and part_names()[int(shown[row, column])] == shape.part
    return Keypoint(x, y, bool(visible))


def _looked_up(render: Render, value_of: Callable[[PlacedThing, int], int | list[int]]) -> NDArray[np.int16]:
    """The owner map through a table: `value_of(placed thing, its number)` is one value, or one for each shape."""
    table = np.zeros(1 + sum(len(placed.shapes) for placed in render.placed), np.int16)
    for number, placed in enumerate(render.placed):
        table[placed.first : placed.first + len(placed.shapes)] = value_of(placed, number)
    return table[render.owners]


def _box(mask: NDArray[np.bool_]) -> Bounds | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
