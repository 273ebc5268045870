"""COCO's run lengths, against pycocotools."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pycocotools.mask as coco
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from innerlight.files import rle
from innerlight.types import InputError

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))
PATCHES = st.tuples(*[st.integers(1, 60)] * 2, *[st.integers(0, 59)] * 4)


def patch(numbers: tuple[int, ...]) -> np.ndarray:
    """A rectangle on an empty mask: long runs, which single random pixels do not make."""
    height, width, top, left, tall, wide = numbers
    mask = np.zeros((height, width), bool)
    mask[top : top + tall, left : left + wide] = True
    return mask


def agree(mask: np.ndarray) -> None:
    ours = rle.encode(mask)
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = rle.compress(ours["counts"])
    assert text == theirs["counts"].decode("ascii")
    assert rle.decompress(text) == ours["counts"]
    assert theirs["size"] == ours["size"]
    for form in (ours, {"size": ours["size"], "counts": text}, theirs):
        assert np.array_equal(rle.decode(form), mask)
        assert rle.area(form) == coco.area(theirs) == mask.sum()
        assert rle.box(form) == tuple(coco.toBbox(theirs).astype(int))


@settings(max_examples=150)
@given(MASKS | PATCHES.map(patch))
def test_masks_agree(mask: np.ndarray):
    agree(mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 11), (480, 640)])
@pytest.mark.parametrize("value", [False, True])
def test_empty_and_full_agree(shape: tuple[int, int], value: bool):
    agree(np.full(shape, value))


def test_a_large_mask_agrees():
    rows, columns = np.mgrid[:1000, :700]
    agree((rows - 500) ** 2 + (columns - 300) ** 2 < 200**2)


@given(st.lists(st.integers(0, 2**40), max_size=20))
def test_any_runs_come_back_from_text(counts: list[int]):
    assert rle.decompress(rle.compress(counts)) == counts


def test_zero_runs_of_other_writers_are_read():
    form = {"size": [2, 3], "counts": [1, 0, 2, 2, 0, 1]}
    assert rle.decode(form).ravel(order="F").tolist() == [False] * 3 + [True] * 3
    assert rle.area(form) == 3
    assert rle.box(form) == (1, 0, 2, 2)


@given(st.text(max_size=30) | st.binary(max_size=30))
def test_any_text_is_read_or_refused(text: str | bytes):
    with suppress(InputError):
        assert rle.decode({"size": [3, 4], "counts": text}).shape == (3, 4)
