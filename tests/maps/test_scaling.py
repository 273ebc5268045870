"""Stretching, sharing out, thresholds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from innerlight.maps import min_max, share, threshold
from innerlight.types import InputError

NUMBERS = st.lists(st.floats(-100, 100, width=32), min_size=6, max_size=6)


@given(numbers=NUMBERS)
def test_stretched_maps_run_from_0_to_1(numbers: list[float]):
    stretched = min_max(torch.tensor(numbers).view(1, 2, 3))
    if len(set(numbers)) == 1:
        assert not stretched.any()
    else:
        assert (stretched.min().item(), stretched.max().item()) == (0, 1)


def test_each_map_is_stretched_by_itself():
    maps = torch.tensor([[[1.0, 3.0]], [[5.0, 5.0]], [[-1.0, 1.0]]])
    assert min_max(maps).tolist() == [[[0, 1]], [[0, 0]], [[0, 1]]]


def test_shares_of_words_sum_to_almost_1():
    maps = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0)) + 0.1
    assert torch.allclose(share(maps).sum(0), torch.ones(4, 5), atol=1e-4)
    assert share(torch.tensor([[[3.0]], [[1.0]]]), eps=0.0).flatten().tolist() == [0.75, 0.25]
    assert not share(torch.zeros(2, 1, 1)).any()
    with pytest.raises(InputError, match="one a word"):
        share(torch.rand(4, 5))


@given(numbers=NUMBERS, low=st.floats(0, 1), step=st.floats(0, 1))
def test_masks_are_nested(numbers: list[float], low: float, step: float):
    map = torch.tensor(numbers).view(2, 3)
    outer, inner = threshold(map, low), threshold(map, low + step)
    assert outer.dtype == torch.bool
    assert not (inner & ~outer).any()
    assert threshold(map, 1.0).any() == (map.max() > 0)


def test_a_map_that_is_nowhere_above_0_has_no_mask():
    for map in (torch.zeros(2, 2), -torch.rand(2, 2) - 0.1):
        assert not threshold(map).any()


def test_thresholds_are_of_each_maps_own_maximum():
    maps = torch.tensor([[[1.0, 0.4, 0.39]], [[10.0, 4.0, 1.0]]])
    assert threshold(maps, 0.4).tolist() == [[[True, True, False]], [[True, True, False]]]


def test_an_impossible_threshold_is_refused():
    with pytest.raises(InputError, match="of_max"):
        threshold(torch.rand(2, 2), -0.1)
    with pytest.raises(InputError, match="of_max"):
        threshold(torch.rand(2, 2), float("nan"))
