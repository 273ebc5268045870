"""Which module of diffusers' conditional UNet is which site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from innerlight.taps import Site, Sites
from innerlight.types import InputError

BLOCKS = (
    "DownBlock2D",
    "CrossAttnDownBlock2D",
    "UNetMidBlock2DCrossAttn",
    "UNetMidBlock2D",
    "UpBlock2D",
    "CrossAttnUpBlock2D",
)


def sites_of(unet: Any) -> Sites:
    """All sites of a UNet2DConditionModel, in the order of execution."""
    coarsest = 2 ** (len(unet.down_blocks) - 1)
    found: list[dict[str, Any]] = []
    for level, block in enumerate(unet.down_blocks):
        found += _block("down", 2**level, block, f"down_blocks.{level}")
    if unet.mid_block is not None:
        found += _block("mid", coarsest, unet.mid_block, "mid_block")
    for level, block in enumerate(unet.up_blocks):
        found += _block("up", coarsest // 2**level, block, f"up_blocks.{level}", incoming=found[-1]["width"])
    counts: Counter[tuple[str, int, str]] = Counter()
    sites = []
    for order, entry in enumerate(found):
        key = (entry["branch"], entry["stride"], entry["kind"])
        sites.append(Site(**entry, ordinal=counts[key], order=order))
        counts[key] += 1
    side = unet.config.sample_size or 64
    return Sites(unet, sites, tuple(side) if isinstance(side, list | tuple) else (side, side))


def _block(branch: str, stride: int, block: Any, path: str, incoming: int = 0) -> Iterator[dict[str, Any]]:
    """Sites of one block; `incoming` channels enter an up block from below."""
    if type(block).__name__ not in BLOCKS:
        raise InputError(f"{path} is a {type(block).__name__}; known blocks are {', '.join(BLOCKS)}")

    def site(kind: str, width: int, where: str, heads: int = 0, grid: int = stride) -> dict[str, Any]:
        named = {"kind": kind, "width": width, "path": where, "heads": heads, "grid_stride": grid}
        return {"branch": branch, "stride": stride, **named}

    attentions = list(getattr(block, "attentions", None) or [])
    if branch == "up":  # what enters a block is there before anything in it runs
        yield site("incoming", incoming, path)
        below = [incoming, *(resnet.out_channels for resnet in block.resnets)]
        for resnet, width in zip(block.resnets, below, strict=False):
            yield site("skip", resnet.in_channels - width, path)
    for number, resnet in enumerate(block.resnets):
        if branch == "mid" and 0 < number <= len(attentions):  # it begins with a resnet, then goes by pairs
            yield from _attention(site, attentions[number - 1], f"{path}.attentions.{number - 1}")
        yield site("residual", resnet.out_channels, f"{path}.resnets.{number}.conv2")
        if branch != "mid" and number < len(attentions):
            yield from _attention(site, attentions[number], f"{path}.attentions.{number}")
    finer, coarser = getattr(block, "upsamplers", None), getattr(block, "downsamplers", None)
    yield site(
        "output", block.resnets[-1].out_channels, path, grid=stride // 2 if finer else stride * 2 if coarser else stride
    )


def _attention(site: Any, transformer: Any, path: str) -> Iterator[dict[str, Any]]:
    if transformer is None:
        return
    for number, block in enumerate(transformer.transformer_blocks):
        for name in ("attn1", "attn2"):
            attention = getattr(block, name)
            if attention is not None:
                kind = "text" if attention.is_cross_attention else "self"
                where = f"{path}.transformer_blocks.{number}.{name}"
                yield site(kind, attention.inner_dim, where, heads=attention.heads)
