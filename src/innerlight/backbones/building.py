"""Networks from a configuration, with random weights, of the very classes that checkpoints open as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL


def build_vae(config: Mapping[str, Any]) -> AutoencoderKL:
    """A VAE of these widths: one level a width, halving the side between levels."""
    widths = tuple(config["block_out_channels"])
    levels = len(widths)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * levels,  # pyright: ignore[reportArgumentType]
        **config,
    )
