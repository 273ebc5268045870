"""COCO: images/, annotations/instances.json (masks, boxes, keypoints) and annotations/captions.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from innerlight.files import rle, write_json, write_picture
from innerlight.world import truth
from innerlight.world.captions import caption
from innerlight.world.draw import Render
from innerlight.world.exports._canvas import draw
from innerlight.world.things import CATEGORIES

CAPTIONS = 3


def write_entry(folder: Path, seed: int, size: tuple[int, int]) -> dict[str, Any]:
    """One picture; its annotations are returned."""
    drawn = draw(seed, size)
    file = Path("images") / f"{seed:012d}.png"
    write_picture(drawn.picture, folder / file)
    return {
        "files": [file.as_posix()],
        "objects": _objects(drawn),
        "captions": [caption(drawn.scene, variant=variant).text for variant in range(CAPTIONS)],
        "size": list(size),
    }


def finish(folder: Path, entries: Mapping[int, Mapping[str, Any]]) -> None:
    """Both annotation files."""
    images = [
        {"id": seed, "file_name": f"{seed:012d}.png", "height": e["size"][0], "width": e["size"][1]}
        for seed, e in entries.items()
    ]
    objects = [{"image_id": seed, **o} for seed, e in entries.items() for o in e["objects"]]
    captions = [{"image_id": seed, "caption": text} for seed, e in entries.items() for text in e["captions"]]
    info = {"description": "the world of innerlight", "version": "1"}
    for name, listed in (("instances", objects), ("captions", captions)):
        numbered = [{"id": number, **a} for number, a in enumerate(listed, start=1)]
        index = {"info": info, "licenses": [], "images": images, "annotations": numbered}
        if name == "instances":
            index["categories"] = _categories()
        write_json(index, folder / "annotations" / f"{name}.json")


def _categories() -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "name": name,
            "supercategory": CATEGORIES[name].kind,
            "keypoints": list(truth.keypoint_names(name)),
            "skeleton": [],
        }
        for number, name in truth.category_names().items()
        if number
    ]


def _objects(drawn: Render) -> list[dict[str, Any]]:
    numbers = {name: number for number, name in truth.category_names().items()}
    seen, points = truth.instances(drawn), truth.keypoints(drawn)
    objects = []
    for number, placed in enumerate(drawn.placed):
        mask = seen == number + 1
        if not mask.any():
            continue
        counts = rle.encode(mask)
        category = placed.thing.look.category
        named = [points[number][name] for name in truth.keypoint_names(category)]
        objects.append(
            {
                "category_id": numbers[category],
                "segmentation": {"size": counts["size"], "counts": rle.compress(counts["counts"])},
                "area": int(mask.sum()),
                "bbox": list(rle.box(counts)),
                "iscrowd": 0,
                # v: 1 there but hidden, 2 seen
                "keypoints": [v for k in named for v in (round(k.x, 2), round(k.y, 2), 2 if k.visible else 1)],
                "num_keypoints": len(named),
            }
        )
    return objects
