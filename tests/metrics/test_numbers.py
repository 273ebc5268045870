"""Decibels and entropy: by hand, against scikit-image and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from skimage.metrics import peak_signal_noise_ratio

from innerlight.metrics import entropy, psnr
from innerlight.types import InputError


def test_psnr_by_hand():
    black = np.zeros((2, 3, 3), np.uint8)
    assert psnr(black, black) == math.inf
    assert psnr(black, black + 255) == 0
    assert psnr(np.zeros(4), np.full(4, 0.1), top=1.0) == pytest.approx(20)
    assert psnr(black, black + 1) == pytest.approx(20 * math.log10(255))


@given(seed=st.integers(0, 99), floats=st.booleans())
def test_psnr_is_scikit_images(seed: int, floats: bool):
    a, b = np.random.default_rng(seed).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    if floats:
        a, b = a / 255, b / 255
    top = 1.0 if floats else None
    assert psnr(a, b, top=top) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=top or 255))
    assert psnr(a, b, top=top) == psnr(b, a, top=top)


def test_pictures_that_cannot_be_compared_are_refused():
    grey = np.zeros((2, 2), np.uint8)
    for other in (grey / 255, grey.astype(np.int64)):
        with pytest.raises(InputError, match="such as top="):
            psnr(grey, other)
    with pytest.raises(InputError, match="one shape"):
        psnr(grey, grey[:1])
    with pytest.raises(InputError, match="above 0"):
        psnr(grey, grey, top=0)


def test_entropy_by_hand():
    fair = entropy([5, 5])
    assert fair.nats == pytest.approx(math.log(2))
    assert fair.normalised == pytest.approx(1)
    assert (fair.kinds, fair.total) == (2, 10)
    certain = entropy([0, 7, 0])
    assert (certain.nats, certain.normalised) == (0, 0)
    assert entropy([3]).normalised == 0
    assert math.isnan(entropy([0, 0]).nats)
    assert math.isnan(entropy([0, 0]).normalised)


@given(counts=st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any))
def test_entropy_is_scipys(counts: list[int]):
    found = entropy(counts)
    assert found.nats == pytest.approx(stats.entropy(counts), abs=1e-12)
    assert 0 <= found.normalised <= 1 + 1e-12
    assert entropy([3 * count for count in counts]).nats == pytest.approx(found.nats)


@pytest.mark.parametrize("counts", [[], [-1, 2], [math.nan], [[1, 2], [3, 4]]])
def test_what_is_no_count_is_refused(counts: list):
    with pytest.raises(InputError, match="counts"):
        entropy(counts)
