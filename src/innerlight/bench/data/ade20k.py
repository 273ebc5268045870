"""ADE20K-150 (Zhou et al. 2017, arXiv:1608.05442), the release of the scene parsing challenge 2016.

Label maps are 8-bit PNG: 1..150 are the classes in the order of objectInfo150.txt, 0 is everything else and ignored.
Names are the first of each row there.
"""

from __future__ import annotations

from pathlib import Path

from innerlight.bench.data._reading import Layout
from innerlight.bench.data.items import IGNORE, DataSet, SegmentationItem, table_of
from innerlight.types import InputError

ADE20K_150 = (
    "wall", "building", "sky", "floor", "tree", "ceiling", "road", "bed", "windowpane", "grass", "cabinet", "sidewalk",
    "person", "earth", "door", "table", "mountain", "plant", "curtain", "chair", "car", "water", "painting", "sofa",
    "shelf", "house", "sea", "mirror", "rug", "field", "armchair", "seat", "fence", "desk", "rock", "wardrobe", "lamp",
    "bathtub", "railing", "cushion", "base", "box", "column", "signboard", "chest of drawers", "counter", "sand",
    "sink", "skyscraper", "fireplace", "refrigerator", "grandstand", "path", "stairs", "runway", "case", "pool table",
    "pillow", "screen door", "stairway", "river", "bridge", "bookcase", "blind", "coffee table", "toilet", "flower",
    "book", "hill", "bench", "countertop", "stove", "palm", "kitchen island", "computer", "swivel chair", "boat", "bar",
    "arcade machine", "hovel", "bus", "towel", "light", "truck", "tower", "chandelier", "awning", "streetlight",
    "booth", "television receiver", "airplane", "dirt track", "apparel", "pole", "land", "bannister", "escalator",
    "ottoman", "bottle", "buffet", "poster", "stage", "van", "ship", "fountain", "conveyer belt", "canopy", "washer",
    "plaything", "swimming pool", "stool", "barrel", "basket", "waterfall", "tent", "bag", "minibike", "cradle", "oven",
    "ball", "food", "step", "tank", "trade name", "microwave", "pot", "animal", "bicycle", "lake", "dishwasher",
    "screen", "blanket", "sculpture", "hood", "sconce", "vase", "traffic light", "tray", "ashcan", "fan", "pier",
    "crt screen", "plate", "monitor", "bulletin board", "shower", "radiator", "glass", "clock", "flag",
)  # fmt: skip
SPLITS = {"train": "training", "val": "validation"}

_TABLE = table_of({0: IGNORE} | {number: number - 1 for number in range(1, 151)})
_LAYOUT = Layout(
    "ADE20K-150",
    """
images/validation/ADE_val_00000001.jpg ...          (in ADEChallengeData2016/, or here)
annotations/validation/ADE_val_00000001.png ...
""",
)


def open_ade20k(folder: Path | str, split: str = "val") -> DataSet[SegmentationItem]:
    """All pictures of a split."""
    if split not in SPLITS:
        raise InputError(f"ADE20K has the splits {', '.join(SPLITS)}; got {split!r}.")
    root = _LAYOUT.root(folder, "ADEChallengeData2016")
    pictures = _LAYOUT.find_folder(root, f"images/{SPLITS[split]}")
    truths = _LAYOUT.find_folder(root, f"annotations/{SPLITS[split]}")
    keys = _LAYOUT.keys(pictures, ".jpg", truths, ".png")

    def read(key: str) -> SegmentationItem:
        picture, truth = _LAYOUT.find(pictures, f"{key}.jpg"), _LAYOUT.find(truths, f"{key}.png")
        return SegmentationItem(key, picture, truth, ADE20K_150, _TABLE, "0..150, of the scene parsing release")

    return DataSet("ADE20K-150", split, root, tuple(keys), ADE20K_150, _read=read)
