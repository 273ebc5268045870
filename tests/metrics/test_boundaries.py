"""Outlines: against erosions, step by step, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from innerlight.metrics import boundary, boundary_iou, confusion, edge_band, iou, mean_iou
from innerlight.types import InputError

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))
MASKS = SHAPES.flatmap(lambda shape: arrays(bool, shape, elements=st.sampled_from([True, True, True, False])))
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))
LABELS = SHAPES.flatmap(lambda shape: arrays(np.int8, shape, elements=st.integers(-1, 1)))
WIDTHS = st.integers(1, 5)


def square(side: int, top: int, left: int, within: int = 12) -> np.ndarray:
    mask = np.zeros((within, within), bool)
    mask[top : top + side, left : left + side] = True
    return mask


@given(mask=MASKS, width=WIDTHS)
def test_a_boundary_is_what_erosions_take_away(mask: np.ndarray, width: int):
    eroded = ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
    assert (boundary(mask, width) == (mask & np.logical_not(eroded))).all()


def test_a_boundary_by_hand():
    ring = boundary(square(5, 3, 4), 1)
    assert ring.sum() == 25 - 9
    assert not ring[4:7, 5:8].any()
    assert boundary(square(5, 3, 4), 2).sum() == 25 - 1
    # the whole picture: its border is contour
    assert boundary(np.ones((6, 7), bool), 1).sum() == 6 * 7 - 4 * 5


@pytest.mark.parametrize(
    ("shape", "width"),
    [((30, 40), 1), ((300, 400), 10), ((5, 5), 1), ((64, 64), 2)],  # 0.02 * 50, * 500, * 7.07 = 0.14, * 90.5 = 1.8
)
def test_the_width_is_a_share_of_the_diagonal(shape: tuple[int, int], width: int):
    mask = np.ones(shape, bool)
    assert (boundary(mask) == boundary(mask, width)).all()
    assert boundary(mask).sum() == math.prod(shape) - math.prod(max(0, side - 2 * width) for side in shape)


def test_boundary_iou_of_one_pixel_to_the_side_by_hand():
    # rings of 16 pixels: of 5 columns each the upper and lower side share 4 + 4, and no column is shared whole:
    # a has columns 3 and 7, b 4 and 8; rows 4 to 6 share none. 8 / (16 + 16 - 8)
    a, b = square(5, 3, 3), square(5, 3, 4)
    assert boundary_iou(a, b, 1) == 8 / 24
    assert iou(a, b) == 20 / 30


@given(pair=PAIRS, width=WIDTHS)
def test_boundary_iou_is_symmetric_and_within_0_and_1(pair: tuple[np.ndarray, np.ndarray], width: int):
    a, b = pair
    assert boundary_iou(a, b, width) == boundary_iou(b, a, width)
    assert 0 <= boundary_iou(a, b, width) <= 1
    assert boundary_iou(a, a, width) == 1
    assert boundary_iou(a, b, max(a.shape)) == iou(a, b)


def test_boundary_iou_of_no_mask():
    nothing = np.zeros((6, 6), bool)
    assert boundary_iou(nothing, nothing) == 1
    assert boundary_iou(nothing, ~nothing) == 0


@given(labels=LABELS, width=WIDTHS)
def test_the_band_is_all_pixels_with_another_label_in_reach(labels: np.ndarray, width: int):
    height, wide = labels.shape
    expected = np.zeros(labels.shape, bool)
    for y, x in np.ndindex(height, wide):
        reach = labels[max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1]
        expected[y, x] = (reach != labels[y, x]).any()
    assert (edge_band(labels, width) == expected).all()


def test_the_band_of_two_halves_by_hand():
    truth = np.repeat([[0, 0, 0, 1, 1, 1]], 2, axis=0)
    assert edge_band(truth, 1).tolist() == [[False, False, True, True, False, False]] * 2
    assert not edge_band(np.zeros((4, 4), int), 3).any()
    # one pixel off: in the band of 4 columns IoU 2 / 3 and 1 / 2, on the whole picture 3 / 4 and 2 / 3
    found = np.repeat([[0, 0, 0, 0, 1, 1]], 2, axis=0)
    band = edge_band(truth, 2)
    assert mean_iou(confusion(truth[band], found[band], 2)) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert mean_iou(confusion(truth, found, 2)) == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_what_has_no_outline_is_refused():
    mask = np.ones((4, 4), bool)
    for width in (0, -1, 1.5):
        with pytest.raises(InputError, match="from 1 on"):
            boundary(mask, width)  # pyright: ignore[reportArgumentType]
        with pytest.raises(InputError, match="from 1 on"):
            edge_band(mask.astype(int), width)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="one mask at a time"):
        boundary(mask[None])
    with pytest.raises(InputError, match="one label map at a time"):
        edge_band(np.zeros((1, 4, 4), int), 1)
    with pytest.raises(InputError, match="mask of bool"):
        boundary(mask.astype(int))
    with pytest.raises(InputError, match="whole numbers"):
        edge_band(np.zeros((4, 4)), 1)
    with pytest.raises(InputError, match="resize"):
        boundary_iou(mask, mask[:3])
