"""The blur against scipy's; the centred map by its formula."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from innerlight.maps import centred_gaussian, gaussian_blur
from innerlight.types import InputError


def maps(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("sigma", "radius"), [(1.0, None), (0.6, None), (2.0, 3), (1.5, 0)])
def test_the_blur_is_scipys(sigma: float, radius: int | None):
    given_maps = maps(2, 12, 17)
    reach = round(4 * sigma) if radius is None else radius
    theirs = gaussian_filter(given_maps.numpy(), sigma, mode="mirror", radius=reach, axes=(1, 2))
    assert torch.allclose(gaussian_blur(given_maps, sigma, radius), torch.tensor(theirs), atol=1e-12)


@given(height=st.integers(1, 6), width=st.integers(1, 6), sigma=st.floats(0, 5))
def test_small_maps_are_blurred_as_far_as_they_reach(height: int, width: int, sigma: float):
    given_maps = maps(3, height, width)
    blurred = gaussian_blur(given_maps, sigma)
    assert blurred.shape == given_maps.shape
    assert (blurred.amin((1, 2)) >= given_maps.amin((1, 2)) - 1e-12).all()
    assert (blurred.amax((1, 2)) <= given_maps.amax((1, 2)) + 1e-12).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_dtype_stays_and_constants_too(dtype: torch.dtype):
    blurred = gaussian_blur(torch.full((2, 1, 5, 8), 0.5, dtype=dtype), 1.0)
    assert blurred.dtype == dtype
    assert torch.allclose(blurred, torch.tensor(0.5, dtype=dtype), atol=5e-3)


def test_no_sigma_is_no_blur():
    given_maps = maps(4, 4)
    assert torch.equal(gaussian_blur(given_maps, 0.0), given_maps)


def test_gradients_pass():
    given_maps = maps(4, 6).requires_grad_()
    gaussian_blur(given_maps, 1.0).sum().backward()
    assert given_maps.grad is not None
    assert given_maps.grad.sum() == pytest.approx(24)


@given(height=st.integers(1, 9), width=st.integers(1, 9), sigma=st.floats(0.05, 2))
def test_the_centred_map_is_highest_in_the_middle(height: int, width: int, sigma: float):
    centred = centred_gaussian((height, width), sigma)
    assert torch.allclose(centred, centred.flip(0, 1))
    assert centred.max().item() == pytest.approx(centred[(height - 1) // 2, (width - 1) // 2].item())


def test_the_centred_map_falls_by_shares_of_the_sides():
    centred = centred_gaussian((5, 10), sigma=0.2)
    assert centred[2, 4].item() == pytest.approx(math.exp(-((0.05 / 0.2) ** 2) / 2))
    assert centred[1, 4].item() == pytest.approx(math.exp(-((0.05 / 0.2) ** 2 + 1) / 2))


@pytest.mark.parametrize("sigma", [-1.0, math.nan, math.inf])
def test_impossible_widths_are_refused(sigma: float):
    with pytest.raises(InputError, match="sigma"):
        gaussian_blur(maps(4, 4), sigma)
    with pytest.raises(InputError, match="sigma"):
        centred_gaussian((4, 4), sigma)


def test_other_mistakes_are_refused():
    with pytest.raises(InputError, match="radius"):
        gaussian_blur(maps(4, 4), 1.0, -1)
    with pytest.raises(InputError, match="floats"):
        gaussian_blur(torch.ones(4, 4, dtype=torch.int64), 1.0)
    with pytest.raises(InputError, match="above 0"):
        centred_gaussian((4, 4), 0.0)
