"""Segments: who wins a pixel, and what is written of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from innerlight.files import read_label_map, rle
from innerlight.maps import Segments, resize, segments_of
from innerlight.types import LabelMap


@pytest.fixture
def found() -> Segments:
    labels = np.zeros((6, 8), np.uint8)
    labels[2:, 4:] = 1
    picture = Image.new("RGB", (8, 6), "gray")
    return Segments([picture], [LabelMap(labels, {0: "sky", 1: "cat"})], [{0: 0.5, 1: 0.75}], {"method": "by hand"})


def test_the_highest_map_wins_at_the_size_of_the_picture():
    soft = torch.rand(5, 4, 6, generator=torch.Generator().manual_seed(2))
    labels, scores = segments_of(soft, (9, 14))
    fine = resize(soft, (9, 14))
    kept = fine.argmax(0).unique()
    assert np.array_equal(kept[torch.from_numpy(labels.astype(int))], fine.argmax(0))
    share = fine.amax(0) / fine.sum(0)
    assert scores == {k: pytest.approx(float(share[fine.argmax(0) == own].mean())) for k, own in enumerate(kept)}


def test_labels_are_numbered_anew():
    soft = torch.stack([torch.zeros(2, 2), torch.eye(2), torch.zeros(2, 2) - 1, 1 - torch.eye(2)])
    labels, scores = segments_of(soft, (2, 2))
    assert labels.tolist() == [[0, 1], [1, 0]]
    assert scores == {0: 1.0, 1: 1.0}


def test_masks_share_the_picture_out(found: Segments):
    masks = found.masks()
    assert np.array_equal(masks[0], ~masks[1])
    assert masks[1].sum() == 16


def test_annotations_are_those_of_coco(found: Segments):
    one = found.annotations()[1]
    assert one["category"] == "cat"
    assert one["bbox"] == [4, 2, 4, 4]
    assert one["area"] == 16
    assert one["score"] == 0.75
    assert np.array_equal(rle.decode(one["segmentation"]), found.masks()[1])


def test_what_is_written_is_read_again(found: Segments, tmp_path: Path):
    places = found.save(tmp_path / "one.jpg")
    assert [place.name for place in places] == ["one.png", "one.json", "one-overlay.png"]
    back = read_label_map(places[0])
    assert np.array_equal(back.labels, found.labels[0].labels)
    assert back.names == {0: "sky", 1: "cat"}
    told = json.loads(places[1].read_text())
    assert [one["category_id"] for one in told["annotations"]] == [0, 1]
    assert told["recipe"] == {"method": "by hand"}


@pytest.mark.parametrize(
    ("given", "stem"),
    [("frame.0001", "frame.0001"), ("frame.0001.png", "frame.0001"), ("A.JSON", "A"), ("v1.5", "v1.5")],
)
def test_dots_are_part_of_the_name(found: Segments, tmp_path: Path, given: str, stem: str):
    written = [place.name for place in found.save(tmp_path / given)]
    assert written == [f"{stem}.png", f"{stem}.json", f"{stem}-overlay.png"]


def test_refining_keeps_labels_and_says_so(found: Segments):
    better = found.refined("graph_cut")
    assert set(np.unique(better.labels[0].labels)) == set(better.scores[0]) <= {0, 1}
    assert better.labels[0].labels.dtype == np.uint8
    assert better.recipe["refined"] == "graph_cut"
    assert "refined" not in found.recipe
