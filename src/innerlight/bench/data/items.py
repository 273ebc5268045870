"""What the readers give: a frozen sequence of items, each of which reads its files when it is asked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from innerlight.bench.data._reading import stored_picture
from innerlight.files import read_labels, read_picture
from innerlight.types import InputError, LabelMap, NotFoundError

Box = tuple[float, float, float, float]  # left, top, right, bottom
Item = TypeVar("Item")

IGNORE = 255  # the label that counts for nothing, in every set here
FOREIGN = -1  # in a table of classes: a number that these files should not hold


@dataclass(frozen=True, repr=False)
class DataSet(Sequence[Item], Generic[Item]):
    """Items in the order of the published list; what an item holds is read when it is taken."""

    name: str
    split: str
    folder: Path
    keys: tuple[str, ...]
    classes: tuple[str, ...] = ()  # names by number, where there are numbers; else the categories
    frames: str = field(default="all", kw_only=True)  # of a video: by which rule they were chosen
    _read: Callable[[str], Item] = field(kw_only=True, compare=False)

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> DataSet[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | DataSet[Item]:
        """One item, or the set of some of them."""
        if isinstance(index, slice):
            return replace(self, keys=self.keys[index])
        return self._read(self.keys[index])

    def named(self, key: str) -> Item:
        """The item of this key."""
        if key not in self.keys:
            near = difflib.get_close_matches(key, self.keys)
            hint = f" Near it: {', '.join(near)}." if near else f" They look like {', '.join(self.keys[:3])}."
            raise NotFoundError(f"{self.name} ({self.split}) has no item {key!r}.{hint}")
        return self._read(key)

    def __repr__(self) -> str:
        return f"<{self.name} {self.split}: {len(self)} items in {self.folder}>"


@dataclass(frozen=True, eq=False)
class SegmentationItem:
    """A picture and the class of each of its pixels."""

    key: str
    picture: Path
    truth: Path  # the label map as published
    classes: tuple[str, ...]
    table: NDArray[np.int64] = field(repr=False)  # published number -> class, IGNORE or FOREIGN
    meant: str = field(repr=False)  # which numbers the files hold, for an error

    ignore = IGNORE

    def image(self) -> Image.Image:
        """The picture in RGB, as stored."""
        return stored_picture(self.picture)

    def labels(self) -> NDArray[np.int64]:
        """(h, w) of numbers of `classes`, and `ignore`."""
        published = read_labels(self.truth).astype(np.int64)
        inside = published < len(self.table)
        classes = self.table[np.where(inside, published, 0)]
        foreign = published[~inside | (classes == FOREIGN)]
        if foreign.size:
            found = ", ".join(map(str, np.unique(foreign)[:5].tolist()))
            raise InputError(f"{self.truth} holds the numbers {found}; expected {self.meant}.")
        return classes

    def label_map(self) -> LabelMap:
        """The same with names."""
        return LabelMap(self.labels(), dict(enumerate(self.classes)), IGNORE)


@dataclass(frozen=True, eq=False)
class PointPair:
    """Two pictures of one category, and points of the first with their partners in the second.

    Points are (x, y) as published, where a whole number is the index of a pixel: it scales with the picture without
    an offset, and lies in the pixel [int(y), int(x)].
    """

    key: str
    category: str
    source: Path
    target: Path
    source_points: NDArray[np.float64]  # (n, 2)
    target_points: NDArray[np.float64]  # (n, 2)
    visible: NDArray[np.bool_]  # (n,) in both; the others have no place to be compared
    point_names: tuple[str, ...]
    source_box: Box | None = None  # of the thing, where the set has one
    target_box: Box | None = None

    def images(self) -> tuple[Image.Image, Image.Image]:
        """Both pictures in RGB, as stored."""
        return stored_picture(self.source), stored_picture(self.target)

    def seen(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Source and target points (m, 2) that are visible in both."""
        return self.source_points[self.visible], self.target_points[self.visible]


@dataclass(frozen=True, eq=False)
class InstanceFrame:
    """A picture and the mask of one individual in it."""

    key: str
    picture: Path
    instance: str  # the same individual, the same text; nothing else has it
    category: str
    number: int  # which of the individual's frames, from 0
    _mask: Callable[[], NDArray[np.bool_]] = field(repr=False)
    upright: bool = False  # the mask is of the picture as its EXIF turns it, not as stored

    def image(self) -> Image.Image:
        """The picture in RGB."""
        return read_picture(self.picture) if self.upright else stored_picture(self.picture)

    def mask(self) -> NDArray[np.bool_]:
        """(h, w) of the individual."""
        return self._mask()


def table_of(numbers: dict[int, int]) -> NDArray[np.int64]:
    """Published number -> class, for the numbers of 8-bit files; those not named are foreign."""
    table = np.full(256, FOREIGN, np.int64)
    table[list(numbers)] = list(numbers.values())
    return table
