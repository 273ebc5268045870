"""How well outlines fit: boundary IoU, and bands along the edges of a label map."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from innerlight.metrics.label_maps import _labels
from innerlight.metrics.masks import _mask, iou
from innerlight.types import InputError

BOUNDARY_SHARE = 0.02  # of the diagonal; Cheng et al. 2021, arXiv:2103.16562


def boundary(mask: ArrayLike, width: int | None = None) -> NDArray[np.bool_]:
    """Pixels (h, w) of the mask within `width` of its contour; the border of the picture is contour too.

    The mask minus `width` erosions by 3 x 3 pixels; left out, the width is 0.02 of the picture's diagonal.
    """
    inside = _mask("mask", mask)
    if inside.ndim != 2 or not inside.size:
        raise InputError(f"mask: expected (h, w), got {inside.shape}; give one mask at a time")
    if width is None:
        width = max(1, round(BOUNDARY_SHARE * math.hypot(*inside.shape)))
    _refuse_narrow(width)
    steps = np.asarray(ndimage.distance_transform_cdt(np.pad(inside, 1), metric="chessboard"))  # to the next outside
    return inside & (steps[1:-1, 1:-1] <= width)  # a pixel at `steps` falls to the erosion of that number


def boundary_iou(a: ArrayLike, b: ArrayLike, width: int | None = None) -> float:
    """Intersection over union of two masks' boundaries (Cheng et al. 2021); 1 where both masks are empty."""
    return iou(boundary(a, width), boundary(b, width))


def edge_band(labels: ArrayLike, width: int) -> NDArray[np.bool_]:
    """Pixels (h, w) within `width` of an edge between two labels, on either side, diagonals as near as straight ways.

    The mean IoU of the band is that of `confusion(truth[band], predicted[band], ...)`, the band taken from the truth.
    A label to ignore is one like others here: its edges have bands.
    """
    _refuse_narrow(width)
    numbers = _labels("labels", labels)
    if numbers.ndim != 2 or not numbers.size:
        raise InputError(f"labels: expected (h, w), got {numbers.shape}; give one label map at a time")
    window = 2 * width + 1  # what lies outside the picture repeats its border, so it adds no edge
    highest = ndimage.maximum_filter(numbers, window, mode="nearest")
    return highest != ndimage.minimum_filter(numbers, window, mode="nearest")


def _refuse_narrow(width: int) -> None:
    if not isinstance(width, int | np.integer) or width < 1:
        raise InputError(f"width: expected a whole number of pixels from 1 on, got {width!r}")
