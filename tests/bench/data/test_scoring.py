"""A method on a made copy of a data set, by a protocol: what it gives is counted, kept and gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from innerlight.backbones import Backbone
from innerlight.bench.data import PROTOCOLS, open_pascal_voc, open_perseg, open_spair, score_set
from innerlight.files import write_labels, write_picture
from innerlight.maps import Segments, WordMap
from innerlight.matching import Matches, Ranking
from innerlight.methods import get
from innerlight.types import InputError, LabelMap
from innerlight.world import export, render, sample, truth

SEGMENTS = replace(PROTOCOLS["diffseg_coco"], name="voc_image", classes=21, side=32)


def make_voc(folder: Path, count: int = 3) -> None:
    for number in range(count):
        drawn = render(sample(number), 48, 64)
        write_picture(drawn.picture, folder / "JPEGImages" / f"{number}.jpg")
        write_labels(truth.instances(drawn).astype(np.uint8), folder / "SegmentationClass" / f"{number}.png")
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("".join(f"{number}\n" for number in range(count)))


def make_perseg(folder: Path) -> None:
    for number in range(3):
        drawn = render(sample(f"perseg/{number}", categories=["dog"]), 48, 64)
        mask = (truth.instances(drawn) == 1).astype(np.uint8) * 255
        write_picture(drawn.picture, folder / "Images" / "dog" / f"{number:02d}.jpg")
        write_picture(mask, folder / "Annotations" / "dog" / f"{number:02d}.png")


class Answers:
    """Stands in for a method: it knows the truth."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, function: Any) -> None:
        self.calls = 0

        def counted(*given: Any, **named: Any) -> Any:
            self.calls += 1
            return function(*given, **named)

        self.method = replace(get(name), function=counted)


def test_perfect_segments_score_one(small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_voc(tmp_path / "voc")
    data = open_pascal_voc(tmp_path / "voc")
    from innerlight.bench.data import prepare_labels

    truths = {prepare_labels(item, SEGMENTS).picture.tobytes(): prepare_labels(item, SEGMENTS).labels for item in data}

    def perfect(backbone: Any, picture: Image.Image, config: Any, *, seed: int) -> Segments:
        labels = 5 - truths[picture.tobytes()]  # by other numbers
        return Segments([picture], [LabelMap(labels, {})], [{}], {})

    knows = Answers(monkeypatch, "diffseg", perfect)
    config = get("diffseg").config()
    report = score_set(small, knows.method, config, data, SEGMENTS, tmp_path / "out", limit=2)
    assert (report.items, knows.calls) == (2, 2)
    assert report.scores == {"accuracy": 1.0, "mean IoU": 1.0}
    assert str(SEGMENTS) in str(report)
    score_set(small, knows.method, config, data, SEGMENTS, tmp_path / "out")
    assert knows.calls == 3  # it went on


def test_segments_by_name_on_the_original_pixels(small: Backbone, tmp_path: Path):
    make_voc(tmp_path / "voc", 1)
    report = score_set(
        small, get("diffseg"), get("diffseg").config(threshold=0.0003), open_pascal_voc(tmp_path / "voc"),
        PROTOCOLS["voc_names"], tmp_path / "out",
    )  # fmt: skip
    assert 0 <= report.scores["mean IoU"] <= 1


def test_points_go_to_the_original_picture_and_back(small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    export(tmp_path / "spair", "spair", 3, height=48, width=64)
    data = open_spair(tmp_path / "spair", "trn")
    from innerlight.bench.data import prepare_pair

    protocol = replace(PROTOCOLS["spair"], side=96)
    known = {prepare_pair(pair, protocol).source.tobytes(): prepare_pair(pair, protocol).target_points for pair in data}

    def off_by(pixels: float) -> Any:
        def found(
            backbone: Any, source: Any, target: Any, points: Any, config: Any, *, prompt: str, seed: int
        ) -> Matches:
            assert prompt.startswith("a photo of a ")
            there = known[source.tobytes()] + pixels
            return Matches(source, [target], np.asarray(points), there[None], np.ones((1, len(there))), {})

        return found

    config = get("dift").config()
    perfect = Answers(monkeypatch, "dift", off_by(0)).method
    assert set(score_set(small, perfect, config, data, protocol, tmp_path / "a").scores.values()) == {1.0}
    wrong = Answers(monkeypatch, "dift", off_by(60)).method
    assert score_set(small, wrong, config, data, protocol, tmp_path / "b").scores["PCK@0.1"] == 0


def test_individuals_are_pooled(small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_perseg(tmp_path / "perseg")
    data = open_perseg(tmp_path / "perseg")
    masks = {frame.image().tobytes(): frame.mask() for frame in data}

    def knows(
        backbone: Any, reference: Any, targets: list[Any], config: Any, *, mask: Any, word: str, seed: int
    ) -> Ranking:
        maps = [WordMap("", masks[one.tobytes()].astype(np.float32), (one.height, one.width)) for one in targets]
        return Ranking(reference, mask, targets, np.ones(len(targets)), maps, 0.5, {})

    method = Answers(monkeypatch, "pdm", knows).method
    report = score_set(small, method, get("pdm").config(), data, PROTOCOLS["perseg"], tmp_path / "out")
    assert report.items == 2
    assert report.scores == {"IoU pooled by object": 1.0, "boundary IoU": 1.0}


def test_methods_of_another_family_and_matchings_that_cannot_be(small: Backbone, tmp_path: Path):
    make_voc(tmp_path / "voc", 1)
    data = open_pascal_voc(tmp_path / "voc")
    for method, protocol, said in (
        ("dift", SEGMENTS, "methods of segmentation"),
        ("diffseg", replace(SEGMENTS, matching="set"), "over the whole set"),
        ("emerdiff", PROTOCOLS["voc_names"], "only diffseg"),
    ):
        with pytest.raises(InputError, match=said):
            score_set(small, get(method), get(method).config(), data, protocol, tmp_path / "out")


def test_the_command(run: Any, model: str, tmp_path: Path):
    make_voc(tmp_path / "voc", 2)
    given = ["score", "pascal_voc", tmp_path / "voc", "--method", "diffseg", "--model", model]
    code, out, _ = run(*given, "--set", "threshold=0.0003", "--limit", "1")
    assert code == 0
    assert out.startswith("voc_names: Pascal VOC 2012 (val), 21 classes")
    assert "mean IoU" in out
    for wrong, said in (
        (["score", "imagenet", tmp_path, "--method", "diffseg"], "no data set"),
        ([*given, "--protocol", "mine"], "no protocol"),
        ([*given, "--set", "threshold"], "setting=value"),
        ([*given, "--set", "colour=3"], "no setting"),
        (["score", "spair", tmp_path, "--method", "dift", "--model", model], "SPair"),
    ):
        code, _, err = run(*wrong)
        assert code == 2
        assert said in err
