"""Levels of self-attention as one map: against a second, plain writing of DiffSeg's steps 3 and 4."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from innerlight.maps import combine_levels
from innerlight.types import InputError


def attention(h: int, w: int, seed: int = 0) -> torch.Tensor:
    logits = torch.randn(h * w, h * w, generator=torch.Generator().manual_seed(seed))
    return logits.mul(3).softmax(1)


def plainly(maps: dict, size: tuple[int, int], weights: dict) -> torch.Tensor:
    """Query by query, key plane by key plane; sides must divide."""
    height, width = size
    total = torch.zeros(height * width, height * width)
    for (h, w), level in maps.items():
        for y in range(height):
            for x in range(width):
                plane = level[(y * h // height) * w + x * w // width].view(1, 1, h, w)
                wide = F.interpolate(plane, size=size, mode="bilinear")[0, 0]
                total[y * width + x] += weights[h, w] / sum(weights.values()) * (wide / wide.sum()).flatten()
    return total


def test_it_is_the_plain_writing_on_a_rectangle():
    maps = {(4, 6): attention(4, 6), (2, 3): attention(2, 3, 1), (1, 1): attention(1, 1)}
    weights = {(4, 6): 3.0, (2, 3): 0.5, (1, 1): 0.0}
    assert torch.allclose(combine_levels(maps, (8, 12), weights), plainly(maps, (8, 12), weights), atol=1e-6)


def test_levels_weigh_by_their_side():
    maps = {(8, 8): attention(8, 8), (4, 4): attention(4, 4)}
    weighed = combine_levels(maps, (8, 8), {(8, 8): 64, (4, 4): 32})
    assert torch.allclose(combine_levels(maps, (8, 8)), weighed, atol=1e-7)


def test_one_level_at_full_size_is_itself_however_often_it_was_summed():
    level = attention(3, 5)
    assert torch.allclose(combine_levels({(3, 5): level}, (3, 5)), level, atol=1e-7)
    assert torch.allclose(combine_levels({(3, 5): 16 * level}, (3, 5)), level, atol=1e-7)


@given(
    grids=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=3, unique=True),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    half=st.booleans(),
)
def test_rows_are_distributions_on_any_grids(grids: list[tuple[int, int]], size: tuple[int, int], half: bool):
    maps = {(h, w): attention(h, w).to(torch.float16 if half else torch.float32) for h, w in grids}
    combined = combine_levels(maps, size)
    assert combined.dtype == torch.float32
    assert combined.shape == (size[0] * size[1],) * 2
    assert (combined >= 0).all()
    assert torch.allclose(combined.sum(1), torch.ones(len(combined)), atol=1e-5)


def test_double_precision_stays():
    assert combine_levels({(2, 2): attention(2, 2).double()}, (4, 4)).dtype == torch.float64


def test_gradients_pass_and_inputs_stay():
    level = attention(2, 2).requires_grad_()
    before = level.detach().clone()
    combine_levels({(2, 2): level}, (4, 4))[0, 0].backward()
    assert level.grad is not None
    assert level.grad.any()
    assert torch.equal(level, before)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"maps": {}}, "at least one level"),
        ({"maps": {(2, 3): torch.rand(4, 4)}}, r"expected attention \(6, 6\)"),
        ({"maps": {(2, 2): torch.zeros(4, 4)}}, "attends to nothing"),
        ({"maps": {(2, 2): torch.full((4, 4), torch.nan)}}, "nan"),
        ({"weights": {(4, 4): 1.0}}, "one for each"),
        ({"weights": {(2, 2): 0.0}}, "not all 0"),
        ({"weights": {(2, 2): -1.0}}, "from 0 on"),
        ({"size": (0, 1)}, "height, width"),
    ],
)
def test_mistakes_are_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        combine_levels(**{"maps": {(2, 2): attention(2, 2)}, "size": (4, 4)} | wrong)
