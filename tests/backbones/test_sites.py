"""Sites of diffusers' UNet: where they say they are, in the order of execution, on tiny, odd and real networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from innerlight.backbones import Backbone, blank
from innerlight.backbones.building import build_unet
from innerlight.backbones.sites import sites_of
from innerlight.taps import Read, Sites, tapped
from innerlight.types import InputError

FAMILIES = ("sd15", "sd21", "sdxl")
ENTRY = ("incoming", "skip")
TINY = {"norm_num_groups": 4, "attention_head_dim": 2, "cross_attention_dim": 8, "sample_size": 16}
PLAIN, CROSS = ("DownBlock2D", "UpBlock2D"), ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D")


def odd(*, attention: tuple[bool, ...], **rest: Any) -> Any:
    """A UNet that is none of a family's; `attention` says which levels have it, from fine to coarse."""
    kinds = [CROSS if has else PLAIN for has in attention]
    blocks = {"down_block_types": [down for down, _ in kinds], "up_block_types": [up for _, up in reversed(kinds)]}
    widths = [8 * 2 ** min(level, 2) for level in range(len(attention))]
    return build_unet({"block_out_channels": widths, "layers_per_block": 1, **blocks, **TINY, **rest}).eval()


ODD = {
    "one level": lambda: odd(attention=(True,)),
    "no attention in the middle": lambda: odd(attention=(True, False), mid_block_type="UNetMidBlock2D"),
    "no middle": lambda: odd(attention=(False, True), mid_block_type=None),
    "three layers": lambda: odd(attention=(True, False, True), layers_per_block=3),
    "two transformers": lambda: odd(attention=(True, True), transformer_layers_per_block=2),
    "self attention reads text": lambda: odd(attention=(True, True), only_cross_attention=True),
    "attention only below": lambda: odd(attention=(False, False, True), sample_size=(16, 24)),
}


def networks() -> list[Any]:
    tiny = [pytest.param(lambda family=family: blank(family).unet, id=family) for family in FAMILIES]
    return [*tiny, *(pytest.param(make, id=name) for name, make in ODD.items())]


def run(unet: Any) -> None:
    """A pass on a rectangle."""
    wide = unet.config.cross_attention_dim
    more: dict[str, Any] = {}
    if unet.config.addition_embed_type:
        more["added_cond_kwargs"] = {"text_embeds": torch.zeros(1, 40), "time_ids": torch.zeros(1, 6)}
    with torch.no_grad():
        unet(torch.randn(1, 4, 16, 24), 500, encoder_hidden_states=torch.randn(1, 5, wide), **more)


@pytest.mark.parametrize("make", networks())
def test_the_order_is_that_of_a_traced_forward(make: Any):
    """What enters a block is there when it begins; everything else when its module is done."""
    unet = make()
    sites = sites_of(unet)
    traced: list[str] = []
    handles = []
    for site in sites.values():
        module = unet.get_submodule(site.path)
        if site.kind in ENTRY:
            handles.append(module.register_forward_pre_hook(lambda *rest, name=site.name: traced.append(name)))
        else:
            handles.append(module.register_forward_hook(lambda *rest, name=site.name: traced.append(name)))
    run(unet)
    for handle in handles:
        handle.remove()
    assert traced == list(sites)
    assert len(set(sites)) == len(sites) == len({site.order for site in sites.values()})


@pytest.mark.parametrize("make", networks())
def test_every_attention_layer_and_every_block_has_a_site(make: Any):
    unet = make()
    sites = sites_of(unet)
    attentions = [name for name, module in unet.named_modules() if type(module).__name__ == "Attention"]
    assert sorted(site.path for site in sites.values() if site.heads) == sorted(attentions)
    convolutions = [name for name, module in unet.named_modules() if type(module).__name__ == "ResnetBlock2D"]
    assert sorted(site.path for site in sites.values() if site.kind == "residual") == sorted(
        f"{name}.conv2" for name in convolutions
    )
    blocks = len(unet.down_blocks) + len(unet.up_blocks) + (unet.mid_block is not None)
    assert sum(site.kind == "output" for site in sites.values()) == blocks
    assert sum(site.kind == "skip" for site in sites.values()) == len(unet.up_blocks) * len(unet.up_blocks[0].resnets)
    assert sum(site.kind == "incoming" for site in sites.values()) == len(unet.up_blocks)


