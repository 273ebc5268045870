"""Maps over a picture: numbers as heat, labels as tinted regions with outlines and a legend."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from innerlight.files import Source
from innerlight.types import InputError, LabelMap
from innerlight.viz.canvas import Enlarging, enlarge, stroke_unit, text_size
from innerlight.viz.colours import INK, PAPER, Colour, colour_map, distinct_colour
from innerlight.viz.lettering import font, line_height, text_width, wrap

_FAINTEST = 0.4  # of the opacity, for the lowest number: a black veil would hide the picture


def heat(
    image: Source,
    values: ArrayLike,
    *,
    opacity: float = 0.65,
    colours: str = "magma",
    limits: tuple[float, float] | None = None,
    colour_bar: bool = False,
    scale: float = 1.0,
    enlarging: Enlarging = "lanczos",
) -> Image.Image:
    """A map (h, w) of any grid, resized smoothly, as colours over the picture; `limits` default to its extremes.

    `opacity` is that of the highest number; where the map is low more of the picture shows.
    """
    _refuse_opacity(opacity)
    picture = enlarge(image, scale, enlarging)
    numbers = _checked_map(values)
    low, high = _checked_limits(limits, numbers)
    strength = _strength(numbers, low, high, picture.size)
    coloured = Image.fromarray(colour_map(strength, colours))
    weight = Image.fromarray(np.round(255 * opacity * (_FAINTEST + (1 - _FAINTEST) * strength)).astype(np.uint8))
    blended = Image.composite(coloured, picture, weight)
    return _with_colour_bar(blended, low, high, colours) if colour_bar else blended


def labels(
    image: Source,
    label_map: LabelMap,
    *,
    opacity: float = 0.5,
    legend: bool = True,
    hidden: Collection[int] = (),
    colours: Mapping[int, Colour] | None = None,
    scale: float = 1.0,
    enlarging: Enlarging = "lanczos",
) -> Image.Image:
    """Each label tinted and outlined in its colour, named below; `hidden` labels and ignored pixels stay bare."""
    _refuse_opacity(opacity)
    picture = enlarge(image, scale, enlarging)
    regions = _resized_labels(label_map.labels, picture.size)
    bare = {label_map.ignore, *hidden}
    shown = [int(label) for label in np.unique(regions) if label not in bare]
    chosen = {label: (colours or {}).get(label, distinct_colour(label)) for label in shown}
    painted = _paint(np.asarray(picture), regions, chosen, opacity)
    if not legend or not shown:
        return Image.fromarray(painted)
    entries = [(label_map.names.get(label, str(label)), chosen[label]) for label in shown]
    return _with_legend(Image.fromarray(painted), entries)


def _strength(numbers: NDArray[np.float32], low: float, high: float, size: tuple[int, int]) -> NDArray[np.float32]:
    """The map at a picture's size, in 0..1; bicubic, cut where it overshoots."""
    span = (high - low) or 1.0  # a constant map is all at its lowest
    smooth = Image.fromarray((numbers - low) / np.float32(span)).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(smooth), 0, 1)


