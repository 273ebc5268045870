"""Maps on other grids: torch's own resizing, any number of axes, any dtype."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from innerlight.maps import resize
from innerlight.types import InputError

SIDES = st.integers(1, 9)


def maps(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
@given(size=st.tuples(SIDES, SIDES))
def test_smooth_resizing_is_torchs(how, size: tuple[int, int]):
    given_maps = maps(2, 3, 4, 7)
    theirs = F.interpolate(given_maps, size=size, mode=how, align_corners=False, antialias=False)
    assert torch.equal(resize(given_maps, size, how), theirs)


@given(size=st.tuples(SIDES, SIDES), grid=st.tuples(SIDES, SIDES))
def test_nearest_takes_the_cell_under_the_centre(size: tuple[int, int], grid: tuple[int, int]):
    given_maps = maps(1, 1, *grid)
    assert torch.equal(resize(given_maps, size, "nearest"), F.interpolate(given_maps, size=size, mode="nearest-exact"))


def test_nearest_repeats_whole_cells():
    assert resize(torch.tensor([[1, 2]]), (2, 4), "nearest").tolist() == [[1, 1, 2, 2]] * 2


@given(axes=st.lists(st.integers(0, 3), max_size=3))
def test_leading_axes_stay(axes: list[int]):
    assert resize(maps(*axes, 3, 5), (6, 4)).shape == (*axes, 6, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("how", ["bilinear", "bicubic", "nearest"])
def test_the_dtype_stays(dtype: torch.dtype, how):
    assert resize(maps(3, 5).to(dtype), (4, 9), how).dtype == dtype


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_labels_and_masks_are_resized_by_nearest_only(dtype: torch.dtype):
    labels = torch.tensor([[0, 1], [1, 0]], dtype=dtype)
    assert resize(labels, (4, 4), "nearest").dtype == dtype
    with pytest.raises(InputError, match="nearest"):
        resize(labels, (4, 4))


@given(size=st.tuples(SIDES, SIDES), how=st.sampled_from(["bilinear", "bicubic", "nearest"]))
def test_constants_stay(size: tuple[int, int], how):
    assert torch.allclose(resize(torch.full((3, 5), 0.7), size, how), torch.tensor(0.7))


def test_it_is_linear():
    one, other = maps(2, 4, 6)
    summed = resize(one + 2 * other, (9, 5), "bicubic")
    assert torch.allclose(summed, resize(one, (9, 5), "bicubic") + 2 * resize(other, (9, 5), "bicubic"), atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"maps": torch.rand(4)}, r"\(4,\)"),
        ({"maps": torch.rand(2, 0, 4)}, "at least one cell"),
        ({"size": (0, 4)}, "height, width"),
        ({"size": (4,)}, "height, width"),
        ({"size": (4.0, 4)}, "height, width"),
        ({"how": "area"}, "bilinear, bicubic, nearest"),
    ],
)
def test_what_cannot_be_resized_is_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        resize(**{"maps": torch.rand(2, 3), "size": (4, 4)} | wrong)
