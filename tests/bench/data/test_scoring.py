"""A method on a made copy of a data set, by a protocol: what it gives is counted, kept and gone on with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from innerlight.backbones import Backbone
from innerlight.bench.data import (
    PROTOCOLS,
    DataSet,
    InstanceFrame,
    open_coco_stuff,
    open_pascal_voc,
    open_perseg,
    open_spair,
    score_set,
    scoring,
)
from innerlight.bench.data.embedding import embed_segments
from innerlight.files import Manifest, read_picture, write_labels, write_picture
from innerlight.maps import Segments, WordMap
from innerlight.matching import Matches, Ranking
from innerlight.methods import get
from innerlight.methods.correspondence.dift import DiftConfig, features
from innerlight.types import InputError, LabelMap
from innerlight.world import export, render, sample, truth

SEGMENTS = replace(PROTOCOLS["diffseg_coco"], name="voc_image", data="Pascal VOC 2012", classes=21, side=32)


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
    assert (report.items, report.total, knows.calls) == (2, 3, 2)
    assert report.scores == {"accuracy": 1.0, "mean IoU": 1.0}
    assert str(SEGMENTS) in str(report)
    assert "Pascal VOC 2012 (val), the first 2 of 3 items" in str(report)
    assert f"{small.name} {small.hash}, seed 0; timestep 300" in str(report)
    score_set(small, knows.method, config, data, SEGMENTS, tmp_path / "out")
    assert knows.calls == 3  # it went on


@pytest.mark.parametrize("matching", ["set", "concepts"])
def test_segments_are_matched_over_the_set(
    small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, matching: Any
):
    make_voc(tmp_path / "voc")
    data = open_pascal_voc(tmp_path / "voc")
    protocol = replace(SEGMENTS, matching=matching)
    from innerlight.bench.data import prepare_labels

    prepared = [prepare_labels(item, protocol) for item in data]
    truths = {one.picture.tobytes(): one.labels for one in prepared}

    def perfect(backbone: Any, picture: Image.Image, config: Any, *, seed: int) -> Segments:
        return Segments([picture], [LabelMap(truths[picture.tobytes()], {})], [{}], {})

    def vectors(backbone: Any, picture: Any, labels: np.ndarray, seed: int) -> np.ndarray:
        return np.eye(21)[: int(labels.max()) + 1] * 3 + 0.1  # those of one class are alike in all pictures

    method, config = Answers(monkeypatch, "emerdiff", perfect).method, get("emerdiff").config()
    monkeypatch.setattr(scoring, "embed_segments", vectors)
    found = score_set(small, method, config, data, protocol, tmp_path / "one").scores
    assert set(found.values()) == {1.0}
    assert "mean IoU, matched in each picture" in found
    monkeypatch.setattr(scoring, "embed_segments", lambda *given: vectors(*given)[::-1])  # now of other classes
    mixed = score_set(small, method, config, data, protocol, tmp_path / "two").scores
    assert mixed["mean IoU"] < mixed["mean IoU, matched in each picture"] == 1
    monkeypatch.undo()
    real = score_set(small, method, config, data, protocol, tmp_path / "three").scores
    assert 0 < real["mean IoU"] <= 1


def test_the_vector_of_a_segment_is_the_mean_of_its_pixels(small: Backbone):
    picture = read_picture(render(sample(3), 64, 96).picture)
    labels = np.zeros((64, 96), int)
    labels[:, 48:] = 2
    seen = features(small, picture, DiftConfig(), seed=4)
    cells = seen.cells.view(*seen.grid, -1).numpy()
    half = seen.grid[1] // 2
    left, none, right = embed_segments(small, picture, labels, seed=4)
    assert np.allclose(left, cells[:, :half].mean((0, 1)), atol=1e-5)
    assert np.allclose(right, cells[:, half:].mean((0, 1)), atol=1e-5)
    assert not none.any()


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
    assert report.scores == {"IoU pooled by object": 1.0, "IoU of a pair": 1.0, "boundary IoU": 1.0}


def test_methods_of_another_family_and_matchings_that_cannot_be(small: Backbone, tmp_path: Path):
    make_voc(tmp_path / "voc", 1)
    data = open_pascal_voc(tmp_path / "voc")
    for method, protocol, said in (
        ("dift", SEGMENTS, "methods of segmentation"),
        ("emerdiff", PROTOCOLS["voc_names"], "only diffseg"),
    ):
        with pytest.raises(InputError, match=said):
            score_set(small, get(method), get(method).config(), data, protocol, tmp_path / "out")


def test_the_command(run: Any, model: str, tmp_path: Path):
    make_voc(tmp_path / "voc", 2)
    given = ["score", "pascal_voc", tmp_path / "voc", "--method", "diffseg", "--model", model]
    code, out, _ = run(*given, "--set", "threshold=0.0003", "--limit", "1")
    assert code == 0
    assert out.startswith("voc_names: Pascal VOC 2012, 21 classes")
    assert "diffseg on Pascal VOC 2012 (val), the first 1 of 2 items\n" in out
    assert "mean IoU" in out
    (tmp_path / "voc" / "ImageSets" / "Segmentation" / "train.txt").write_text("1\n")
    train = [*given, "--set", "threshold=0.0003", "--split", "train", "-o", "train"]
    code, out, _ = run(*train)
    assert code == 0
    assert "diffseg on Pascal VOC 2012 (train), all 1 items; the protocol is for val\n" in out
    told = json.loads(run(*train, "--json")[1])
    assert (told["set"], told["split"], told["items"], told["total"]) == ("Pascal VOC 2012", "train", 1, 1)
    for wrong, said in (
        (["score", "imagenet", tmp_path, "--method", "diffseg"], "no data set"),
        ([*given, "--protocol", "mine"], "no protocol"),
        ([*given, "--set", "threshold"], "setting=value"),
        ([*given, "--set", "colour=3"], "no setting"),
        ([*given, "--protocol", "diffseg_coco"], "for COCO-Stuff-27, not for Pascal VOC 2012"),
        ([*given, "--protocol", "permir_random"], "methods of retrieval"),
        (["score", "spair", tmp_path, "--method", "dift", "--model", model], "SPair"),
    ):
        code, _, err = run(*wrong)
        assert code == 2
        assert said in err


@pytest.mark.parametrize(("method", "protocol"), [("diffseg", PROTOCOLS["diffseg_coco"]), ("dift", PROTOCOLS["spair"])])
def test_protocols_of_other_sets_are_refused(small: Backbone, tmp_path: Path, method: str, protocol: Any):
    make_voc(tmp_path / "voc", 1)
    chosen = get(method)
    with pytest.raises(
        InputError, match=rf"{protocol.name} is for {protocol.data}, not for Pascal VOC 2012.*voc_names"
    ):
        score_set(small, chosen, chosen.config(), open_pascal_voc(tmp_path / "voc"), protocol, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_pictures_are_not_the_curated_ones(small: Backbone, tmp_path: Path):
    drawn = render(sample(0), 48, 64)
    write_picture(drawn.picture, tmp_path / "coco" / "images" / "val2017" / "1.jpg")
    write_labels(truth.instances(drawn).astype(np.uint8), tmp_path / "coco" / "annotations" / "val2017" / "1.png")
    protocol = replace(PROTOCOLS["diffseg_coco"], side=32)
    report = score_set(
        small, get("diffseg"), get("diffseg").config(), open_coco_stuff(tmp_path / "coco"), protocol, tmp_path / "out"
    )
    assert "COCO-Stuff-27 (val, all), all 1 items; the protocol is for val, curated" in str(report)
    assert "curated" not in report.protocol


def knows_all(masks: dict[bytes, Any]) -> Any:
    def function(
        backbone: Any, reference: Any, targets: list[Any], config: Any, *, mask: Any, word: str, seed: int
    ) -> Ranking:
        maps = [WordMap("", masks[one.tobytes()].astype(np.float32), (one.height, one.width)) for one in targets]
        return Ranking(reference, mask, targets, np.ones(len(targets)), maps, 0.5, {})

    return function


def test_what_leaves_nothing_to_score_is_refused(small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_perseg(tmp_path / "perseg")
    strict = replace(PROTOCOLS["perseg"], smallest=0.9)
    with pytest.raises(InputError, match=r"perseg leaves nothing of PerSeg \(all\)"):
        score_set(small, get("pdm"), get("pdm").config(), open_perseg(tmp_path / "perseg"), strict, tmp_path / "a")
    make_voc(tmp_path / "voc", 1)
    write_labels(np.full((48, 64), 255, np.uint8), tmp_path / "voc" / "SegmentationClass" / "0.png")
    unlabelled = Answers(
        monkeypatch, "diffseg", lambda *_, **__: Segments([], [LabelMap(np.zeros((32, 32), int), {})], [{}], {})
    )
    with pytest.raises(InputError, match=r"accuracy, mean IoU .* no number"):
        score_set(
            small, unlabelled.method, get("diffseg").config(), open_pascal_voc(tmp_path / "voc"), SEGMENTS,
            tmp_path / "b",
        )  # fmt: skip


def test_pairs_without_points_are_no_score(small: Backbone, tmp_path: Path):
    export(tmp_path / "spair", "spair", 2, height=48, width=64)
    for path in (tmp_path / "spair").rglob("*:*.json"):
        pair = json.loads(path.read_text())
        path.write_text(json.dumps({**pair, "src_kps": [], "trg_kps": [], "kps_ids": []}))
    with pytest.raises(InputError, match="no number"):
        score_set(
            small, get("dift"), get("dift").config(), open_spair(tmp_path / "spair", "trn"), PROTOCOLS["spair"],
            tmp_path / "out",
        )  # fmt: skip


def test_files_that_come_later_shift_no_score(small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_perseg(tmp_path / "perseg")
    masks = {frame.image().tobytes(): frame.mask() for frame in open_perseg(tmp_path / "perseg")}
    knows = Answers(monkeypatch, "pdm", knows_all(masks))
    scored = small, knows.method, get("pdm").config()
    score_set(*scored, open_perseg(tmp_path / "perseg"), PROTOCOLS["perseg"], tmp_path / "out")
    assert knows.calls == 2
    for inner in ("Images", "Annotations"):  # "cat" comes before "dog"
        for path in (tmp_path / "perseg" / inner / "dog").iterdir():
            place = tmp_path / "perseg" / inner / "cat" / path.name
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(path.read_bytes())
    score_set(*scored, open_perseg(tmp_path / "perseg"), PROTOCOLS["perseg"], tmp_path / "out")
    assert knows.calls == 4
    _, results = Manifest.read(tmp_path / "out" / "perseg-pdm.jsonl", task="score")
    assert {key: result["instance"] for key, result in results.items()} == {
        "dog/00 in dog/01": "dog", "dog/00 in dog/02": "dog", "cat/00 in cat/01": "cat", "cat/00 in cat/02": "cat",
    }  # fmt: skip


def gallery(folder: Path, individuals: Sequence[int], frames: str = "largest") -> DataSet[InstanceFrame]:
    """Two pictures of each individual; all are dogs but one."""
    found = {}
    for number in individuals:
        for index in range(2):
            drawn = render(sample(f"gallery/{number}/{index}", categories=["dog"]), 48, 64)
            mask = truth.instances(drawn) == 1
            path = folder / f"{number}-{index}.png"
            write_picture(drawn.picture, path)
            word = "cat" if number == 9 else "dog"
            found[f"{number}/{index}"] = InstanceFrame(
                f"{number}/{index}", path, str(number), word, index, lambda mask=mask: mask
            )
    return DataSet("PerMIR", f"val, frames {frames}", folder, tuple(found), frames=frames, _read=found.__getitem__)


PERMIR = replace(PROTOCOLS["permir"], side=64, smallest=0.0)


def test_frames_are_those_of_the_protocol(small: Backbone, tmp_path: Path):
    chosen, random = get("pdm"), PROTOCOLS["permir_random"]
    data = gallery(tmp_path / "gallery", [1])
    with pytest.raises(InputError, match=r"permir_random wants frames random, these .* frames='random'"):
        score_set(small, chosen, chosen.config(), data, random, tmp_path / "out")


def test_a_larger_gallery_is_searched_anew(small: Backbone, tmp_path: Path):
    chosen = get("pdm")
    few, more = (gallery(tmp_path / "gallery", numbers) for numbers in ([1], [1, 2]))
    score_set(small, chosen, chosen.config(), few, PERMIR, tmp_path / "out")
    report = score_set(small, chosen, chosen.config(), more, PERMIR, tmp_path / "out")
    fresh = score_set(small, chosen, chosen.config(), more, PERMIR, tmp_path / "fresh")
    assert report.items == 2
    assert report.scores == fresh.scores