def _with_colour_bar(picture: Image.Image, low: float, high: float, colours: str) -> Image.Image:
    """The picture with a bar on its right: the highest number above, the lowest below."""
    size = text_size(picture.size)
    bar, gap = max(8, size), max(6, size // 2)
    words = [_number(high, low, high), _number(low, low, high)]
    left = picture.width + gap
    canvas = Image.new("RGB", (left + bar + gap + max(text_width(w, size) for w in words), picture.height), PAPER)
    canvas.paste(picture, (0, 0))
    ramp = colour_map(np.linspace(1, 0, picture.height)[:, None].repeat(bar, axis=1), colours)
    canvas.paste(Image.fromarray(ramp), (left, 0))
    draw = ImageDraw.Draw(canvas)
    draw.text((left + bar + gap // 2, 0), words[0], INK, font(size), anchor="lt")
    draw.text((left + bar + gap // 2, picture.height - 1), words[1], INK, font(size), anchor="lb")
    return canvas


def _number(number: float, low: float, high: float) -> str:
    """Three digits; what is nothing beside the span of the map is 0."""
    return "0" if abs(number) < (high - low) / 1000 else f"{number:.3g}"


def _paint(
    pixels: NDArray[np.uint8], regions: NDArray[np.int32], chosen: Mapping[int, Colour], opacity: float
) -> NDArray[np.uint8]:
    """Pixels (h, w, 3) with every chosen region tinted, and solid where it meets another."""
    edges = _edges(regions, thickness=round(stroke_unit((regions.shape[1], regions.shape[0]))))
    painted = pixels.astype(np.float32)
    for label, colour in chosen.items():
        here = regions == label
        weight = np.where(edges[here], 1.0, opacity)[:, None]
        painted[here] = (1 - weight) * painted[here] + weight * np.array(colour)
    return np.round(painted).astype(np.uint8)


def _edges(regions: NDArray[np.int32], thickness: int) -> NDArray[np.bool_]:
    """True within `thickness` pixels of another label; the picture's frame is no edge."""
    edges = np.zeros(regions.shape, np.bool_)
    for reach in range(1, thickness + 1):
        across = regions[:, reach:] != regions[:, :-reach]
        down = regions[reach:] != regions[:-reach]
        edges[:, reach:] |= across
        edges[:, :-reach] |= across
        edges[reach:] |= down
        edges[:-reach] |= down
    return edges


def _with_legend(picture: Image.Image, entries: list[tuple[str, Colour]]) -> Image.Image:
    """The picture with swatches and names below it, in as many rows as they need."""
    size = text_size(picture.size)
    row, gap, swatch = line_height(size) + 4, round(size * 0.7), size
    room = max(picture.width, 6 * size)
    rows = _legend_rows(entries, size, swatch, gap, room)
    canvas = Image.new("RGB", (room, picture.height + gap + row * len(rows)), PAPER)
    canvas.paste(picture, ((room - picture.width) // 2, 0))
    draw = ImageDraw.Draw(canvas)
    for index, line in enumerate(rows):
        middle = picture.height + gap + round((index + 0.5) * row)
        for x, text, colour in line:
            if colour is not None:
                top = middle - swatch // 2
                draw.rectangle([x, top, x + swatch - 1, top + swatch - 1], colour)
            draw.text((x + swatch + gap // 2, middle), text, INK, font(size), anchor="lm")
    return canvas


def _legend_rows(
    entries: list[tuple[str, Colour]], size: int, swatch: int, gap: int, room: int
) -> list[list[tuple[int, str, Colour | None]]]:
    """Rows of (x, text, colour); a name too long for a row goes on in the next, without a swatch of its own."""
    rows: list[list[tuple[int, str, Colour | None]]] = [[]]
    x = 0
    for name, colour in entries:
        first, *others = wrap(name, size, room - swatch - gap // 2)
        width = swatch + gap // 2 + text_width(first, size)
        if x and (x + width > room or others):
            rows.append([])
            x = 0
        rows[-1].append((x, first, colour))
        x += width + 2 * gap
        for text in others:
            rows.append([(0, text, None)])
            x = room
    return rows


def _resized_labels(labels: NDArray[np.integer], size: tuple[int, int]) -> NDArray[np.int32]:
    """Labels at a picture's size, each pixel that of the nearest cell."""
    array = np.asarray(labels)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
        raise InputError(f"The labels are {array.dtype} {array.shape}; expected whole numbers (height, width).")
    if array.min() < -(2**31) or array.max() >= 2**31:
        raise InputError(f"The labels run from {array.min()} to {array.max()}; expected 32-bit numbers.")
    return np.asarray(Image.fromarray(array.astype(np.int32)).resize(size, Image.Resampling.NEAREST))


def _checked_map(values: ArrayLike) -> NDArray[np.float32]:
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "biuf":
        raise InputError(f"The map is {array.dtype} {array.shape}; expected numbers (height, width).")
    if not np.isfinite(array).all():
        raise InputError("The map holds nan or infinity; replace them first (np.nan_to_num).")
    return array.astype(np.float32)


def _checked_limits(limits: tuple[float, float] | None, numbers: NDArray[np.float32]) -> tuple[float, float]:
    if limits is None:
        return float(numbers.min()), float(numbers.max())
    low, high = limits
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f"limits are {limits!r}; expected (low, high), finite and low below high.")
    return low, high


def _refuse_opacity(opacity: float) -> None:
    if not 0 <= opacity <= 1:
        raise InputError(f"opacity is {opacity!r}; expected a number in 0..1.")
