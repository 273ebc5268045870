"""Readers of pairs of points, each on a small made copy whose content is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from innerlight.bench.data import DataSet, PointPair, open_cub, open_pf_willow, open_spair
from innerlight.files import write_json, write_picture, write_text
from innerlight.types import InnerlightError, InputError, NotFoundError
from innerlight.world.exports import export

PAIR = "000001-2008_000033-2008_000037:aeroplane"
OTHER = "000002-2008_000041-2008_000043:cat"
BIRDS = (  # number, species, training
    (1, 1, 0), (2, 1, 0), (3, 1, 1), (4, 2, 0), (5, 2, 0), (6, 2, 0), (7, 3, 1), (8, 3, 0), (9, 4, 0), (10, 4, 0),
)  # fmt: skip
PARTS = ("back", "beak", "right eye")


def drawn(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def spair_pair(source: str, target: str, category: str, points: int) -> dict[str, Any]:
    return {
        "category": category, "src_imname": f"{source}.jpg", "trg_imname": f"{target}.jpg",
        "src_imsize": [40, 30, 3], "trg_imsize": [50, 20, 3],
        "src_kps": [[3 + k, 5 + 2 * k] for k in range(points)], "trg_kps": [[30 - k, 7] for k in range(points)],
        "kps_ids": [str(2 * k) for k in range(points)], "src_bndbox": [2, 4, 38, 29], "trg_bndbox": [10, 1, 45, 19],
        "mirror": 0, "viewpoint_variation": 1,
    }  # fmt: skip


def make_spair(folder: Path) -> None:
    root = folder / "SPair-71k"
    for key, points in ((PAIR, 3), (OTHER, 2)):
        names, _, category = key.partition("-")[2].partition(":")
        source, target = names.split("-")
        write_picture(drawn(40, 30), root / "JPEGImages" / category / f"{source}.jpg")
        write_picture(drawn(50, 20), root / "JPEGImages" / category / f"{target}.jpg")
        write_json(spair_pair(source, target, category, points), root / "PairAnnotation" / "test" / f"{key}.json")
    write_text(f"{OTHER}\n{PAIR}\n", root / "Layout" / "large" / "test.txt")


def willow_rows() -> list[list[Any]]:
    rows: list[list[Any]] = []
    for source, target, shift in (("car(S)/02", "car(S)/04", 0.5), ("duck(S)/01", "duck(S)/03", 1.25)):
        numbers = [np.arange(10) * step + shift for step in (2, 3, 4, 1)]  # XA, YA, XB, YB
        rows.append([f"PF-dataset/{source}.png", f"PF-dataset/{target}.png", *np.concatenate(numbers).tolist()])
    for column in (2 + 9, 2 + 19, 2 + 29, 2 + 39):  # the last point of the second pair is padding
        rows[1][column] = -1
    return rows


def make_willow(folder: Path) -> None:
    heading = [f"{axis}{side}{k}" for side in "AB" for axis in "XY" for k in range(1, 11)]
    rows = [["imageA", "imageB", *heading], *willow_rows()]
    for row in rows[1:]:
        for name in row[:2]:
            write_picture(drawn(44, 33), folder / name)
    text = "\n".join(",".join(str(cell) for cell in row) for row in rows)
    write_text(text + "\n", folder / "PF-dataset" / "test_pairs_pf.csv")


def make_cub(folder: Path) -> None:
    root = folder / "CUB_200_2011"
    names = {k: f"{k:03d}.Kind_{k}" for k in range(1, 5)}
    paths = {bird: f"{names[species]}/bird_{bird}.jpg" for bird, species, _ in BIRDS}
    for bird, species, training in BIRDS:
        if species <= 2 and not training:
            write_picture(drawn(40 + bird, 30), root / "images" / paths[bird])
    lines = {
        "images": [f"{k} {path}" for k, path in paths.items()],
        "image_class_labels": [f"{k} {species}" for k, species, _ in BIRDS],
        "classes": [f"{k} {name}" for k, name in names.items()],
        "train_test_split": [f"{k} {training}" for k, _, training in BIRDS],
        "bounding_boxes": [f"{k} {k}.0 2.0 20.0 {10 + k}.0" for k, *_ in BIRDS],
        "parts/parts": [f"{k} {name}" for k, name in enumerate(PARTS, start=1)],
        "parts/part_locs": [
            f"{k} {part} {k + part}.5 {2 * part}.0 {int((k + part) % 4 > 0)}" for k, *_ in BIRDS for part in (1, 2, 3)
        ],
    }
    for name, text in lines.items():
        write_text("\n".join(text) + "\n", root / f"{name}.txt")


SETS: dict[str, tuple[Callable[[Path], None], Callable[..., DataSet[PointPair]]]] = {
    "spair": (make_spair, open_spair),
    "willow": (make_willow, open_pf_willow),
    "cub": (make_cub, open_cub),
}


def read_all(data: DataSet[PointPair]) -> None:
    for pair in data:
        pair.images()


def test_spair_points_and_boxes(tmp_path: Path):
    make_spair(tmp_path)
    data = open_spair(tmp_path)
    assert data.keys == (OTHER, PAIR)
    assert len(data.classes) == 18
    pair = data[1]
    assert pair.category == "aeroplane"
    assert pair.source.name == "2008_000033.jpg"
    assert [picture.size for picture in pair.images()] == [(40, 30), (50, 20)]
    assert pair.source_points.tolist() == [[3, 5], [4, 7], [5, 9]]
    assert pair.target_points.tolist() == [[30, 7], [29, 7], [28, 7]]
    assert pair.point_names == ("0", "2", "4")
    assert pair.visible.all()
    assert pair.source_box == (2, 4, 38, 29)
    assert pair.target_box == (10, 1, 45, 19)
    assert open_spair(tmp_path, category="cat").keys == (OTHER,)
    with pytest.raises(InputError, match="has no pair of 'dog'"):
        open_spair(tmp_path, category="dog")
    with pytest.raises(NotFoundError, match="small"):
        open_spair(tmp_path, size="small")


def test_spair_without_a_common_point(tmp_path: Path):
    make_spair(tmp_path)
    path = tmp_path / "SPair-71k" / "PairAnnotation" / "test" / f"{PAIR}.json"
    write_json(spair_pair("2008_000033", "2008_000037", "aeroplane", 0), path)
    assert open_spair(tmp_path)[1].source_points.shape == (0, 2)


def test_spair_of_the_world(tmp_path: Path):
    export(tmp_path, "spair", 10, height=32, width=48)
    data = open_spair(tmp_path)  # of every ten, the last two
    assert len(data) == 2
    assert len(open_spair(tmp_path, "trn")) == 7
    for pair in data:
        written = json.loads((tmp_path / "PairAnnotation" / "test" / f"{pair.key}.json").read_text())
        assert pair.source_points.tolist() == written["src_kps"]
        assert pair.target_points.tolist() == written["trg_kps"]
        assert list(pair.target_box or ()) == written["trg_bndbox"]
        assert [picture.size for picture in pair.images()] == [(48, 32)] * 2


WRONG_PAIRS = {
    "not a mapping": [1],
    "a field is missing": {"src_kps": None},
    "a point with three numbers": {"src_kps": [[1, 2, 3]]},
    "points of text": {"src_kps": [["1", "2"]]},
    "fewer partners": {"trg_kps": [[1, 2]]},
    "no list": {"kps_ids": 3},
    "a box with no width": {"trg_bndbox": [4, 4, 4, 9]},
    "half a box": {"trg_bndbox": [4, 4]},
    "a category elsewhere": {"category": "../.."},
    "an empty name": {"src_imname": ""},
    "a number as a name": {"trg_imname": 7},
}


@pytest.mark.parametrize("change", WRONG_PAIRS.values(), ids=WRONG_PAIRS)
def test_a_pair_that_is_no_pair_is_refused(tmp_path: Path, change: Any):
    make_spair(tmp_path)
    path = tmp_path / "SPair-71k" / "PairAnnotation" / "test" / f"{PAIR}.json"
    right = spair_pair("2008_000033", "2008_000037", "aeroplane", 3)
    write_json({**right, **change} if isinstance(change, dict) else change, path)
    data = open_spair(tmp_path)
    with pytest.raises(InputError, match="000001-2008"):
        data[1]
    assert data[0].category == "cat"


def test_willow_points(tmp_path: Path):
    make_willow(tmp_path)
    data = open_pf_willow(tmp_path)
    assert len(data) == 2
    assert data.classes == ("car(S)", "duck(S)")
    pair = data[0]
    assert pair.category == "car(S)"
    assert pair.source == tmp_path / "PF-dataset" / "car(S)" / "02.png"
    assert pair.source_points.tolist() == [[2 * k + 0.5, 3 * k + 0.5] for k in range(10)]
    assert pair.target_points.tolist() == [[4 * k + 0.5, k + 0.5] for k in range(10)]
    assert pair.visible.all()
    assert pair.target_box is None
    padded = data[1]
    assert padded.visible.tolist() == [True] * 9 + [False]
    assert padded.seen()[1].tolist() == [[4 * k + 1.25, k + 1.25] for k in range(9)]


def test_willow_with_its_list_beside_the_folder(tmp_path: Path):
    make_willow(tmp_path)
    keys = open_pf_willow(tmp_path).keys
    listed = tmp_path / "PF-dataset" / "test_pairs_pf.csv"
    listed.rename(tmp_path / listed.name)
    assert open_pf_willow(tmp_path).keys == keys
    read_all(open_pf_willow(tmp_path))
    (tmp_path / listed.name).rename(tmp_path / "PF-dataset" / "test_pairs.csv")
    assert open_pf_willow(tmp_path / "PF-dataset").keys == keys


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("XA1,XA2", "XA2,XA1", "another order"),
        (",0.5,", ",nan,", "pair 1: expected a number"),
        (",0.5,", ",half,", "pair 1: expected a number"),
        (",0.5,", ",0.5,7,", "line 2: expected 42 columns, got 46"),
        ("PF-dataset/car(S)/02.png", "../../02.png", "leads out"),
        ("PF-dataset/car(S)/02.png", "car(S)/99.png", "99.png"),
    ],
)
def test_a_willow_list_that_is_wrong_is_refused(tmp_path: Path, old: str, new: str, says: str):
    make_willow(tmp_path)
    listed = tmp_path / "PF-dataset" / "test_pairs_pf.csv"
    assert old in listed.read_text()
    listed.write_text(listed.read_text().replace(old, new))
    with pytest.raises((InputError, NotFoundError), match=says):
        read_all(open_pf_willow(tmp_path))


def test_cub_pairs_points_and_boxes(tmp_path: Path):
    make_cub(tmp_path)
    data = open_cub(tmp_path, species=2)
    assert data.keys == ("1-2", "4-5", "4-6", "5-6")
    assert data.classes == ("Kind 1", "Kind 2")
    pair = data[1]
    assert pair.category == "Kind 2"
    assert pair.source.name == "bird_4.jpg"
    assert pair.point_names == PARTS
    assert pair.source_points.tolist() == [[5.5, 2], [6.5, 4], [7.5, 6]]
    assert pair.target_points.tolist() == [[6.5, 2], [7.5, 4], [8.5, 6]]
    assert pair.visible.tolist() == [True, True, False]  # bird 5, part 3 is hidden
    assert pair.seen()[0].tolist() == [[5.5, 2], [6.5, 4]]
    assert pair.source_box == (4, 2, 24, 16)
    assert pair.target_box == (5, 2, 25, 17)
    assert pair.images()[0].size == (44, 30)


def test_cub_by_species_and_split(tmp_path: Path):
    make_cub(tmp_path)
    assert open_cub(tmp_path).keys == ("1-2", "4-5", "4-6", "5-6")  # one bird alone in the third
    assert open_cub(tmp_path, species=None).keys[-1] == "9-10"
    with pytest.raises(InputError, match="no two birds"):
        open_cub(tmp_path, "train")
    for species in (0, True, "3"):
        with pytest.raises(InputError, match="species"):
            open_cub(tmp_path, species=species)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("bounding_boxes", "4 4.0", "4 wide", "line 4: expected a number"),
        ("bounding_boxes", "10 10.0 2.0 20.0 20.0\n", "", "bounding_boxes.txt has no line for picture 10"),
        ("images", "4 002.Kind_2/bird_4.jpg", "4", "line 4: expected 2 values"),
        ("images", "4 002", "4 ../002", "leads out"),
        ("image_class_labels", "4 2", "4 two", "whole number"),
        ("parts/part_locs", "4 1 ", "4 9 ", "part 9"),
    ],
)
def test_a_cub_table_that_is_wrong_is_refused(tmp_path: Path, name: str, old: str, new: str, says: str):
    make_cub(tmp_path)
    path = tmp_path / "CUB_200_2011" / f"{name}.txt"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=says):
        open_cub(tmp_path)


@pytest.mark.parametrize("name", SETS)
def test_what_is_not_there_is_explained(tmp_path: Path, name: str):
    _, opened = SETS[name]
    with pytest.raises(NotFoundError, match="A right folder looks like this"):
        opened(tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match="is empty"):
        opened(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        opened(tmp_path / "file")
    with pytest.raises(InputError, match="split"):
        opened(tmp_path, "another")


@pytest.mark.parametrize("name", SETS)
def test_damage_is_told_and_never_a_traceback(tmp_path: Path, name: str):
    make, opened = SETS[name]
    make(tmp_path)
    read_all(opened(tmp_path))
    files = [path for path in sorted(tmp_path.rglob("*.*")) if path.is_file()]
    assert len(files) >= 5
    for path in files:
        whole = path.read_bytes()
        for damaged in (b"", b"\xff\xfe\x00 nothing", whole[: len(whole) // 2]):
            path.write_bytes(damaged)
            if path.suffix in (".txt", ".csv") and damaged == whole[: len(whole) // 2]:
                continue  # a shorter list may be right
            with pytest.raises(InnerlightError, match=re.escape(path.stem.partition("-")[0])):
                read_all(opened(tmp_path))
        path.unlink()
        with pytest.raises(NotFoundError) as raised:
            read_all(opened(tmp_path))
        assert path.name in str(raised.value)
        path.write_bytes(whole)
