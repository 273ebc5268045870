"""Marks on a picture: matches between two, named points, named boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from innerlight.files import Source
from innerlight.types import InputError, Match
from innerlight.viz.canvas import Enlarging, Ink, Point, enlarge, refuse_gap, stroke_unit, text_size
from innerlight.viz.colours import INK, PAPER, RIGHT, WRONG, Colour, distinct_colour, text_colour_on
from innerlight.viz.lettering import font, line_height, text_width, wrap

Box = tuple[float, float, float, float]  # left, top, right, bottom


def matches(
    left: Source,
    right: Source,
    pairs: Sequence[Match],
    *,
    correct: Sequence[bool] | None = None,
    gap: int = 12,
    scale: float = 1.0,
    enlarging: Enlarging = "lanczos",
) -> Image.Image:
    """Two pictures side by side, a line from each source point (left) to its target (right).

    With `correct`, true matches are green with full dots and false ones vermilion with hollow dots.
    """
    _refuse_pairs(pairs, correct)
    refuse_gap(gap)
    pictures = enlarge(left, scale, enlarging), enlarge(right, scale, enlarging)
    canvas, offsets = _side_by_side(pictures, gap)
    unit = stroke_unit(min(picture.size for picture in pictures))
    ink = Ink(canvas.size)
    looks = [_look(index, correct) for index in range(len(pairs))]
    ends = [_ends(pair, index, pictures, offsets, scale) for index, pair in enumerate(pairs)]
    for (start, end), (colour, _) in zip(ends, looks, strict=True):
        ink.line(start, end, colour, 1.5 * unit)
    for points_of_pair, (colour, hollow) in zip(ends, looks, strict=True):
        for point in points_of_pair:
            ink.dot(point, 3.5 * unit, colour, hollow=hollow)
    return ink.onto(canvas)


def points(
    image: Source,
    named: Mapping[str, Point],
    *,
    names: bool = True,
    scale: float = 1.0,
    enlarging: Enlarging = "lanczos",
) -> Image.Image:
    """Keypoints as dots with their names beside them, put where they hide the least."""
    if not named:
        raise InputError("There is no point to draw; pass a mapping of names to (x, y).")
    picture = enlarge(image, scale, enlarging)
    places = [_inside(point, f"point {name!r}", picture.size, scale) for name, point in named.items()]
    unit = stroke_unit(picture.size)
    ink = Ink(picture.size)
    for index, place in enumerate(places):
        ink.dot(place, 3.5 * unit, distinct_colour(index))
    drawn = ink.onto(picture)
    if names:
        _write_names(drawn, list(named), places, reach=6 * unit)
    return drawn


def boxes(
    image: Source,
    boxes: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    scale: float = 1.0,
    enlarging: Enlarging = "lanczos",
) -> Image.Image:
    """Boxes (n, 4) as left, top, right, bottom, each framed in its colour with its name on a tag."""
    picture = enlarge(image, scale, enlarging)
    edges = _checked_boxes(boxes, names, picture.size, scale)
    unit = stroke_unit(picture.size)
    ink = Ink(picture.size)
    for index, edge in enumerate(edges):
        ink.frame(edge, distinct_colour(index), 1.5 * unit)
    drawn = ink.onto(picture)
    for index, (name, edge) in enumerate(zip(names or (), edges, strict=False)):
        _write_tag(drawn, name, edge, distinct_colour(index), 1.5 * unit)
    return drawn


def _side_by_side(pictures: tuple[Image.Image, Image.Image], gap: int) -> tuple[Image.Image, tuple[Point, Point]]:
    """One canvas with both pictures, centred in height, and where their upper left corners lie."""
    left, right = pictures
    height = max(left.height, right.height)
    canvas = Image.new("RGB", (left.width + gap + right.width, height), PAPER)
    corners = (0, (height - left.height) // 2), (left.width + gap, (height - right.height) // 2)
    for picture, corner in zip(pictures, corners, strict=True):
        canvas.paste(picture, corner)
    return canvas, corners


def _look(index: int, correct: Sequence[bool] | None) -> tuple[Colour, bool]:
    """Colour of a match, and whether its dots are hollow."""
    if correct is None:
        return distinct_colour(index), False
    return (RIGHT, False) if correct[index] else (WRONG, True)


def _ends(
    pair: Match, index: int, pictures: tuple[Image.Image, Image.Image], offsets: tuple[Point, Point], scale: float
) -> tuple[Point, Point]:
    """Both ends of a match on the canvas."""
    start = _inside(pair.source, f"the source of match {index}", pictures[0].size, scale)
    end = _inside(pair.target, f"the target of match {index}", pictures[1].size, scale)
    return (start[0] + offsets[0][0], start[1] + offsets[0][1]), (end[0] + offsets[1][0], end[1] + offsets[1][1])


def _inside(point: Point, what: str, size: tuple[int, int], scale: float) -> Point:
    """The point on the enlarged picture; one outside of it is refused."""
    try:
        x, y = (float(value) * scale for value in point)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is {point!r}; expected (x, y) in pixels.") from error
    if not (0 <= x <= size[0] and 0 <= y <= size[1]):
        extent = f"{size[0] / scale:g} x {size[1] / scale:g}"
        raise InputError(f"{what} is {point!r}, outside the {extent} picture; leave out what is not visible.")
    return x, y


def _write_names(picture: Image.Image, names: list[str], places: list[Point], reach: float) -> None:
    """White names in a dark halo, each on the side of its dot where it covers least."""
    size = text_size(picture.size)
    draw = ImageDraw.Draw(picture)
    taken: list[Box] = [(x - reach, y - reach, x + reach, y + reach) for x, y in places]
    for name, place in zip(names, places, strict=True):
        text = wrap(name, size, picture.width)[0]
        box = _roomiest(place, (text_width(text, size), line_height(size)), reach, picture.size, taken)
        taken.append(box)
        middle = (box[1] + box[3]) / 2
        draw.text((box[0], middle), text, PAPER, font(size), anchor="lm", stroke_width=2, stroke_fill=INK)


def _roomiest(place: Point, text: tuple[int, int], reach: float, size: tuple[int, int], taken: list[Box]) -> Box:
    """The box for a text beside a dot, inside the picture, that overlaps least with what is `taken`."""
    width, height = text
    x, y = place
    corners = [
        (x + reach, y - height / 2),
        (x - reach - width, y - height / 2),
        (x - width / 2, y - reach - height),
        (x - width / 2, y + reach),
        (x + reach, y - reach - height),
        (x + reach, y + reach),
        (x - reach - width, y - reach - height),
        (x - reach - width, y + reach),
    ]
    inside = [_pushed_inside(corner, text, size) for corner in corners]
    return min(inside, key=lambda box: sum(_overlap(box, other) for other in taken))


def _pushed_inside(corner: Point, text: tuple[int, int], size: tuple[int, int]) -> Box:
    left = max(2.0, min(corner[0], size[0] - text[0] - 2))
    top = max(0.0, min(corner[1], size[1] - text[1]))
    return left, top, left + text[0], top + text[1]


def _overlap(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)


def _write_tag(picture: Image.Image, name: str, box: Box, colour: Colour, line: float) -> None:
    """The name on a plate of the box's colour, above the box or, where there is no room, in its upper corner."""
    size = text_size(picture.size)
    text = wrap(name, size, picture.width - size)[0]
    width, height = text_width(text, size) + size // 2, line_height(size)
    above = box[1] - line / 2 - height
    left = max(0.0, min(box[0] - line / 2, picture.width - width))
    top = above if above >= 0 else box[1]
    draw = ImageDraw.Draw(picture)
    draw.rectangle([left, top, left + width - 1, top + height - 1], colour)
    draw.text((left + width / 2, top + height / 2), text, text_colour_on(colour), font(size), anchor="mm")


