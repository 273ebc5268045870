"""Data sets that the formats' own readers open, and that go on after a stop."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from innerlight.types import InputError
from innerlight.world import truth
from innerlight.world.draw import render
from innerlight.world.exports import export
from innerlight.world.exports.voc import ROOT
from innerlight.world.layout import sample


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools itself
def test_coco_opens_in_its_own_reader(tmp_path: Path):
    from pycocotools.coco import COCO

    export(tmp_path, "coco", 6, seed=3, height=96, width=128)
    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO(tmp_path / "annotations" / "instances.json")
        captions = COCO(tmp_path / "annotations" / "captions.json")
    assert len(data.imgs) == 6
    for seed in data.imgs:
        drawn = render(sample(seed, shape=(96, 128)), 96, 128)
        assert (pixels(tmp_path / "images" / data.imgs[seed]["file_name"]) == drawn.picture).all()
        annotations = data.loadAnns(data.getAnnIds(imgIds=seed))
        assert len(annotations) == len(drawn.placed)
        for number, annotation in enumerate(annotations):
            mask = data.annToMask(annotation).astype(bool)
            assert (mask == (truth.instances(drawn) == number + 1)).all()
            assert annotation["area"] == mask.sum()
            assert data.cats[annotation["category_id"]]["name"] == drawn.placed[number].thing.look.category
            assert len(annotation["keypoints"]) == 3 * len(data.cats[annotation["category_id"]]["keypoints"])
        assert len(captions.loadAnns(captions.getAnnIds(imgIds=seed))) == 3


def test_voc_has_the_folders_and_indices_of_its_readers(tmp_path: Path):
    export(tmp_path, "voc", 10, height=64, width=64)
    root = tmp_path / ROOT
    lists = {
        s: (root / "ImageSets" / "Segmentation" / f"{s}.txt").read_text().split() for s in ("train", "val", "trainval")
    }
    assert sorted(lists["train"] + lists["val"]) == lists["trainval"]
    assert len(lists["trainval"]) == 10
    for name in lists["trainval"]:
        drawn = render(sample(int(name)), 64, 64)
        classes, objects = (pixels(root / f"Segmentation{kind}" / f"{name}.png") for kind in ("Class", "Object"))
        assert (classes == truth.semantic(drawn).labels).all()
        assert (objects == truth.instances(drawn)).all()
        assert pixels(root / "JPEGImages" / f"{name}.jpg").shape == (64, 64, 3)
        found = ElementTree.parse(root / "Annotations" / f"{name}.xml").findall("object")
        boxes = [box for box in truth.boxes(drawn) if box]
        assert len(found) == len(boxes)
        for item, box in zip(found, boxes, strict=True):
            corners = [int(item.findtext(f"bndbox/{side}") or 0) for side in ("xmin", "ymin", "xmax", "ymax")]
            assert corners == [box[0] + 1, box[1] + 1, box[2], box[3]]


def test_spair_pairs_name_files_that_are_there_and_points_inside_their_boxes(tmp_path: Path):
    export(tmp_path, "spair", 10, height=96, width=96)
    names = [
        n for s in ("trn", "val", "test") for n in (tmp_path / "Layout" / "large" / f"{s}.txt").read_text().split()
    ]
    assert len(names) == 10
    for split in ("trn", "val", "test"):
        for name in (tmp_path / "Layout" / "large" / f"{split}.txt").read_text().split():
            pair = json.loads((tmp_path / "PairAnnotation" / split / f"{name}.json").read_text())
            assert pair["filename"] == name
            assert len(pair["src_kps"]) == len(pair["trg_kps"]) == len(pair["kps_ids"])
            for side in ("src", "trg"):
                picture = pixels(tmp_path / "JPEGImages" / pair["category"] / pair[f"{side}_imname"])
                assert [*picture.shape[1::-1], 3] == pair[f"{side}_imsize"]
                left, top, right, bottom = pair[f"{side}_bndbox"]
                assert all(left <= x <= right and top <= y <= bottom for x, y in pair[f"{side}_kps"])
                own = tmp_path / "ImageAnnotation" / pair["category"] / (Path(pair[f"{side}_imname"]).stem + ".json")
                points = json.loads(own.read_text())["kps"]
                assert [points[k] for k in pair["kps_ids"]] == pair[f"{side}_kps"]


def test_an_export_goes_on_where_it_stopped(tmp_path: Path):
    class StopError(Exception):
        pass

    def stop_at_third(done: int, of: int) -> None:
        if done == 3:
            raise StopError

    with pytest.raises(StopError):
        export(tmp_path / "a", "coco", 6, height=32, width=32, progress=stop_at_third)
    assert export(tmp_path / "a", "coco", 6, height=32, width=32).drawn == 3
    assert export(tmp_path / "a", "coco", 6, height=32, width=32).drawn == 0
    export(tmp_path / "b", "coco", 6, height=32, width=32)
    for file in (tmp_path / "b").rglob("*.*"):
        if file.suffix != ".jsonl":
            assert file.read_bytes() == (tmp_path / "a" / file.relative_to(tmp_path / "b")).read_bytes()


def test_what_went_missing_is_drawn_again_and_other_seeds_are_added(tmp_path: Path):
    export(tmp_path, "coco", 3, height=32, width=32)
    (tmp_path / "images" / f"{1:012d}.png").unlink()
    assert export(tmp_path, "coco", 3, height=32, width=32).drawn == 1
    done = export(tmp_path, "coco", 2, seed=10, height=32, width=32)
    assert (done.drawn, done.entries) == (2, 5)
    index = json.loads((tmp_path / "annotations" / "instances.json").read_text())
    assert {entry["file_name"] for entry in index["images"]} == {path.name for path in (tmp_path / "images").iterdir()}


def test_another_size_in_the_same_folder_is_refused(tmp_path: Path):
    export(tmp_path, "coco", 1, height=32, width=32)
    with pytest.raises(InputError, match="height is 32 there, 64 here"):
        export(tmp_path, "coco", 1, height=64, width=64)


@pytest.mark.parametrize(
    ("kind", "count", "height"), [("yolo", 1, 32), ("coco", 0, 32), ("voc", 1, 8), ("voc", 1, 9999)]
)
def test_bad_wishes_are_refused_before_anything_is_written(tmp_path: Path, kind: str, count: int, height: int):
    with pytest.raises(InputError, match="expected"):
        export(tmp_path / "x", kind, count, height=height, width=64)
    assert not (tmp_path / "x").exists()
