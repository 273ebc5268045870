"""What a label costs at a pixel, in nats: from labels that are trusted so far, or from scores."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.types import InputError

LEAST_SHARE = 1e-6  # a label of score 0 is taken to be this likely, so that no cost is infinite


def costs_of_labels(labels: ArrayLike, confidence: float) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """The labels (k,) that occur in a map (h, w), and their costs (k, h, w).

    The label given at a pixel is taken to be right with probability `confidence`, the others share the rest.
    """
    values, indices = np.unique(checked_labels(labels), return_inverse=True)
    indices = indices.reshape(np.shape(labels))
    if len(values) == 1:
        return values, np.zeros((1, *indices.shape))
    if not (math.isfinite(confidence) and 1 / len(values) < confidence < 1):
        raise InputError(
            f"confidence: expected a probability between 1 / {len(values)}, guessing among the labels given, "
            f"and 1, got {confidence!r}"
        )
    dear, cheap = -math.log((1 - confidence) / (len(values) - 1)), -math.log(confidence)
    given = indices == np.arange(len(values))[:, None, None]  # (k, h, w)
    return values, np.where(given, cheap, dear)


def costs_of_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Scores (k, h, w) from 0 on as costs: -log of each label's share of its pixel. Where all are 0, all cost the same.

    A share below a millionth counts as a millionth.
    """
    given = np.asarray(scores)
    if given.ndim != 3 or 0 in given.shape or given.dtype.kind != "f":
        raise InputError(f"scores: expected floats (labels, h, w), got {given.dtype} {given.shape}")
    given = given.astype(np.float64)
    if not (np.isfinite(given).all() and (given >= 0).all()):
        low, high = given.min(), given.max()
        raise InputError(f"scores: expected finite numbers from 0 on, got {low:g} to {high:g}; take softmax of logits")
    total = given.sum(0)
    shares = np.where(total > 0, given, 1) / np.where(total > 0, total, len(given))
    return -np.log(np.maximum(shares, LEAST_SHARE))


def checked_labels(labels: ArrayLike) -> NDArray[np.generic]:
    """`labels`, if they are a map of whole numbers or a mask."""
    given = np.asarray(labels)
    if given.ndim != 2 or not given.size or given.dtype.kind not in "iub":
        raise InputError(f"labels: expected whole numbers (h, w), got {given.dtype} {given.shape}")
    return given


def checked_costs(costs: ArrayLike) -> NDArray[np.float64]:
    """`costs`, if there is a finite one for each label at each pixel."""
    given = np.asarray(costs)
    if given.ndim != 3 or 0 in given.shape or given.dtype.kind not in "fiu":
        raise InputError(f"costs: expected numbers (labels, h, w), got {given.dtype} {given.shape}")
    if not np.isfinite(given).all():
        raise InputError(
            "costs: expected finite numbers, got nan or infinity; put a large number for what is ruled out"
        )
    return given.astype(np.float64)


def checked_picture(picture: ArrayLike, size: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
    """`picture`, if it is (h, w, 3) of bytes and of the `size` (h, w) given."""
    given = np.asarray(picture)
    if given.ndim != 3 or given.shape[2] != 3 or not given.size or given.dtype != np.uint8:
        raise InputError(f"picture: expected uint8 (h, w, 3), got {given.dtype} {given.shape}")
    if size is not None and given.shape[:2] != tuple(size):
        raise InputError(
            f"the picture is {given.shape[:2]} and the labels are {tuple(size)}; "
            'bring the labels to its size first, as by innerlight.maps.resize(..., how="nearest")'
        )
    return given
