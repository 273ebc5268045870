"""Readers of labelled pictures, each on a small made copy whose content is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from innerlight.bench.data import (
    ADE20K_150,
    CITYSCAPES_27,
    COCO_STUFF_27,
    IGNORE,
    PASCAL_CONTEXT_59,
    PASCAL_CONTEXT_60,
    PASCAL_VOC_21,
    DataSet,
    SegmentationItem,
    open_ade20k,
    open_cityscapes,
    open_coco_stuff,
    open_pascal_context,
    open_pascal_voc,
)
from innerlight.files import read_labels, read_picture, write_labels, write_picture, write_text
from innerlight.types import InnerlightError, InputError, NotFoundError
from innerlight.world.exports import export

SHAPE = (6, 8)


def drawn(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*SHAPE, 3), np.uint8)


def spread(numbers: list[int], seed: int) -> NDArray[np.int64]:
    """A label map that holds all of `numbers`."""
    cells = np.resize(np.array(numbers), SHAPE[0] * SHAPE[1])
    return np.random.default_rng(seed).permutation(cells).reshape(SHAPE)


def make_coco(folder: Path) -> None:
    for number, name in enumerate(("000000000139", "000000000285", "000000000632")):
        write_picture(drawn(number), folder / "images" / "val2017" / f"{name}.jpg")
        write_labels(spread([0, 15, 71, 181, 105, 255], number), folder / "annotations" / "val2017" / f"{name}.png")
    write_text("000000000632\n000000000139\n", folder / "curated" / "val2017" / "Coco164kFull_Stuff_Coarse_7.txt")


def make_cityscapes(folder: Path) -> None:
    for number, place in enumerate(("frankfurt/frankfurt_000000_000294", "lindau/lindau_000001_000019")):
        write_picture(drawn(number), folder / "leftImg8bit" / "val" / f"{place}_leftImg8bit.png")
        write_labels(spread([0, 6, 7, 20, 33], number), folder / "gtFine" / "val" / f"{place}_gtFine_labelIds.png")
        write_labels(spread([0, 255], number), folder / "gtFine" / "val" / f"{place}_gtFine_labelTrainIds.png")


def make_ade(folder: Path) -> None:
    for number in (1, 2):
        name = f"ADE_val_{number:08d}"
        write_picture(drawn(number), folder / "ADEChallengeData2016" / "images" / "validation" / f"{name}.jpg")
        truth = folder / "ADEChallengeData2016" / "annotations" / "validation" / f"{name}.png"
        write_labels(spread([0, 1, 75, 150], number), truth)


def make_pascal(folder: Path) -> None:
    for year, labels, numbers in (
        ("VOC2012", "SegmentationClass", [0, 1, 20, 255]),
        ("VOC2010", "SegmentationClassContext", [0, 1, 59, 255]),
    ):
        root = folder / "VOCdevkit" / year
        task = "Segmentation" if labels == "SegmentationClass" else "SegmentationContext"
        for number, name in enumerate(("2007_000033", "2007_000042")):
            write_picture(drawn(number), root / "JPEGImages" / f"{name}.jpg")
            write_labels(spread(numbers, number), root / labels / f"{name}.png")
        write_text("2007_000042\n2007_000033\n", root / "ImageSets" / task / "val.txt")


@dataclass(frozen=True)
class Case:
    make: Callable[[Path], None]
    open: Callable[..., DataSet[SegmentationItem]]
    keys: tuple[str, ...]
    names: tuple[str, ...]
    classes: dict[int, int]  # published -> ours
    foreign: int  # a number that the files never hold
    tag: str  # a part of the paths that this reader reads


CASES = {
    "coco": Case(
        make_coco,
        open_coco_stuff,
        ("000000000632", "000000000139"),
        COCO_STUFF_27,
        {0: 9, 15: 7, 71: 0, 181: 24, 105: 23, 255: IGNORE},
        182,
        "",
    ),
    "cityscapes": Case(
        make_cityscapes,
        open_cityscapes,
        ("frankfurt/frankfurt_000000_000294", "lindau/lindau_000001_000019"),
        CITYSCAPES_27,
        {0: IGNORE, 6: IGNORE, 7: 0, 20: 13, 33: 26},
        34,
        "",
    ),
    "ade": Case(
        make_ade,
        open_ade20k,
        ("ADE_val_00000001", "ADE_val_00000002"),
        ADE20K_150,
        {0: IGNORE, 1: 0, 75: 74, 150: 149},
        151,
        "",
    ),
    "voc": Case(
        make_pascal,
        open_pascal_voc,
        ("2007_000042", "2007_000033"),
        PASCAL_VOC_21,
        {0: 0, 1: 1, 20: 20, 255: IGNORE},
        21,
        "VOC2012",
    ),
    "context": Case(
        make_pascal,
        open_pascal_context,
        ("2007_000042", "2007_000033"),
        PASCAL_CONTEXT_59,
        {0: IGNORE, 1: 0, 59: 58, 255: IGNORE},
        60,
        "VOC2010",
    ),
}


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def read_all(data: DataSet[SegmentationItem]) -> None:
    for item in data:
        item.image()
        item.labels()


def test_pictures_and_classes_are_those_of_the_files(case: Case, tmp_path: Path):
    case.make(tmp_path)
    data = case.open(tmp_path)
    assert data.keys == case.keys
    assert len(data) == len(case.keys)
    assert data.classes == case.names
    for item in data:
        published = read_labels(item.truth).astype(int)
        labels = item.labels()
        assert labels.shape == SHAPE
        assert {*np.unique(published)} == {*case.classes}
        for number, ours in case.classes.items():
            assert (labels[published == number] == ours).all()
        assert np.array_equal(np.asarray(item.image()), np.asarray(read_picture(item.picture)))
        assert item.label_map().names[len(case.names) - 1] == case.names[-1]
        assert item.label_map().ignore == item.ignore == IGNORE


def test_a_part_of_a_set_is_a_set(case: Case, tmp_path: Path):
    case.make(tmp_path)
    data = case.open(tmp_path)
    assert data[1:].keys == case.keys[1:]
    assert data[-1].key == case.keys[-1]
    assert data.named(case.keys[1]).picture == data[1].picture
    assert len(list(data[:1])) == 1
    with pytest.raises(IndexError):
        data[len(data)]
    with pytest.raises(NotFoundError, match="no item"):
        data.named("nothing")
    assert f"{len(data)} items" in repr(data)


def test_numbers_that_do_not_belong_there_are_named(case: Case, tmp_path: Path):
    case.make(tmp_path)
    data = case.open(tmp_path)
    write_labels(spread([case.foreign, *case.classes], 0), data[0].truth)
    with pytest.raises(InputError, match=rf"{case.foreign}; expected") as raised:
        data[0].labels()
    assert str(data[0].truth) in str(raised.value)
    write_labels(spread([700], 0), data[1].truth, ignore=None)  # 16 bits
    with pytest.raises(InputError, match="700"):
        data[1].labels()


def test_what_is_not_there_is_explained(case: Case, tmp_path: Path):
    with pytest.raises(NotFoundError, match="A right folder looks like this"):
        case.open(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="empty is empty"):
        case.open(tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        case.open(tmp_path / "file")
    (tmp_path / "other" / "something").mkdir(parents=True)
    with pytest.raises(NotFoundError, match=r"expected .*other.* holds something/"):
        case.open(tmp_path / "other")
    with pytest.raises(InputError, match="splits"):
        case.open(tmp_path, "testing")


def test_damage_is_told_and_never_a_traceback(case: Case, tmp_path: Path):
    case.make(tmp_path)
    read_all(case.open(tmp_path))
    files = [path for path in sorted(tmp_path.rglob("*.*")) if path.is_file() and case.tag in str(path)]
    files = [path for path in files if "TrainIds" not in path.name and "000285" not in path.name]  # not read
    assert len(files) >= 4
    for path in files:
        whole = path.read_bytes()
        for damaged in (b"", b"\xff\xfe\x00 nothing", whole[: len(whole) // 2]):
            path.write_bytes(damaged)
            if path.suffix == ".txt" and damaged == whole[: len(whole) // 2]:
                continue  # a shorter list may be right
            with pytest.raises(InnerlightError, match=path.name):
                read_all(case.open(tmp_path))
        path.unlink()
        if "Coco164k" not in path.name:  # without it, all pictures
            with pytest.raises(NotFoundError, match=re.escape(path.name.partition("_leftImg8bit")[0])):
                read_all(case.open(tmp_path))
        path.write_bytes(whole)


def test_coco_follows_the_list_if_it_is_there(tmp_path: Path):
    make_coco(tmp_path)
    everything = ("000000000139", "000000000285", "000000000632")
    assert open_coco_stuff(tmp_path).split == "val, curated"
    assert open_coco_stuff(tmp_path, curated=False).keys == everything
    assert open_coco_stuff(tmp_path, curated=False).split == "val, all"
    (tmp_path / "curated" / "val2017" / "Coco164kFull_Stuff_Coarse_7.txt").unlink()
    assert open_coco_stuff(tmp_path).keys == everything
    assert open_coco_stuff(tmp_path).split == "val, all"
    with pytest.raises(NotFoundError, match="Coarse_7"):
        open_coco_stuff(tmp_path, curated=True)


def test_coco_as_its_archives_unpack(tmp_path: Path):
    make_coco(tmp_path)
    (tmp_path / "images" / "val2017").rename(tmp_path / "val2017")
    (tmp_path / "annotations").rename(tmp_path / "stuffthingmaps")
    assert len([item.labels() for item in open_coco_stuff(tmp_path)]) == 2


def test_every_number_of_coco_has_the_class_of_its_name(tmp_path: Path):
    make_coco(tmp_path)
    item = open_coco_stuff(tmp_path)[0]
    assert {*item.table[:182]} == {*range(27)}
    assert all(item.table[182:255] == -1)
    known = {0: "person", 2: "vehicle", 17: "animal", 43: "kitchen", 61: "furniture", 82: "appliance", 168: "plant"}
    known |= {105: "sky", 123: "plant", 148: "ground", 154: "water", 172: "wall", 180: "window", 158: "ground"}
    for number, name in known.items():  # cat 17, bottle 43, chair 61, clouds 105, grass 123, road 148, sea 154 ...
        assert COCO_STUFF_27[item.table[number]].startswith(name)
    assert [int((item.table == k).sum()) for k in (9, 18, 23, 26)] == [1, 7, 2, 5]


def test_context_with_its_background(tmp_path: Path):
    make_pascal(tmp_path)
    data = open_pascal_context(tmp_path, classes=60)
    assert data.classes == PASCAL_CONTEXT_60
    for item in data:
        assert np.array_equal(item.labels(), read_labels(item.truth))
    assert list(PASCAL_CONTEXT_59) == sorted(PASCAL_CONTEXT_59)
    with pytest.raises(InputError, match="59 classes"):
        open_pascal_context(tmp_path, classes=33)


@pytest.mark.parametrize("inner", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_voc_from_any_of_its_folders(tmp_path: Path, inner: str):
    make_pascal(tmp_path)
    assert open_pascal_voc(tmp_path / inner).keys == CASES["voc"].keys


def test_voc_of_the_world(tmp_path: Path):
    export(tmp_path, "voc", 12, height=32, width=48)
    data = open_pascal_voc(tmp_path, "trainval")
    assert len(data) == 12
    right = 0
    for item in data:
        published = read_labels(item.truth)
        if published.max() <= 20:  # the world has more categories than VOC
            assert np.array_equal(item.labels(), published)
            right += 1
        else:
            with pytest.raises(InputError, match=r"expected 0\.\.20"):
                item.labels()
    assert right > 0


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path):
    make_pascal(tmp_path)
    listed = tmp_path / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt"
    listed.write_text("../../secret\n")
    with pytest.raises(InputError, match="leads out"):
        open_pascal_voc(tmp_path)


def test_a_picture_that_is_turned_is_read_as_stored(tmp_path: Path):
    make_ade(tmp_path)
    item = open_ade20k(tmp_path)[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(drawn(0)).save(item.picture, exif=exif)
    assert item.image().size == (SHAPE[1], SHAPE[0])
    assert read_picture(item.picture).size == SHAPE
