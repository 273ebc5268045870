"""Pascal VOC (Everingham et al. 2010) and Pascal Context (Mottaghi et al. 2014): one devkit folder.

VOC: SegmentationClass holds indexed PNG, 0 background, 1..20 classes, 255 ignored (the edges of things).
Context: SegmentationClassContext holds the PNG that mmsegmentation's converter writes from trainval_merged.json of
the Detail interface: 0 background, 1..59 the frequent classes by their numbers among all 459, which follow the
alphabet. With 60 classes the background is class 0; with 59 it is ignored and every number is one less. (The list of
names in older mmsegmentation puts VOC's twenty first, which is not the order of these files.)
"""

from __future__ import annotations

from pathlib import Path

from numpy.typing import NDArray

from innerlight.bench.data._reading import Layout, plain_name, read_lines
from innerlight.bench.data.items import IGNORE, DataSet, SegmentationItem, table_of
from innerlight.types import InputError

PASCAL_VOC_21 = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
PASCAL_CONTEXT_60 = (
    "background", "aeroplane", "bag", "bed", "bedclothes", "bench", "bicycle", "bird", "boat", "book", "bottle",
    "building", "bus", "cabinet", "car", "cat", "ceiling", "chair", "cloth", "computer", "cow", "cup", "curtain", "dog",
    "door", "fence", "floor", "flower", "food", "grass", "ground", "horse", "keyboard", "light", "motorbike",
    "mountain", "mouse", "person", "plate", "platform", "pottedplant", "road", "rock", "sheep", "shelves", "sidewalk",
    "sign", "sky", "snow", "sofa", "table", "track", "train", "tree", "truck", "tvmonitor", "wall", "water", "window",
    "wood",
)  # fmt: skip
PASCAL_CONTEXT_59 = PASCAL_CONTEXT_60[1:]

_VOC_SPLITS = ("train", "val", "trainval")
_CONTEXT_SPLITS = ("train", "val")
_VOC = Layout(
    "Pascal VOC",
    """
JPEGImages/2007_000033.jpg ...               (in VOCdevkit/VOC2012/, in VOC2012/, or here)
SegmentationClass/2007_000033.png ...
ImageSets/Segmentation/val.txt               (one name a line; also train.txt, trainval.txt)
""",
)
_CONTEXT = Layout(
    "Pascal Context",
    """
JPEGImages/2008_000002.jpg ...               (in VOCdevkit/VOC2010/, in VOC2010/, or here)
SegmentationClassContext/2008_000002.png ... (as mmsegmentation's converter writes them)
ImageSets/SegmentationContext/val.txt        (one name a line; also train.txt)
""",
)


def open_pascal_voc(folder: Path | str, split: str = "val", *, year: int = 2012) -> DataSet[SegmentationItem]:
    """The pictures of a list of VOC's segmentation task, with 21 classes."""
    if split not in _VOC_SPLITS:
        raise InputError(f"Pascal VOC has the splits {', '.join(_VOC_SPLITS)}; got {split!r}.")
    root = _VOC.root(folder, f"VOCdevkit/VOC{year}", f"VOC{year}")
    table = table_of({IGNORE: IGNORE} | {number: number for number in range(21)})
    return _opened(
        _VOC, root, f"Pascal VOC {year}", split, "Segmentation", "SegmentationClass", PASCAL_VOC_21, table,
        "0..20, or 255 where nothing counts",
    )  # fmt: skip


def open_pascal_context(folder: Path | str, split: str = "val", *, classes: int = 59) -> DataSet[SegmentationItem]:
    """The pictures of a list of Pascal Context, with 59 classes or, the background being one, 60."""
    if split not in _CONTEXT_SPLITS:
        raise InputError(f"Pascal Context has the splits {', '.join(_CONTEXT_SPLITS)}; got {split!r}.")
    if classes not in (59, 60):
        raise InputError(f"Pascal Context has 59 classes, or 60 with the background; got classes={classes!r}.")
    root = _CONTEXT.root(folder, "VOCdevkit/VOC2010", "VOC2010")
    ground = {0: 0 if classes == 60 else IGNORE, IGNORE: IGNORE}
    table = table_of(ground | {number: number - (60 - classes) for number in range(1, 60)})
    names = PASCAL_CONTEXT_60 if classes == 60 else PASCAL_CONTEXT_59
    return _opened(
        _CONTEXT, root, f"Pascal Context-{classes}", split, "SegmentationContext", "SegmentationClassContext", names,
        table, "0..59, as mmsegmentation's converter writes them, or 255 where nothing counts",
    )  # fmt: skip


def _opened(
    layout: Layout, root: Path, name: str, split: str, task: str, labels: str, classes: tuple[str, ...],
    table: NDArray, meant: str,
) -> DataSet[SegmentationItem]:  # fmt: skip
    pictures, truths = layout.find_folder(root, "JPEGImages"), layout.find_folder(root, labels)
    listed = layout.find(root, f"ImageSets/{task}/{split}.txt")
    keys = [plain_name(line, str(listed)) for line in read_lines(listed)]

    def read(key: str) -> SegmentationItem:
        picture, truth = layout.find(pictures, f"{key}.jpg"), layout.find(truths, f"{key}.png")
        return SegmentationItem(key, picture, truth, classes, table, meant)

    return DataSet(name, split, root, tuple(keys), classes, _read=read)