@pytest.mark.parametrize("make", networks())
def test_width_heads_and_grid_are_what_is_found_there(make: Any):
    unet = make()
    sites = sites_of(unet)
    features, inputs = Read(["*.residual", "*.output", "*.incoming", "*.skip"]), Read(["*.self", "*.text"], "heads")
    items = [features, inputs] if any(site.heads for site in sites.values()) else [features]
    with tapped(sites, *items) as seen:
        run(unet)
    for name, value in seen[features].items():
        assert value.shape == (1, sites[name].width, *sites[name].grid((16, 24))), name
    for name, value in (seen[inputs] if len(items) == 2 else {}).items():
        rows, columns = sites[name].grid((16, 24))
        assert value.q.shape == (1, sites[name].heads, rows * columns, sites[name].width // sites[name].heads), name
        assert value.k.shape[2] == (5 if sites[name].kind == "text" else rows * columns), name


@pytest.mark.parametrize("make", networks())
def test_a_block_takes_its_incoming_state_and_its_skips_in_the_order_of_their_names(make: Any):
    """The input of a residual block of the decoder is a state and a skip side by side."""
    unet = make()
    sites = sites_of(unet)
    read, given = Read(["*.incoming", "*.skip"]), {}
    handles = []
    for site in sites.values():
        if site.branch == "up" and site.kind == "residual":
            resnet = unet.get_submodule(site.path.removesuffix(".conv2"))
            handles.append(
                resnet.register_forward_pre_hook(lambda m, args, name=site.name: given.__setitem__(name, args[0]))
            )
    with tapped(sites, read) as seen:
        run(unet)
    for handle in handles:
        handle.remove()
    assert given
    for name, value in given.items():
        skip = seen[read][name.replace("residual", "skip")]
        assert torch.equal(value[:, -skip.shape[1] :], skip), name
        state = seen[read].get(name.replace("residual", "incoming"))
        if state is not None:
            assert torch.equal(value[:, : state.shape[1]], state), name


def test_an_unknown_block_is_refused_by_name():
    unet = odd(attention=(True, True))
    unet.up_blocks[0].__class__.__name__, before = "SpecialBlock", type(unet.up_blocks[0]).__name__
    try:
        with pytest.raises(InputError, match=r"up_blocks\.0 is a SpecialBlock; known blocks are DownBlock2D, Cross"):
            sites_of(unet)
    finally:
        unet.up_blocks[0].__class__.__name__ = before


def test_the_default_size_is_that_of_the_network():
    assert sites_of(odd(attention=(True,), sample_size=(16, 24))).latent == (16, 24)
    assert sites_of(odd(attention=(True,), sample_size=None)).latent == (64, 64)


# The published networks, without weights


@pytest.fixture(scope="module")
def real() -> dict[str, Backbone]:
    return {family: blank(family, "real", device="meta") for family in FAMILIES}


def levels(sites: Sites, kind: str, branch: str) -> list[int]:
    return [site.stride for site in sites.values() if (site.kind, site.branch) == (kind, branch)]


def test_the_atlas_of_stable_diffusion_1_5(real: dict[str, Backbone]):
    """The table of the method cards: 16 transformer blocks, numbered in the order of execution."""
    sites = real["sd15"].sites
    assert sites.latent == (64, 64)
    for kind in ("self", "text"):
        assert levels(sites, kind, "down") == [1, 1, 2, 2, 4, 4]
        assert levels(sites, kind, "mid") == [8]
        assert levels(sites, kind, "up") == [4, 4, 4, 2, 2, 2, 1, 1, 1]
    grids = {site.grid(sites.latent) for site in sites.select(["*.self", "*.text"])}
    assert grids == {(64, 64), (32, 32), (16, 16), (8, 8)}
    assert {(site.stride, site.width, site.heads) for site in sites.select("*.self")} == {
        (1, 320, 8), (2, 640, 8), (4, 1280, 8), (8, 1280, 8),
    }  # fmt: skip
    roles = {role: [site.name for site in sites.role(role)] for role in ("semantic", "appearance", "layout", "match")}
    assert roles["semantic"] == [f"up.s4.{n}.{kind}" for n in range(3) for kind in ("self", "text")]
    assert {site.grid(sites.latent) for site in sites.role("semantic")} == {(16, 16)}
    assert roles["appearance"] == [f"up.s1.{n}.{kind}" for n in range(3) for kind in ("self", "text")]
    assert roles["layout"] == [f"up.s{stride}.{n}.self" for stride in (4, 2, 1) for n in range(3)]
    assert roles["match"] == ["up.s4.0.output"]
    assert sites["up.s4.0.output"].grid(sites.latent) == (32, 32)
    assert sites["up.s4.0.output"].path == "up_blocks.1"
    assert sites["up.s4.1.residual"].path == "up_blocks.1.resnets.1.conv2", "output_block_4, which Plug-and-Play takes"


def test_the_atlas_of_stable_diffusion_2_1(real: dict[str, Backbone]):
    sites = real["sd21"].sites
    assert sites.latent == (96, 96)
    assert len(sites.select("*.self")) == len(sites.select("*.text")) == 16
    assert {(site.stride, site.heads) for site in sites.select("*.text")} == {(1, 5), (2, 10), (4, 20), (8, 20)}
    assert {site.grid(sites.latent) for site in sites.role("semantic")} == {(24, 24)}
    assert sites.role("match")[0].grid(sites.latent) == (48, 48)


def test_the_atlas_of_stable_diffusion_xl(real: dict[str, Backbone]):
    sites = real["sdxl"].sites
    assert sites.latent == (128, 128)
    assert levels(sites, "text", "down") == [2] * 4 + [4] * 20
    assert levels(sites, "text", "mid") == [4] * 10
    assert levels(sites, "text", "up") == [4] * 30 + [2] * 6
    assert len(sites.select("*.text")) == len(sites.select("*.self")) == 70
    assert not any(site.heads for site in sites.values() if site.stride == 1), "none at the top level"
    assert {site.grid(sites.latent) for site in sites.role("semantic")} == {(32, 32)}
    assert {site.stride for site in sites.role("appearance")} == {2}
    assert sites.role("match")[0].grid(sites.latent) == (64, 64)


def test_a_networks_table_names_every_site(real: dict[str, Backbone]):
    for backbone in real.values():
        table = str(backbone.sites)
        assert all(name in table for name in backbone.sites)
        assert "semantic layout" in table
        assert "match" in table


def test_the_atlas_prints_as_a_table():
    import innerlight

    table = str(innerlight.atlas(blank("sdxl", "real", device="meta"))).splitlines()
    assert table[0].split() == ["site", "grid", "width", "heads", "roles"]
    assert any(line.split() == ["up.s4.0.self", "32", "x", "32", "1280", "20", "semantic", "layout"] for line in table)
