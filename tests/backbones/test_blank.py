"""Networks of a family with random weights: the same for a seed, a true copy of the family's features, wider ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from innerlight.backbones import Backbone, NotFiniteError, blank, widen_input
from innerlight.taps import Moment, Read, Rows, Write, tapped
from innerlight.types import InputError, NotFoundError

FAMILIES = ("sd15", "sd21", "sdxl")


@pytest.fixture(scope="module", params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    torch.set_num_threads(1)
    return blank(request.param)


def noise(backbone: Backbone, latents: torch.Tensor | None = None) -> torch.Tensor:
    if latents is None:
        latents = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return backbone.denoise(latents, 500, backbone.embed(["a cat", ""]), Moment(rows=Rows(("cond", "uncond"))))


def test_a_seed_is_a_model(backbone: Backbone):
    family = {"sd1": "sd15", "sd2": "sd21"}.get(backbone.family, backbone.family)
    state = torch.random.get_rng_state()
    again, other = blank(family), blank(family, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state), "nobody else's randomness is used up"
    assert torch.equal(noise(again), noise(backbone))
    assert not torch.equal(noise(other), noise(backbone))
    assert again.hash == backbone.hash != other.hash


def test_it_is_frozen_and_at_rest(backbone: Backbone):
    for module in (backbone.unet, backbone.vae, *(text.model for text in backbone.texts)):
        assert not module.training
        assert not any(parameter.requires_grad for parameter in module.parameters())


def test_it_has_what_its_family_has():
    one, two, large = (blank(family) for family in FAMILIES)
    assert [backbone.prediction for backbone in (one, two, large)] == ["epsilon", "v_prediction", "epsilon"]
    assert [len(backbone.texts) for backbone in (one, two, large)] == [1, 1, 2]
    assert large.embed("a").pooled is not None
    assert one.embed("a").pooled is None
    assert large.unconditional().states.abs().max() == 0, "of no prompt SDXL is told nothing"
    assert one.unconditional().states.abs().max() > 0
    heads = [{site.width // site.heads for site in backbone.sites.select("*.self")} for backbone in (one, two)]
    assert heads == [{8, 16}, {8}], "a fixed number of heads, and a fixed width of each"
    sites = large.sites
    assert not any(site.heads for site in sites.values() if site.stride == 1)
    assert len(sites.select("semantic.text")) > len(one.sites.select("semantic.text")), "more transformers below"


def test_pictures_go_in_and_out_on_a_rectangle(backbone: Backbone):
    latents = backbone.encode(torch.randint(0, 256, (64, 96, 3), dtype=torch.uint8).numpy(), (64, 96))
    assert latents.shape == (1, 4, 16, 24)
    assert backbone.decode(latents)[0].size == (96, 64)
    with pytest.raises(NotFiniteError, match="decoder"):
        backbone.decode(latents * torch.nan)


@pytest.mark.parametrize(("family", "scale"), [("sd3", "tiny"), ("", "tiny"), ("sd15", "huge")])
def test_unknown_families_are_refused_with_the_known_ones(family: str, scale: Any):
    with pytest.raises(NotFoundError, match="sd15, sd21, sdxl and real or tiny"):
        blank(family, scale)


def test_the_real_shapes_weigh_nothing_on_meta():
    backbone = blank("sd15", "real", device="meta")
    assert backbone.device.type == "meta"
    assert sum(parameter.numel() for parameter in backbone.unet.parameters()) == 859_520_964
    assert backbone.size == (512, 512)


@pytest.mark.parametrize(("latent", "semantic"), [(16, {2}), (32, {4}), (64, {4})])
def test_another_default_size_moves_the_semantic_level(latent: int, semantic: set[int]):
    backbone = blank("sd15", latent=latent)
    assert backbone.sites.latent == (latent, latent)
    assert {site.stride for site in backbone.sites.role("semantic")} == semantic


def test_a_copy_is_another_model(backbone: Backbone):
    other, plain = backbone.copy(), noise(backbone)
    with torch.no_grad():
        other.unet.conv_in.weight.mul_(2)
    assert torch.equal(noise(backbone), plain)
    assert not torch.equal(noise(other), plain)
    read = Read("semantic.self", "input")
    with tapped(other.sites, read) as seen:
        noise(backbone)
        assert len(seen[read]) == 0, "sites of the copy are the copy's"
        noise(other)
    assert len(seen[read]) > 0


# A wider first convolution


def test_more_channels_count_for_nothing_until_they_are_trained(backbone: Backbone):
    before = {name: value.clone() for name, value in backbone.unet.state_dict().items()}
    wider, plain = widen_input(backbone, 5), noise(backbone)
    latents = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    more = torch.cat([latents, 100 * torch.randn(2, 5, 8, 12)], 1)
    assert torch.allclose(noise(wider, more), plain, atol=1e-6)
    with torch.no_grad():
        wider.unet.conv_in.weight[:, 4:] = 1
    assert wider.unet.config.in_channels == 9
    assert backbone.unet.config.in_channels == 4
    assert all(torch.equal(value, before[name]) for name, value in backbone.unet.state_dict().items())
    assert not torch.allclose(noise(wider, more), plain, atol=1e-3)


def test_a_second_convolution_is_a_wider_one(backbone: Backbone):
    """A stream of its own beside the latents: convolutions add up."""
    wider = widen_input(backbone, 3)
    second = torch.nn.Conv2d(3, wider.unet.conv_in.out_channels, 3, padding=1, bias=False)
    latents, stream = torch.randn(2, 4, 8, 12), torch.randn(2, 3, 8, 12)
    with torch.no_grad():
        wider.unet.conv_in.weight[:, 4:] = second.weight
        together = noise(wider, torch.cat([latents, stream], 1))
        with backbone.unet.conv_in.register_forward_hook(lambda module, args, output: output + second(stream)):
            apart = noise(backbone, latents)
    assert torch.allclose(together, apart, atol=1e-5)


def test_taps_work_on_a_wider_network(backbone: Backbone):
    wider, read = widen_input(backbone, 1), Read("match")
    latents = torch.randn(2, 5, 8, 12)
    with torch.no_grad(), tapped(wider.sites, read, Write("*.self", "mixed", lambda view: view.own), stop=True) as seen:
        wider.denoise(latents, 500, wider.embed(["a", "b"]))
    assert len(seen[read]) == 1


# Contexts


def test_contexts_are_taken_and_joined_by_rows(backbone: Backbone):
    from innerlight.backbones import Context

    context = backbone.embed(["a cat", "a red dog", ""])
    assert len(context) == 3
    again = Context.join([context.take([0]), context.take([1, 2])])
    turned = context.take([2, 0])
    for name in ("states", "pooled", "sizes"):
        value = getattr(context, name)
        if value is not None:
            assert torch.equal(getattr(again, name), value)
            assert torch.equal(getattr(turned, name), value[[2, 0]])
    assert again.tokens == context.tokens
    assert turned.tokens == (context.tokens[2], context.tokens[0])
    assert torch.equal(context.with_states(context.states * 2).states, context.states * 2)
    assert replace(context).pooled is context.pooled


def test_as_many_contexts_as_latents(backbone: Backbone):
    with pytest.raises(InputError, match="expected 2 rows, one for each latent, got 1"):
        backbone.denoise(torch.zeros(2, 4, 8, 8), 500, backbone.embed("a"))
