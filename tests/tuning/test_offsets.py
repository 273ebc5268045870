"""Offsets of weights: as if the weights were others, trainable, fused, and gone without a trace."""

from __future__ import annotations

import pytest
import torch

from innerlight.backbones import Backbone, blank
from innerlight.tuning.offsets import Offset, fused, offset
from innerlight.types import InputError, NotFoundError

FAMILIES = ("sd15", "sd21", "sdxl")


def keys_of(backbone: Backbone) -> list[str]:
    return [f"{site.path}.to_k" for site in backbone.sites.values() if site.kind == "text"]


def noise_of(backbone: Backbone) -> torch.Tensor:
    latents = torch.randn(2, 4, 16, 24, generator=torch.Generator().manual_seed(0))
    return backbone.denoise(latents, 500, backbone.embed(["a cat", "a red frog"]))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("multiplies", [False, True])
def test_an_offset_is_other_weights(family: str, multiplies: bool):
    backbone = blank(family)
    generator = torch.Generator().manual_seed(1)
    paths = keys_of(backbone)
    shapes = {path: backbone.unet.get_submodule(path).weight.shape for path in paths}
    offsets = {p: Offset(torch.randn(s, generator=generator) / 10, multiplies) for p, s in shapes.items()}
    before = {name: value.clone() for name, value in backbone.unet.state_dict().items()}
    with torch.no_grad():
        plain = noise_of(backbone)
        with offset(backbone.unet, offsets):
            hooked = noise_of(backbone)
        with fused(backbone.unet, offsets):
            inside = noise_of(backbone)
        again = noise_of(backbone)
    assert (hooked - plain).abs().max() > 1e-4
    assert torch.allclose(hooked, inside, atol=1e-5)
    assert torch.equal(again, plain)
    assert all(torch.equal(value, before[name]) for name, value in backbone.unet.state_dict().items())


def test_gradients_reach_the_offsets_alone():
    backbone = blank("sd15")
    path = keys_of(backbone)[0]
    delta = torch.zeros_like(backbone.unet.get_submodule(path).weight).requires_grad_()
    with offset(backbone.unet, {path: Offset(delta)}):
        noise_of(backbone).square().sum().backward()
    assert delta.grad is not None
    assert delta.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in backbone.unet.parameters())


def test_weights_come_back_after_an_error():
    backbone = blank("sd15")
    path = keys_of(backbone)[0]
    weight = backbone.unet.get_submodule(path).weight
    before = weight.clone()
    with pytest.raises(RuntimeError, match="on purpose"), fused(backbone.unet, {path: Offset(torch.ones_like(weight))}):
        raise RuntimeError("on purpose")
    assert torch.equal(weight, before)


def test_what_is_no_linear_layer_is_refused():
    backbone = blank("sd15")
    one = Offset(torch.zeros(1, 1))
    with pytest.raises(NotFoundError, match="no layer"), offset(backbone.unet, {"nowhere": one}):
        pass
    with pytest.raises(InputError, match="linear"), offset(backbone.unet, {"conv_in": one}):
        pass
    with pytest.raises(InputError, match="expected an offset of"), offset(backbone.unet, {keys_of(backbone)[0]: one}):
        pass
