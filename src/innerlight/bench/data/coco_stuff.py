"""COCO-Stuff-27 (Caesar et al. 2018, arXiv:1612.03716): 171 things and stuffs in 27 coarse classes.

The coarse classes are the supercategories of COCO's things (12) and of COCO-Stuff's hierarchy (15), in the order of
IIC, PiCIE and STEGO. Label maps are those of stuffthingmaps_trainval2017: 8-bit PNG, 0..181 for the 182 numbers of
COCO (0-based; some are never used), 255 unlabelled.
"""

from __future__ import annotations

from pathlib import Path

from innerlight.bench.data._reading import Layout, plain_name, read_lines
from innerlight.bench.data.items import IGNORE, DataSet, SegmentationItem, table_of
from innerlight.types import InputError

# Class -> its 0-based numbers in stuffthingmaps. Things are 0..90, stuff 91..181.
_COARSE: dict[str, tuple[int, ...]] = {
    "electronic": (*range(71, 77),),
    "appliance": (*range(77, 83),),
    "food": (*range(51, 61),),
    "furniture": (*range(61, 71),),
    "indoor": (*range(83, 91),),
    "kitchen": (*range(43, 51),),
    "accessory": (*range(25, 33),),
    "animal": (*range(15, 25),),
    "outdoor": (*range(9, 15),),
    "person": (0,),
    "sports": (*range(33, 43),),
    "vehicle": (*range(1, 9),),
    "ceiling (stuff)": (101, 102),
    "floor (stuff)": (100, 113, 114, 115, 116, 117),
    "food (stuff)": (120, 121, 152, 169),
    "furniture (stuff)": (97, 106, 107, 109, 111, 122, 129, 132, 155, 160, 164),
    "raw material (stuff)": (99, 131, 138, 142),
    "textile (stuff)": (91, 92, 103, 104, 108, 130, 136, 140, 151, 166, 167),
    "wall (stuff)": (*range(170, 177),),
    "window (stuff)": (179, 180),
    "building (stuff)": (94, 95, 127, 150, 157, 165),
    "ground (stuff)": (110, 124, 125, 135, 139, 143, 144, 146, 148, 153, 158),
    "plant (stuff)": (93, 96, 118, 123, 128, 133, 141, 162, 168),
    "sky (stuff)": (105, 156),
    "solid (stuff)": (126, 134, 149, 159, 161, 181),
    "structural (stuff)": (98, 112, 137, 145, 163),
    "water (stuff)": (119, 147, 154, 177, 178),
}
COCO_STUFF_27 = tuple(_COARSE)
_TABLE = table_of({IGNORE: IGNORE} | {fine: coarse for coarse, fines in enumerate(_COARSE.values()) for fine in fines})
_LAYOUT = Layout(
    "COCO-Stuff",
    """
images/val2017/000000000139.jpg ...          (or val2017/)
annotations/val2017/000000000139.png ...     (or stuffthingmaps/val2017/, annotation_val2017/)
curated/val2017/Coco164kFull_Stuff_Coarse_7.txt   (PiCIE's list; without it all pictures are taken)
""",
)
_CURATED = "Coco164kFull_Stuff_Coarse_7.txt"
SPLITS = ("train", "val")


def open_coco_stuff(
    folder: Path | str, split: str = "val", *, curated: bool | None = None
) -> DataSet[SegmentationItem]:
    """The pictures of COCO 2017 with 27 classes.

    `curated`: only those of PiCIE's list (2175 of val2017), which it and all after it score on; left out, the list is
    followed if it lies in the folder. `split` of what is returned says which: "val, curated" or "val, all".
    """
    if split not in SPLITS:
        raise InputError(f"COCO-Stuff has the splits {', '.join(SPLITS)}; got {split!r}.")
    root, year = _LAYOUT.root(folder), f"{split}2017"
    pictures = _LAYOUT.find_folder(root, f"images/{year}", year)
    truths = _LAYOUT.find_folder(root, f"annotations/{year}", f"stuffthingmaps/{year}", f"annotation_{year}")
    listed = [root / "curated" / year / _CURATED, root / _CURATED]
    found = next((path for path in listed if path.exists()), None)
    if curated and found is None:
        raise _LAYOUT.missing(listed[0])
    if found is not None and curated is not False:
        keys = [plain_name(line, str(found)) for line in read_lines(found)]
    else:
        found, keys = None, _LAYOUT.keys(pictures, ".jpg", truths, ".png")

    def read(key: str) -> SegmentationItem:
        picture, truth = _LAYOUT.find(pictures, f"{key}.jpg"), _LAYOUT.find(truths, f"{key}.png")
        return SegmentationItem(key, picture, truth, COCO_STUFF_27, _TABLE, "0..181, or 255 where nothing is labelled")

    return DataSet(
        "COCO-Stuff-27", f"{split}, {'curated' if found else 'all'}", root, tuple(keys), COCO_STUFF_27, _read=read
    )
