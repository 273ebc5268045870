"""A recipe travels in the picture and beside it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from innerlight.files import png_text, read_recipe, write_picture, write_recipe
from innerlight.types import InputError

RECIPE = {"method": "daam", "words": ["cat", "猫", 'a "quote"'], "settings": {"steps": 25, "w": 7.5, "mask": None}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_json_comes_back(tmp_path_factory: pytest.TempPathFactory, recipe: dict):
    picture = tmp_path_factory.mktemp("recipe") / "a.png"
    write_picture(Image.new("L", (3, 2)), picture, recipe=recipe)
    assert read_recipe(picture) == recipe
    assert read_recipe(picture.with_suffix(".json")) == recipe


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_the_recipe_is_inside_and_beside(tmp_path: Path, suffix: str):
    picture = tmp_path / f"a.{suffix}"
    write_picture(Image.new("RGB", (30, 20), (9, 8, 7)), picture, recipe=RECIPE)
    beside = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert beside["recipe"] == RECIPE
    assert beside["picture"] == picture.name
    (tmp_path / "a.json").unlink()
    assert read_recipe(picture) == RECIPE
    moved = picture.rename(tmp_path / f"b.{suffix}")
    assert read_recipe(moved) == RECIPE


def test_other_programs_see_the_recipe_as_png_text(tmp_path: Path):
    write_picture(Image.new("L", (3, 2)), tmp_path / "a.png", recipe=RECIPE)
    with Image.open(tmp_path / "a.png") as picture:
        assert json.loads(picture.info["innerlight"])["recipe"] == RECIPE


def test_writing_again_replaces_and_keeps_the_pixels(tmp_path: Path):
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    write_picture(pixels, tmp_path / "a.png")
    for recipe in ({"try": 1}, {"try": 22}):
        write_recipe(recipe, tmp_path / "a.png")
        assert read_recipe(tmp_path / "a.png") == recipe
    with Image.open(tmp_path / "a.png") as picture:
        assert np.array_equal(np.asarray(picture), pixels)
    assert (tmp_path / "a.png").read_bytes().count(b"iTXtinnerlight") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.png"]


def test_a_jpeg_that_is_there_gets_its_recipe_beside_it(tmp_path: Path):
    write_picture(Image.new("L", (30, 20)), tmp_path / "a.jpg")
    before = (tmp_path / "a.jpg").read_bytes()
    write_recipe(RECIPE, tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == before
    assert read_recipe(tmp_path / "a.jpg") == RECIPE


def test_a_recipe_alone(tmp_path: Path):
    write_recipe(RECIPE, tmp_path / "a.json")
    assert read_recipe(tmp_path / "a.json") == RECIPE


@given(st.binary(max_size=40), st.text(max_size=20))
def test_png_text_survives_and_damage_is_refused(tail: bytes, text: str):
    png = png_text.SIGNATURE + b"\0\0\0\x0dIHDR" + bytes(13 + 4)
    marked = png_text.with_text(png, "k", text, name="a")
    assert png_text.text_of(marked, "k", max_bytes=99, name="a") == text
    assert png_text.text_of(marked, "other", max_bytes=99, name="a") is None
    with suppress(InputError):
        assert png_text.text_of(png_text.SIGNATURE + tail, "k", max_bytes=99, name="a") is None


@pytest.mark.parametrize("value", [float("inf"), {"b": {1, 2}}, [b"bytes"], np.float32(1)])
def test_what_json_cannot_carry_is_named(tmp_path: Path, value: object):
    with pytest.raises(InputError, match=r"recipe\.a"):
        write_recipe({"a": value}, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []
