"""Label maps as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from innerlight.files import read_label_map, read_labels, voc_palette, write_label_map, write_labels
from innerlight.types import LabelMap

SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 7))


def plain_voc_colour(label: int) -> tuple[int, int, int]:
    """The VOC devkit's own loop, written plainly."""
    red = green = blue = 0
    rest = label
    for bit in range(8):
        red |= ((rest >> 0) & 1) << (7 - bit)
        green |= ((rest >> 1) & 1) << (7 - bit)
        blue |= ((rest >> 2) & 1) << (7 - bit)
        rest >>= 3
    return red, green, blue


@given(arrays.arrays(np.uint16, SHAPES) | arrays.arrays(np.int64, SHAPES, elements=st.integers(0, 255)))
def test_labels_come_back(tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray):
    path = tmp_path_factory.mktemp("labels") / "a.png"
    write_labels(labels, path)
    again = read_labels(path)
    assert np.array_equal(again, labels)
    assert again.dtype == (np.uint8 if labels.max() <= 255 else np.uint16)


def test_the_palette_is_vocs():
    palette = voc_palette()
    assert palette.shape == (256, 3)
    assert [tuple(colour) for colour in palette[:255].tolist()] == [plain_voc_colour(label) for label in range(255)]
    assert palette[1].tolist() == [128, 0, 0]
    assert palette[15].tolist() == [192, 128, 128]
    assert palette[255].tolist() == [224, 224, 192]


def test_the_file_is_an_indexed_png_in_those_colours(tmp_path: Path):
    write_labels([[0, 1], [15, 255]], tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image.convert("RGB")), voc_palette()[[[0, 1], [15, 255]]])


def test_a_palette_of_ones_own_goes_before(tmp_path: Path):
    write_labels([[0, 1, 255]], tmp_path / "a.png", palette=[[1, 2, 3], [4, 5, 6]])
    with Image.open(tmp_path / "a.png") as image:
        colours = np.asarray(image.convert("RGB"))[0].tolist()
    assert colours == [[1, 2, 3], [4, 5, 6], [224, 224, 192]]


def test_many_labels_make_a_sixteen_bit_grey_png(tmp_path: Path):
    write_labels([[0, 300]], tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode in ("I;16", "I")


@pytest.mark.parametrize("ignore", [255, None, 0, -1])
def test_names_and_ignore_travel(tmp_path: Path, ignore: int | None):
    labels = np.array([[0, 1, 2], [7, 7, 0 if ignore is None else ignore]])
    write_label_map(LabelMap(labels, {0: "sky", 7: "猫 cat"}, ignore), tmp_path / "a.png")
    again = read_label_map(tmp_path / "a.png")
    assert again.names == {0: "sky", 7: "猫 cat"}
    assert again.ignore == (255 if ignore == -1 else ignore)
    assert np.array_equal(again.labels, np.where(labels == -1, 255, labels))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_plain_png_has_no_names_and_vocs_ignore(tmp_path: Path):
    write_labels([[3, 255]], tmp_path / "a.png")
    again = read_label_map(tmp_path / "a.png")
    assert (again.names, again.ignore) == ({}, 255)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_any_depth_give_indices(tmp_path: Path, bits: int):
    labels = np.arange(2**bits, dtype=np.uint8)[None]
    image = Image.fromarray(labels)
    image.putpalette(voc_palette(2**bits).tobytes())
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_labels(tmp_path / "a.png"), labels)
