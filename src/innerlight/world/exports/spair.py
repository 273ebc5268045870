"""SPair-71k: pairs of pictures of one category with their common keypoints, by the published folders and fields."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from innerlight.files import write_json, write_labels, write_picture, write_text
from innerlight.world import truth
from innerlight.world._dice import Dice
from innerlight.world.draw import Render
from innerlight.world.exports._canvas import draw, split_of, whole_box
from innerlight.world.things import CATEGORIES


def write_entry(folder: Path, seed: int, size: tuple[int, int]) -> dict[str, Any]:
    """One pair: two pictures, their annotations, and the annotation of the pair."""
    category = Dice("spair", seed).pick(sorted(CATEGORIES))
    names = [f"{seed:06d}_{side}" for side in "ab"]
    drawn = [draw(f"spair/{seed}/{side}", size, [category]) for side in "ab"]
    files = []
    for name, one in zip(names, drawn, strict=True):
        picture, segments, annotation = (
            Path(kind) / category / f"{name}.{suffix}"
            for kind, suffix in (("JPEGImages", "jpg"), ("Segmentation", "png"), ("ImageAnnotation", "json"))
        )
        write_picture(one.picture, folder / picture)
        write_labels(truth.instances(one), folder / segments)
        write_json(_picture(one, category, name), folder / annotation)
        files += [picture, segments, annotation]
    pair, split = f"{seed:06d}-{names[0]}-{names[1]}:{category}", split_of(seed)
    files.append(Path("PairAnnotation") / split / f"{pair}.json")
    write_json(_pair(drawn[0], drawn[1], category, names, pair, seed), folder / files[-1])
    return {"files": [file.as_posix() for file in files], "pair": pair, "split": split}


def finish(folder: Path, entries: Mapping[int, Mapping[str, Any]]) -> None:
    """The lists of pairs of each split."""
    for split in ("trn", "val", "test"):
        pairs = [e["pair"] for e in entries.values() if e["split"] == split]
        write_text("".join(f"{pair}\n" for pair in pairs), folder / "Layout" / "large" / f"{split}.txt")


def _picture(drawn: Render, category: str, name: str) -> dict[str, Any]:
    height, width, depth = drawn.picture.shape
    return {
        "filename": f"{name}.jpg",
        "category": category,
        "image_height": height,
        "image_width": width,
        "image_depth": depth,
        "pose": drawn.placed[0].thing.pose,
        "mirror": int(drawn.placed[0].thing.mirrored),
        "truncated": 0,
        "occluded": 0,
        "difficult": 0,
        "bndbox": _box(drawn),
        "kps": {str(k): point for k, point in enumerate(_points(drawn, category))},
    }


def _pair(source: Render, target: Render, category: str, names: list[str], pair: str, seed: int) -> dict[str, Any]:
    points = list(zip(_points(source, category), _points(target, category), strict=True))
    common = [k for k, (one, other) in enumerate(points) if one and other]
    things = [drawn.placed[0].thing for drawn in (source, target)]
    return {
        "pair_id": seed,
        "filename": pair,
        "category": category,
        "src_imname": f"{names[0]}.jpg",
        "trg_imname": f"{names[1]}.jpg",
        "src_imsize": _size(source),
        "trg_imsize": _size(target),
        "src_bndbox": _box(source),
        "trg_bndbox": _box(target),
        "src_pose": things[0].pose,
        "trg_pose": things[1].pose,
        "src_kps": [points[k][0] for k in common],
        "trg_kps": [points[k][1] for k in common],
        "kps_ids": [str(k) for k in common],
        "mirror": int(things[0].mirrored != things[1].mirrored),
        "viewpoint_variation": int(things[0].pose != things[1].pose),
        "scale_variation": int(max(t.span for t in things) > 1.3 * min(t.span for t in things)),
        "truncation": 0,
        "occlusion": 0,
    }


def _size(drawn: Render) -> list[int]:
    height, width, depth = drawn.picture.shape
    return [width, height, depth]


def _box(drawn: Render) -> list[int]:
    box = truth.boxes(drawn)[0]
    assert box is not None  # a thing alone in its scene is seen
    return whole_box(box)


def _points(drawn: Render, category: str) -> list[list[int] | None]:
    """Whole pixels of the seen keypoints, in the category's order."""
    points = truth.keypoints(drawn)[0]
    return [
        [int(points[name].x), int(points[name].y)] if points[name].visible else None
        for name in truth.keypoint_names(category)
    ]
