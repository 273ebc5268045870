"""The shapes of the supported families: as published ("real"), and tiny ones with every structural feature of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_CROSS = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D")
_PLAIN = ("DownBlock2D", "UpBlock2D")


@dataclass(frozen=True)
class Geometry:
    """Configurations of one network of a family: UNet, VAE, text encoders, noise."""

    family: str  # sd1, sd2 or sdxl
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    texts: tuple[Mapping[str, Any], ...]
    prediction: str = "epsilon"


def _unet(widths: tuple[int, ...], attention: tuple[bool, ...], **rest: Any) -> dict[str, Any]:
    """`attention` says which levels have it, from fine to coarse."""
    return {
        "block_out_channels": widths,
        "down_block_types": tuple(_CROSS[0] if has else _PLAIN[0] for has in attention),
        "up_block_types": tuple(_CROSS[1] if has else _PLAIN[1] for has in reversed(attention)),
        "layers_per_block": 2,
        **rest,
    }


def _text(width: int, inner: int, layers: int, heads: int, **rest: Any) -> dict[str, Any]:
    shape = {"hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers}
    return {**shape, "num_attention_heads": heads, "max_position_embeddings": 77, "hidden_act": "gelu", **rest}


_VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4}
_TINY_VAE = {"block_out_channels": (8, 8, 16), "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4}
_TINY = {"norm_num_groups": 8, "sample_size": 32}
_CLIP_L = _text(768, 3072, 12, 12, hidden_act="quick_gelu", projection_dim=768)
_TIME_IDS = {"addition_embed_type": "text_time", "use_linear_projection": True}

GEOMETRIES: Mapping[tuple[str, str], Geometry] = {
    ("sd15", "real"): Geometry(
        "sd1",
        _unet(
            (320, 640, 1280, 1280),
            (True, True, True, False),
            attention_head_dim=8,
            cross_attention_dim=768,
            sample_size=64,
        ),
        {**_VAE, "sample_size": 512, "scaling_factor": 0.18215},
        (_CLIP_L,),
    ),
    ("sd21", "real"): Geometry(
        "sd2",
        _unet(
            (320, 640, 1280, 1280),
            (True, True, True, False),
            attention_head_dim=(5, 10, 20, 20),
            cross_attention_dim=1024,
            use_linear_projection=True,
            sample_size=96,
        ),
        {**_VAE, "sample_size": 768, "scaling_factor": 0.18215},
        (_text(1024, 4096, 23, 16, projection_dim=512),),
        prediction="v_prediction",
    ),
    ("sdxl", "real"): Geometry(
        "sdxl",
        _unet(
            (320, 640, 1280),
            (False, True, True),
            attention_head_dim=(5, 10, 20),
            transformer_layers_per_block=(1, 2, 10),
            cross_attention_dim=2048,
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
            sample_size=128,
            **_TIME_IDS,
        ),
        {**_VAE, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True},
        (_CLIP_L, _text(1280, 5120, 32, 20, projection_dim=1280)),
    ),
    ("sd15", "tiny"): Geometry(
        "sd1",
        _unet((16, 16, 32, 32), (True, True, True, False), attention_head_dim=2, cross_attention_dim=24, **_TINY),
        {**_TINY_VAE, "sample_size": 128},
        (_text(24, 48, 2, 2, hidden_act="quick_gelu", projection_dim=24),),
    ),
    ("sd21", "tiny"): Geometry(
        "sd2",
        _unet(
            (16, 16, 32, 32),
            (True, True, True, False),
            attention_head_dim=(2, 2, 4, 4),
            cross_attention_dim=32,
            use_linear_projection=True,
            **_TINY,
        ),
        {**_TINY_VAE, "sample_size": 128},
        (_text(32, 64, 2, 2, projection_dim=16),),
        prediction="v_prediction",
    ),
    ("sdxl", "tiny"): Geometry(
        "sdxl",
        _unet(
            (16, 16, 32),
            (False, True, True),
            attention_head_dim=(2, 2, 4),
            transformer_layers_per_block=(1, 1, 2),
            cross_attention_dim=24 + 40,
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 40,
            **_TINY,
            **_TIME_IDS,
        ),
        {**_TINY_VAE, "sample_size": 128, "force_upcast": True},
        (_text(24, 48, 2, 2, hidden_act="quick_gelu", projection_dim=24), _text(40, 80, 3, 2, projection_dim=40)),
    ),
}