def _refuse_pairs(pairs: Sequence[Match], correct: Iterable[bool] | None) -> None:
    if not pairs or not all(isinstance(pair, Match) for pair in pairs):
        raise InputError("Expected at least one Match(source, target); the list is empty or holds something else.")
    if correct is not None and len(list(correct)) != len(pairs):
        raise InputError(f"correct has {len(list(correct))} values for {len(pairs)} matches; pass one for each.")


def _checked_boxes(
    boxes: ArrayLike, names: Sequence[str] | None, size: tuple[int, int], scale: float
) -> list[tuple[float, float, float, float]]:
    """Edges of each box on the enlarged picture, cut to it."""
    try:
        array: NDArray[np.float64] = np.asarray(boxes, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"boxes are not numbers ({error}); expected (n, 4) as left, top, right, bottom.") from error
    if array.ndim != 2 or array.shape[1] != 4 or len(array) == 0:
        raise InputError(f"boxes have shape {array.shape}; expected (n, 4) as left, top, right, bottom, n at least 1.")
    if not np.isfinite(array).all() or (array[:, 2:] < array[:, :2]).any():
        raise InputError(
            "boxes hold nan, infinity or a side out of order; expected left, top, right, bottom in pixels "
            "(COCO's x, y, width, height: add x and y to the latter two)."
        )
    if names is not None and len(names) != len(array):
        raise InputError(f"There are {len(names)} names for {len(array)} boxes; pass one for each.")
    limits = np.array([size[0], size[1], size[0], size[1]])
    return [(left, top, right, bottom) for left, top, right, bottom in np.clip(array * scale, 0, limits).tolist()]
