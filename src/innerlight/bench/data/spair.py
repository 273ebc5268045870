"""SPair-71k (Min et al. 2019, arXiv:1908.10543): pairs of pictures of 18 categories with their common keypoints.

A pair is a JSON file with src_imname, trg_imname, src_kps, trg_kps (lists of [x, y] of the points seen in both),
kps_ids, src_bndbox, trg_bndbox ([left, top, right, bottom]) and category. Its name stands in Layout/large/SPLIT.txt.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from innerlight.bench.data._reading import Layout, list_field, numbers_field, plain_name, read_lines, text_field
from innerlight.bench.data.items import Box, DataSet, PointPair
from innerlight.files import read_json
from innerlight.types import InputError

SPAIR_18 = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dog", "horse", "motorbike",
    "person", "pottedplant", "sheep", "train", "tvmonitor",
)  # fmt: skip
SPLITS = ("trn", "val", "test")
SIZES = ("large", "small")

_LAYOUT = Layout(
    "SPair-71k",
    """
JPEGImages/aeroplane/2008_000033.jpg ...                               (in SPair-71k/, or here)
PairAnnotation/test/000001-2008_002719-2008_004100:aeroplane.json ...
Layout/large/test.txt                                                  (names of pairs; also small/, trn, val)
""",
)


def open_spair(
    folder: Path | str, split: str = "test", *, size: str = "large", category: str | None = None
) -> DataSet[PointPair]:
    """The pairs of a split in the order of its list; of one category, if it is named."""
    if split not in SPLITS or size not in SIZES:
        raise InputError(
            f"SPair-71k has the splits {', '.join(SPLITS)} and the sizes {', '.join(SIZES)}; got {split!r}, {size!r}."
        )
    root = _LAYOUT.root(folder, "SPair-71k")
    pictures, pairs = _LAYOUT.find_folder(root, "JPEGImages"), _LAYOUT.find_folder(root, f"PairAnnotation/{split}")
    listed = _LAYOUT.find(root, f"Layout/{size}/{split}.txt")
    keys = [plain_name(line, str(listed)) for line in read_lines(listed)]
    categories = {key: key.rpartition(":")[2] for key in keys}  # 000001-2008_002719-2008_004100:aeroplane
    if category is not None:
        if category not in categories.values():
            raise InputError(
                f"{listed} has no pair of {category!r}; it has {', '.join(sorted({*categories.values()}))}."
            )
        keys = [key for key in keys if categories[key] == category]
    names = SPAIR_18 if {*categories.values()} <= {*SPAIR_18} else tuple(sorted({*categories.values()}))

    def read(key: str) -> PointPair:
        return _pair(key, pictures, _LAYOUT.find(pairs, f"{key}.json"))

    return DataSet("SPair-71k", f"{split}, {size}", root, tuple(keys), names, _read=read)


def _pair(key: str, pictures: Path, path: Path) -> PointPair:
    pair, where = read_json(path), str(path)
    category = plain_name(text_field(pair, "category", where), where)
    source, target = (
        _LAYOUT.find(pictures, f"{category}/{plain_name(text_field(pair, name, where), where)}")
        for name in ("src_imname", "trg_imname")
    )
    source_points, target_points = (numbers_field(pair, name, 2, where) for name in ("src_kps", "trg_kps"))
    names = [str(name) for name in list_field(pair, "kps_ids", where)]
    if not len(source_points) == len(target_points) == len(names):
        raise InputError(
            f"{where}: {len(source_points)} points in src_kps, {len(target_points)} in trg_kps, {len(names)} in "
            "kps_ids; expected as many in each."
        )
    return PointPair(
        key, category, source, target, source_points, target_points, np.ones(len(names), bool), tuple(names),
        _box(pair, "src_bndbox", where), _box(pair, "trg_bndbox", where),
    )  # fmt: skip


def _box(pair: object, name: str, where: str) -> Box:
    box = numbers_field(pair, name, None, where)
    if len(box) != 4 or box[2] <= box[0] or box[3] <= box[1]:
        raise InputError(f"{where}: {name!r} should be [left, top, right, bottom], got {box.tolist()}.")
    left, top, right, bottom = box.tolist()
    return left, top, right, bottom
