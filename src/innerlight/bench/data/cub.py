"""CUB-200-2011 (Wah et al. 2011): birds of 200 species with 15 parts; pairs within a species.

Read are images.txt (id, path), image_class_labels.txt (id, class), classes.txt (class, name), train_test_split.txt
(id, 1 for training), bounding_boxes.txt (id, x, y, width, height), parts/parts.txt (part, name) and
parts/part_locs.txt (id, part, x, y, 1 if visible).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from innerlight.bench.data._reading import Kind, Layout, plain_name, read_rows
from innerlight.bench.data.items import Box, DataSet, PointPair
from innerlight.types import InputError

SPLITS = {"train": 1, "test": 0}
_LAYOUT = Layout(
    "CUB-200-2011",
    """
images/001.Black_footed_Albatross/Black_Footed_Albatross_0001_796111.jpg ...     (in CUB_200_2011/, or here)
images.txt  image_class_labels.txt  classes.txt  train_test_split.txt  bounding_boxes.txt
parts/parts.txt  parts/part_locs.txt
""",
)


@dataclass(frozen=True)
class _Bird:
    path: str
    species: int
    box: Box
    points: NDArray[np.float64]  # (parts, 2)
    visible: NDArray[np.bool_]  # (parts,)


def open_cub(folder: Path | str, split: str = "test", *, species: int | None = 3) -> DataSet[PointPair]:
    """Every two birds of a species once, the one with the lower number as source, of the first `species` (None: all).

    Three, of the test split, are what correspondence is scored on (Hedlin et al. 2023).
    """
    if split not in SPLITS:
        raise InputError(f"CUB has the splits {', '.join(SPLITS)}; got {split!r}.")
    if species is not None and (isinstance(species, bool) or not isinstance(species, int) or species < 1):
        raise InputError(f"species is how many of the first ones, from 1 on, or None for all; got {species!r}.")
    root = _LAYOUT.root(folder, "CUB_200_2011")
    pictures = _LAYOUT.find_folder(root, "images")
    names = {number: str(name) for number, (name,) in _table(root, "classes.txt", str).items()}
    wanted = {*sorted(names)[:species]}
    parts = {number: str(name) for number, (name,) in _table(root, "parts/parts.txt", str).items()}
    birds = _birds(root, parts, wanted, SPLITS[split])
    pairs = {
        f"{one}-{other}": (birds[one], birds[other])
        for one, other in combinations(birds, 2)
        if birds[one].species == birds[other].species
    }
    if not pairs:
        raise _LAYOUT.wrong(f"{root} has no two birds of one of the species {sorted(wanted)} in the {split} split.")

    def read(key: str) -> PointPair:
        one, other = pairs[key]
        source, target = (_LAYOUT.find(pictures, bird.path) for bird in (one, other))
        return PointPair(
            key, _spoken(names[one.species]), source, target, one.points, other.points, one.visible & other.visible,
            tuple(parts.values()), one.box, other.box,
        )  # fmt: skip

    kinds = tuple(_spoken(names[number]) for number in sorted(wanted))
    return DataSet("CUB-200-2011", f"{split}, {len(wanted)} species", root, tuple(pairs), kinds, _read=read)


def _birds(root: Path, parts: Mapping[int, str], wanted: set[int], chosen: int) -> dict[int, _Bird]:
    """The birds of a split by number, of the wanted species."""
    paths, species = _table(root, "images.txt", str), _table(root, "image_class_labels.txt", int)
    training, boxes = _table(root, "train_test_split.txt", int), _table(root, "bounding_boxes.txt", *[float] * 4)
    for name, table in (("image_class_labels", species), ("train_test_split", training), ("bounding_boxes", boxes)):
        lost = sorted(paths.keys() - table.keys())
        if lost:
            raise _LAYOUT.wrong(f"{root / name}.txt has no line for picture {lost[0]} of images.txt.")
    kept = [k for k in sorted(paths) if training[k][0] == chosen and species[k][0] in wanted]
    points = {k: np.zeros((len(parts), 3)) for k in kept}
    places = {number: place for place, number in enumerate(parts)}
    located = _LAYOUT.find(root, "parts/part_locs.txt")
    for bird, part, x, y, visible in read_rows(located, int, int, float, float, int):
        if part not in places:
            raise InputError(f"{located} speaks of part {part}, which parts.txt does not have.")
        if bird in points:
            points[int(bird)][places[int(part)]] = x, y, visible
    return {
        k: _Bird(
            plain_name(paths[k][0], str(root / "images.txt")), species[k][0], _corners(boxes[k]), points[k][:, :2],
            points[k][:, 2] == 1,
        )
        for k in kept
    }  # fmt: skip


def _table(root: Path, name: str, *kinds: Kind) -> dict[int, tuple[Any, ...]]:
    """Rows by the number they start with, in the order of the file."""
    return {int(row[0]): row[1:] for row in read_rows(_LAYOUT.find(root, name), int, *kinds)}


def _corners(box: tuple[float, float, float, float]) -> Box:
    x, y, width, height = box
    return x, y, x + width, y + height


def _spoken(name: str) -> str:
    """ "001.Black_footed_Albatross" as "Black footed Albatross"."""
    return name.partition(".")[2].replace("_", " ") or name
