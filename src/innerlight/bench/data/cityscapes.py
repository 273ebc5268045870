"""Cityscapes (Cordts et al. 2016, arXiv:1604.01685) with 27 classes, as unsupervised segmentation is scored on it.

Label maps are gtFine's *_labelIds.png: 8-bit, 0..33. The numbers 7..33 are the classes 0..26; 0..6 (unlabelled, ego
vehicle, borders, static, dynamic, ground) are ignored.
"""

from __future__ import annotations

from pathlib import Path

from innerlight.bench.data._reading import Layout
from innerlight.bench.data.items import IGNORE, DataSet, SegmentationItem, table_of
from innerlight.types import InputError

CITYSCAPES_27 = (
    "road", "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole",
    "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck",
    "bus", "caravan", "trailer", "train", "motorcycle", "bicycle",
)  # fmt: skip
SPLITS = ("train", "val")  # the labels of test are not published

_FIRST = 7
_TABLE = table_of({number: IGNORE if number < _FIRST else number - _FIRST for number in range(34)})
_PICTURE, _TRUTH = "_leftImg8bit.png", "_gtFine_labelIds.png"
_LAYOUT = Layout(
    "Cityscapes",
    """
leftImg8bit/val/frankfurt/frankfurt_000000_000294_leftImg8bit.png ...
gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png ...
""",
)


def open_cityscapes(folder: Path | str, split: str = "val") -> DataSet[SegmentationItem]:
    """All pictures of a split, city by city."""
    if split not in SPLITS:
        raise InputError(f"Cityscapes has labels for the splits {', '.join(SPLITS)}; got {split!r}.")
    root = _LAYOUT.root(folder)
    pictures = _LAYOUT.find_folder(root, f"leftImg8bit/{split}")
    truths = _LAYOUT.find_folder(root, f"gtFine/{split}", f"annotations/gtFine/{split}")
    keys = [
        f"{city}/{name}"
        for city in sorted({*_LAYOUT.folders(pictures), *_LAYOUT.folders(truths)})
        for name in _LAYOUT.keys(pictures / city, _PICTURE, truths / city, _TRUTH)
    ]

    def read(key: str) -> SegmentationItem:
        picture, truth = _LAYOUT.find(pictures, f"{key}{_PICTURE}"), _LAYOUT.find(truths, f"{key}{_TRUTH}")
        return SegmentationItem(
            key, picture, truth, CITYSCAPES_27, _TABLE, "labelIds 0..33 (labelTrainIds and instanceIds are other files)"
        )

    return DataSet("Cityscapes-27", split, root, tuple(keys), CITYSCAPES_27, _read=read)
