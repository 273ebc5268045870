"""How a picture becomes the one that a method sees, with its labels, points and boxes; and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from innerlight.bench.data.items import Box
from innerlight.types import InputError

Fit = Literal["as is", "squash", "long side", "short side", "centre crop", "object crop"]
Window = tuple[int, int, int, int]  # left, top, right, bottom in whole pixels

FITS = {
    "as is": "as they are",
    "squash": "squashed to {0} x {0}",
    "long side": "scaled to {0} on the longer side",
    "short side": "scaled to {0} on the shorter side, then cut to the central square",
    "centre crop": "cut to the central square, then scaled to {0} x {0}",
    "object crop": "cut to a square around the object, then scaled to {0} x {0}",
}


@dataclass(frozen=True)
class Framing:
    """A window is cut out, scaled, and cut again. Points scale with the picture, without an offset."""

    size: tuple[int, int]  # height, width of the picture that comes in
    cut: Window  # of it
    scaled: tuple[int, int]  # height, width the window is brought to
    kept: Window  # of that

    @property
    def prepared(self) -> tuple[int, int]:
        """Height and width of what comes out."""
        left, top, right, bottom = self.kept
        return bottom - top, right - left

    def picture(self, picture: Image.Image) -> Image.Image:
        """The picture, scaled bilinearly with anti-aliasing."""
        self._refuse_other((picture.height, picture.width), "picture")
        cut = picture.crop(self.cut)
        height, width = self.scaled
        scaled = cut if cut.size == (width, height) else cut.resize((width, height), Image.Resampling.BILINEAR)
        return scaled.crop(self.kept)

    def labels(self, labels: ArrayLike) -> NDArray:
        """Labels or a mask (h, w): every pixel takes the one under its centre, so that no number is new."""
        array = np.asarray(labels)
        self._refuse_other(array.shape, "label map")
        left, top, right, bottom = self.kept
        columns, rows = self._nearest(1)[left:right], self._nearest(0)[top:bottom]
        return array[rows[:, None], columns]

    def labels_back(self, labels: ArrayLike, outside: int) -> NDArray:
        """Labels of the prepared picture on the one that came in; `outside` where it does not reach."""
        array = np.asarray(labels)
        if array.shape != self.prepared:
            raise InputError(f"labels are {array.shape}; expected those of the prepared picture, {self.prepared}.")
        scaled = np.full(self.scaled, outside, np.result_type(array.dtype, np.min_scalar_type(outside)))
        left, top, right, bottom = self.kept
        scaled[top:bottom, left:right] = array
        full = np.full(self.size, outside, scaled.dtype)
        left, top, right, bottom = self.cut
        rows = _nearest_cells(bottom - top, self.scaled[0])
        full[top:bottom, left:right] = scaled[rows[:, None], _nearest_cells(right - left, self.scaled[1])]
        return full

    def points(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (n, 2) of the picture that comes in, in the prepared one; they may lie outside of it."""
        return (_checked(points) - self.cut[:2]) * self._factors() - self.kept[:2]

    def points_back(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (n, 2) of the prepared picture, in the one that came in."""
        return (_checked(points) + self.kept[:2]) / self._factors() + self.cut[:2]

    def box(self, box: Box) -> Box:
        """A box of the picture that comes in, in the prepared one."""
        (left, top), (right, bottom) = self.points([box[:2], box[2:]]).tolist()
        return left, top, right, bottom

    def _factors(self) -> NDArray[np.float64]:
        left, top, right, bottom = self.cut
        return np.array([self.scaled[1] / (right - left), self.scaled[0] / (bottom - top)])

    def _nearest(self, axis: int) -> NDArray[np.int64]:
        """The row (axis 0) or column of the picture that comes in, for each of the scaled window."""
        first, last = self.cut[1 - axis], self.cut[3 - axis]
        return first + _nearest_cells(self.scaled[axis], last - first)

    def _refuse_other(self, size: Sequence[int], what: str) -> None:
        if tuple(size) != self.size:
            raise InputError(f"The {what} is {tuple(size)} (height, width); this framing is of {self.size}.")


def framing_of(size: tuple[int, int], fit: Fit, side: int | None = None, around: Box | None = None) -> Framing:
    """The framing of a picture of (height, width); "object crop" needs the box that it holds, `around`."""
    refuse_fit(fit, side)
    height, width = size
    whole = (0, 0, width, height)
    if fit == "as is" or side is None:
        return Framing(size, whole, size, whole)
    if fit in ("centre crop", "object crop"):
        if fit == "object crop" and around is None:
            raise InputError("object crop needs the box of the object, around=(left, top, right, bottom).")
        cut = _square(height, width, around if fit == "object crop" else None)
        return Framing(size, cut, (side, side), (0, 0, side, side))
    if fit == "squash":
        return Framing(size, whole, (side, side), (0, 0, side, side))
    if fit == "long side":
        scale = side / max(size)
        scaled = max(1, round(height * scale)), max(1, round(width * scale))
        return Framing(size, whole, scaled, (0, 0, scaled[1], scaled[0]))
    shorter = min(size)
    scaled = int(side * height / shorter), int(side * width / shorter)  # rounded down, as torchvision does
    left, top = round((scaled[1] - side) / 2), round((scaled[0] - side) / 2)
    return Framing(size, whole, scaled, (left, top, left + side, top + side))


def refuse_fit(fit: object, side: object) -> None:
    """Raise for a rule that does not exist, or without the side it needs."""
    if fit not in get_args(Fit):
        raise InputError(f"fit is one of {', '.join(get_args(Fit))}; got {fit!r}.")
    if fit == "as is":
        if side is not None:
            raise InputError(f"fit 'as is' has no side; got {side!r}.")
    elif isinstance(side, bool) or not isinstance(side, int) or side < 1:
        raise InputError(f"fit {fit!r} needs a side in whole pixels; got {side!r}.")


def _square(height: int, width: int, around: Box | None) -> Window:
    """The central square, moved along the longer side until it holds `around`; its far edge, if it is too long."""
    side = min(height, width)
    corner = [(width - side) // 2, (height - side) // 2]
    if around is not None:
        for axis, length in enumerate((width, height)):
            near, far = np.floor(around[axis]), np.ceil(around[axis + 2])
            corner[axis] = int(min(corner[axis], near))
            corner[axis] = int(max(corner[axis], far - side))
            corner[axis] = min(max(corner[axis], 0), length - side)
    return corner[0], corner[1], corner[0] + side, corner[1] + side


def _nearest_cells(new: int, old: int) -> NDArray[np.int64]:
    """(new,) the old cell under the centre of each new one."""
    return (2 * np.arange(new) + 1) * old // (2 * new)


def _checked(points: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise InputError(f"points are {array.shape}; expected (n, 2), x before y.")
    return array
