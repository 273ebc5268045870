"""The picture under a drawing, enlarged crisply, and smooth lines and dots on top of it."""

from __future__ import annotations

import math
from typing import Literal

from PIL import Image, ImageDraw

from innerlight.files import MAX_PIXELS, Source, read_picture
from innerlight.types import InputError
from innerlight.viz.colours import INK, PAPER, Colour

Enlarging = Literal["lanczos", "nearest"]
Point = tuple[float, float]

HALO = (*INK, 150)  # a soft dark edge, so that a mark reads on any background

_FILTERS = {"lanczos": Image.Resampling.LANCZOS, "nearest": Image.Resampling.NEAREST}
_LAYER_PIXELS = 24_000_000  # of an oversampled layer: about 100 MB


def enlarge(image: Source, scale: float = 1.0, enlarging: Enlarging = "lanczos") -> Image.Image:
    """The picture at `scale` times its size; "nearest" shows its pixels, "lanczos" hides them."""
    if not (isinstance(scale, int | float) and math.isfinite(scale) and 0 < scale <= 64):
        raise InputError(f"scale is {scale!r}; expected a number over 0 and up to 64.")
    if enlarging not in _FILTERS:
        raise InputError(f"enlarging is {enlarging!r}; expected one of {', '.join(_FILTERS)}.")
    picture = read_picture(image)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(f"At scale {scale} the picture is {size[0]} x {size[1]} pixels; choose a smaller scale.")
    return picture if size == picture.size else picture.resize(size, _FILTERS[enlarging])


def refuse_gap(gap: int) -> None:
    """Raise for a distance that cannot stand between pictures."""
    if not isinstance(gap, int) or gap < 0:
        raise InputError(f"gap is {gap!r}; expected a whole number of pixels from 0.")


def stroke_unit(size: tuple[int, int]) -> float:
    """How thick a fine line is on a picture of this size, in pixels: 1 at 320 a side, never below that."""
    return min(4.0, max(1.0, min(size) / 320))


def text_size(size: tuple[int, int]) -> int:
    """The height of letters that read well beside a picture of this size, in pixels."""
    return round(min(44.0, max(12.0, 12 * stroke_unit(size))))


class Ink:
    """Shapes drawn at several times the size and reduced onto a picture, which makes their edges smooth."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._factor = next((f for f in (4, 3, 2) if size[0] * size[1] * f * f <= _LAYER_PIXELS), 1)
        self._layer = Image.new("RGBA", (size[0] * self._factor, size[1] * self._factor))
        self._draw = ImageDraw.Draw(self._layer)

    def line(self, start: Point, end: Point, colour: Colour, width: float) -> None:
        """A line with a halo of half its width on either side."""
        for fill, thickness in ((HALO, width * 2), ((*colour, 255), width)):
            self._draw.line([self._at(start), self._at(end)], fill, round(thickness * self._factor))

    def dot(self, centre: Point, radius: float, colour: Colour, *, hollow: bool = False) -> None:
        """A disc in a white rim and a halo; a hollow one has a white middle."""
        for fill, reach in ((HALO, radius * 1.45), ((*PAPER, 255), radius * 1.25), ((*colour, 255), radius)):
            self._disc(centre, reach, fill)
        if hollow:
            self._disc(centre, radius * 0.5, (*PAPER, 255))

    def frame(self, box: tuple[float, float, float, float], colour: Colour, width: float) -> None:
        """The outline of (left, top, right, bottom), centred on its edges, with a halo."""
        for fill, thickness in ((HALO, width * 2), ((*colour, 255), width)):
            half = thickness / 2
            corners = [(box[0] - half, box[1] - half), (box[2] + half, box[3] + half)]
            self._draw.rectangle([self._at(c) for c in corners], outline=fill, width=round(thickness * self._factor))

    def onto(self, picture: Image.Image) -> Image.Image:
        """The picture, in RGB, with the shapes on it."""
        layer = self._layer.reduce(self._factor) if self._factor > 1 else self._layer
        return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")

    def _disc(self, centre: Point, radius: float, fill: tuple[int, int, int, int]) -> None:
        x, y = self._at(centre)
        reach = radius * self._factor
        self._draw.ellipse([x - reach, y - reach, x + reach, y + reach], fill)

    def _at(self, point: Point) -> Point:
        """Layer coordinates; Pillow counts from the centre of the first pixel, we from its corner."""
        return point[0] * self._factor - 0.5, point[1] * self._factor - 0.5
