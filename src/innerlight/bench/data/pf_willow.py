"""PF-Willow (Ham et al. 2016, arXiv:1511.05065): 900 pairs of pictures of ten kinds, with ten points each.

The list of pairs is test_pairs_pf.csv (Rocco et al. 2017), a heading and then 42 columns: both pictures, and the
points as XA1..XA10, YA1..YA10, XB1..XB10, YB1..YB10. There are no boxes: the size of a thing is that of its points.
"""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

import numpy as np

from innerlight.bench.data._reading import Layout, plain_name, read_lines, value_of
from innerlight.bench.data.items import DataSet, PointPair
from innerlight.types import InputError

POINTS = 10
_ABSENT = -1.0  # both coordinates, where lists are padded
_COLUMNS = tuple(f"{axis}{side}{k}" for side in "AB" for axis in "XY" for k in range(1, POINTS + 1))
_LAYOUT = Layout(
    "PF-Willow",
    """
car(S)/02.png ...                 (in PF-dataset/, in PF-WILLOW/, or here)
test_pairs_pf.csv                 (imageA,imageB,XA1,...,XA10,YA1,...,YB10; or test_pairs.csv; in either folder)
""",
)
_LISTS = ("test_pairs_pf.csv", "test_pairs.csv")


def open_pf_willow(folder: Path | str, split: str = "test") -> DataSet[PointPair]:
    """All pairs, in the order of the list; there is no other split."""
    if split != "test":
        raise InputError(f"PF-Willow is for testing only; got the split {split!r}.")
    root = _LAYOUT.root(folder, "PF-dataset", "PF-WILLOW")
    above = root if any((root / name).exists() for name in _LISTS) else Path(folder)
    path = _LAYOUT.find(above, *_LISTS)
    rows = _rows(path)
    pairs = {f"{number:03d}-{_stem(row[0])}-{_stem(row[1])}": row for number, row in enumerate(rows)}
    kinds = tuple(sorted({PurePosixPath(row[0]).parent.name for row in rows}))
    places = {key: number for number, key in enumerate(pairs)}

    def read(key: str) -> PointPair:
        row = pairs[key]
        where = f"{path}, pair {places[key] + 1}"
        numbers = np.array([value_of(cell, float, where) for cell in row[2:]], np.float64)
        points = numbers.reshape(2, 2, POINTS).transpose(0, 2, 1)  # (picture, point, x and y)
        absent = (points == _ABSENT).all(2).any(0)
        source, target = (_LAYOUT.find(root, plain_name(_inner(cell), where)) for cell in row[:2])
        names = tuple(str(k) for k in range(1, POINTS + 1))
        return PointPair(key, source.parent.name, source, target, points[0], points[1], ~absent, names)

    return DataSet("PF-Willow", split, root, tuple(pairs), kinds, _read=read)


def _rows(path: Path) -> list[list[str]]:
    """The cells of all pairs; the heading is checked where it names the points."""
    try:
        rows = list(csv.reader(read_lines(path), strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is no table with commas ({error}); fetch it again.") from error
    heading, body = tuple(name.strip().upper() for name in rows[0][2:]), rows[1:]
    if {*heading} == {*_COLUMNS} and heading != _COLUMNS:
        raise InputError(f"{path} has its columns in another order; expected {', '.join(_COLUMNS[:3])}, ...")
    for number, row in enumerate(body, start=2):
        if len(row) != 2 + len(_COLUMNS):
            raise InputError(f"{path}, line {number}: expected {2 + len(_COLUMNS)} columns, got {len(row)}.")
    if not body:
        raise InputError(f"{path} has a heading and no pair; fetch it again.")
    return body


def _inner(cell: str) -> str:
    """The place of a picture in the root; lists start it with the root's own name."""
    return cell.strip().removeprefix("PF-dataset/").removeprefix("PF-WILLOW/")


def _stem(cell: str) -> str:
    place = PurePosixPath(_inner(cell))
    return f"{place.parent.name}_{place.stem}"
