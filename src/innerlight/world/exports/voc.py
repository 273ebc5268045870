"""Pascal VOC: VOCdevkit/VOC2012 with JPEGImages, SegmentationClass, SegmentationObject, Annotations, ImageSets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from innerlight.files import write_labels, write_picture, write_text
from innerlight.world import truth
from innerlight.world.draw import Render
from innerlight.world.exports._canvas import draw, split_of, whole_box

ROOT = Path("VOCdevkit") / "VOC2012"
KINDS = ("Class", "Object")
SPLITS = {"train": ("train",), "val": ("val",), "trainval": ("train", "val")}


def write_entry(folder: Path, seed: int, size: tuple[int, int]) -> dict[str, Any]:
    """One picture with both label maps and its boxes."""
    drawn = draw(seed, size)
    name = f"{seed:06d}"
    files = [ROOT / "JPEGImages" / f"{name}.jpg", *(ROOT / f"Segmentation{kind}" / f"{name}.png" for kind in KINDS)]
    write_picture(drawn.picture, folder / files[0])
    write_labels(truth.semantic(drawn).labels, folder / files[1])
    write_labels(truth.instances(drawn), folder / files[2])
    files.append(ROOT / "Annotations" / f"{name}.xml")
    write_text(_annotation(drawn, name), folder / files[3])
    split = "train" if split_of(seed) == "trn" else "val"
    return {"files": [file.as_posix() for file in files], "name": name, "split": split}


def finish(folder: Path, entries: Mapping[int, Mapping[str, Any]]) -> None:
    """The lists of names, and the classes' names by number."""
    root = folder / ROOT
    for split, members in SPLITS.items():
        names = [e["name"] for e in entries.values() if e["split"] in members]
        for task in ("Segmentation", "Main"):
            write_text("".join(f"{name}\n" for name in names), root / "ImageSets" / task / f"{split}.txt")
    write_text("".join(f"{name}\n" for name in truth.category_names().values()), root / "classes.txt")


def _annotation(drawn: Render, name: str) -> str:
    height, width, depth = drawn.picture.shape
    root = ElementTree.Element("annotation")
    _add(root, "folder", "VOC2012")
    _add(root, "filename", f"{name}.jpg")
    size = ElementTree.SubElement(root, "size")
    for key, value in (("width", width), ("height", height), ("depth", depth)):
        _add(size, key, value)
    _add(root, "segmented", 1)
    for placed, box in zip(drawn.placed, truth.boxes(drawn), strict=True):
        if box is None:
            continue
        item = ElementTree.SubElement(root, "object")
        _add(item, "name", placed.thing.look.category)
        for key, value in (("pose", "Unspecified"), ("truncated", 0), ("difficult", 0)):
            _add(item, key, value)
        left, top, right, bottom = whole_box(box)
        corners = ElementTree.SubElement(item, "bndbox")  # VOC counts pixels from 1, both ends included
        for key, value in (("xmin", left + 1), ("ymin", top + 1), ("xmax", right), ("ymax", bottom)):
            _add(corners, key, value)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent: ElementTree.Element, key: str, value: object) -> None:
    ElementTree.SubElement(parent, key).text = str(value)
