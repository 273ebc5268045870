"""A word's map on a picture that is not square."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerlight.maps import WordMap
from innerlight.types import InputError


def one_cell(row: int, column: int, grid: tuple[int, int] = (4, 6)) -> WordMap:
    values = np.zeros(grid, np.float32)
    values[row, column] = 2.0
    return WordMap("cat", values, (32, 96))


@given(row=st.integers(0, 3), column=st.integers(0, 5))
def test_peak_and_mask_are_where_the_word_is(row: int, column: int):
    word = one_cell(row, column)
    x, y = word.peak()
    assert (x, y) == ((column + 0.5) * 16, (row + 0.5) * 8)
    mask = word.mask()
    assert mask.shape == (32, 96)
    assert mask[int(y), int(x)]
    assert mask.mean() < 0.15


def test_the_map_at_the_pictures_size_stays_within_its_numbers():
    large = one_cell(1, 2).at_image_size()
    assert large.shape == (32, 96)
    assert large.min() >= 0
    assert 1.8 < large.max() <= 2


def test_masks_are_nested_and_those_of_nothing_are_empty():
    word = one_cell(2, 3)
    assert not (word.mask(0.8) & ~word.mask(0.3)).any()
    assert word.mask(0.8).sum() < word.mask(0.3).sum()
    assert not WordMap("cat", np.zeros((2, 2)), (4, 4)).mask().any()


def test_pictures_show_the_map_alone_or_over_the_picture():
    word = one_cell(1, 2)
    alone = np.asarray(word.picture()).astype(int)
    assert alone.shape == (32, 96, 3)
    x, y = word.peak()
    assert alone[int(y), int(x)].sum() > 3 * alone[0, 0].sum() + 300
    grey = np.full((32, 96, 3), 128, np.uint8)
    assert word.picture(grey).size == (96, 32)


def test_a_frozen_array_does():
    values = np.ones((2, 3))
    values.flags.writeable = False
    word = WordMap("cat", values, (4, 6))
    assert word.mask().all()
    assert word.peak() == (1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "size", "message"),
    [
        (np.zeros((2, 3, 1)), (4, 4), r"expected floats \(h, w\)"),
        (np.zeros((2, 3), int), (4, 4), "expected floats"),
        (np.full((2, 3), np.nan), (4, 4), "finite"),
        (np.zeros((2, 3)), (0, 4), "height, width"),
    ],
)
def test_what_is_no_map_is_refused(values: np.ndarray, size: tuple[int, int], message: str):
    with pytest.raises(InputError, match=message):
        WordMap("cat", values, size)
