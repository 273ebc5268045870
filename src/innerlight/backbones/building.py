"""Networks from a configuration, with random weights, of the very classes that checkpoints open as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from innerlight.types import NotFoundError


def build_vae(config: Mapping[str, Any]) -> AutoencoderKL:
    """A VAE of these widths: one level a width, halving the side between levels."""
    widths = tuple(config["block_out_channels"])
    levels = len(widths)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * levels,  # pyright: ignore[reportArgumentType]
        **config,
    )


def build_tokenizer(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> CLIPTokenizer:
    """A CLIP tokenizer of 77 positions; the end mark also fills what is left."""
    return CLIPTokenizer(vocab=dict(vocabulary), merges=list(merges), model_max_length=77)  # pyright: ignore[reportArgumentType]


def open_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer saved in `folder`."""
    if not (folder / "tokenizer.json").exists():
        raise NotFoundError(f"no tokenizer in {folder}: tokenizer.json is missing; train it first")
    return CLIPTokenizer.from_pretrained(folder)


def build_text_model(config: Mapping[str, Any]) -> CLIPTextModel:
    """A CLIP text encoder, causal, with random weights."""
    return CLIPTextModel(CLIPTextConfig(**config))


def build_projecting_text_model(config: Mapping[str, Any]) -> CLIPTextModelWithProjection:
    """The same, whose pooled state is projected: SDXL's second."""
    return CLIPTextModelWithProjection(CLIPTextConfig(**config))


def build_unet(config: Mapping[str, Any]) -> UNet2DConditionModel:
    """A conditional UNet with random weights."""
    return UNet2DConditionModel(**config)
