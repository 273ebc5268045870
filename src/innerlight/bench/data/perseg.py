"""PerSeg (Zhang et al. 2023, arXiv:2305.03048): 40 objects, five to seven pictures of each; 00 is the reference.

A mask is a PNG in colours: what is not black is the object.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from innerlight.bench.data._reading import Layout
from innerlight.bench.data.items import DataSet, InstanceFrame
from innerlight.files import read_picture
from innerlight.types import InputError

_LAYOUT = Layout(
    "PerSeg",
    """
Images/backpack/00.jpg  01.jpg ...           (in data/, or here)
Annotations/backpack/00.png  01.png ...
""",
)


def open_perseg(folder: Path | str, split: str = "all") -> DataSet[InstanceFrame]:
    """All pictures, object by object, the reference first; there are no splits."""
    if split != "all":
        raise InputError(f"PerSeg has no splits; leave split out (got {split!r}).")
    root = _LAYOUT.root(folder, "data")
    pictures, truths = _LAYOUT.find_folder(root, "Images"), _LAYOUT.find_folder(root, "Annotations")
    objects = sorted({*_LAYOUT.folders(pictures), *_LAYOUT.folders(truths)})
    places: dict[str, tuple[str, int]] = {}
    for name in objects:
        stems = _LAYOUT.keys(pictures / name, ".jpg", truths / name, ".png")
        if stems[0] != "00":
            raise _LAYOUT.missing(pictures / name / "00.jpg")
        places |= {f"{name}/{stem}": (name, number) for number, stem in enumerate(stems)}

    def read(key: str) -> InstanceFrame:
        name, number = places[key]
        picture, truth = _LAYOUT.find(pictures, f"{key}.jpg"), _LAYOUT.find(truths, f"{key}.png")
        return InstanceFrame(key, picture, name, _spoken(name), number, partial(_mask, truth), upright=True)

    return DataSet("PerSeg", split, root, tuple(places), tuple(objects), _read=read)


def _mask(path: Path) -> NDArray[np.bool_]:
    """What is not black; what is transparent counts as black."""
    return (np.asarray(read_picture(path, background=(0, 0, 0))) > 0).max(2)


def _spoken(name: str) -> str:
    """ "robot_toy" as "robot toy", "cat2" as "cat"."""
    return re.sub(r"\d+$", "", name).replace("_", " ").strip() or name
