"""Networks of the supported families with random weights: for tests, for timings, and to look at a family's sites."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import torch

from innerlight.backbones.backbone import Backbone, TextEncoder
from innerlight.backbones.building import (
    build_projecting_text_model,
    build_text_model,
    build_unet,
    build_vae,
    open_tokenizer,
)
from innerlight.backbones.geometry import GEOMETRIES, Geometry
from innerlight.backbones.noise import NoiseLevels
from innerlight.backbones.sites import sites_of
from innerlight.backbones.stable_diffusion import StableDiffusion
from innerlight.backbones.stable_diffusion_xl import StableDiffusionXL
from innerlight.types import NotFoundError

WEIGHTS = Path(str(files("innerlight"))) / "weights"  # what ships with the library
REAL_VOCABULARY = 49_408


def blank(
    family: str,
    scale: Literal["real", "tiny"] = "tiny",
    *,
    seed: int = 0,
    device: str = "cpu",
    latent: int | None = None,
) -> Backbone:
    """A model of a family ("sd15", "sd21", "sdxl") with random weights: its true shape, or a tiny one that has every
    structural feature of it. The tokenizer is that of the embedded model. On device "meta" it weighs nothing.
    """
    if (family, scale) not in GEOMETRIES:
        names = sorted({name for name, _ in GEOMETRIES})
        raise NotFoundError(f"blank: expected one of {', '.join(names)} and real or tiny, got {family!r}, {scale!r}")
    geometry = GEOMETRIES[family, scale]
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        unet = build_unet({**geometry.unet, **({"sample_size": latent} if latent else {})})
        vae = build_vae(geometry.vae)
        texts = _texts(geometry, scale)
    for module in (unet, vae, *(encoder.model for encoder in texts)):
        module.eval().requires_grad_(False)
    kind = StableDiffusionXL if geometry.family == "sdxl" else StableDiffusion
    return kind(
        name=f"blank {family}, {scale}",
        family=geometry.family,
        unet=unet,
        vae=vae,
        texts=texts,
        levels=NoiseLevels.scaled_linear(),
        prediction=geometry.prediction,
        sites=sites_of(unet),
        empty_is_zero=geometry.family == "sdxl",
        hash=f"blank-{family}-{scale}-{seed}",
    )


def _texts(geometry: Geometry, scale: str) -> tuple[TextEncoder, ...]:
    tokenizer = open_tokenizer(WEIGHTS / "pocket" / "tokenizer")
    both = len(geometry.texts) == 2
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    size = {"vocab_size": REAL_VOCABULARY if scale == "real" else len(tokenizer), **marks}
    encoders = []
    for number, config in enumerate(geometry.texts):
        build: Any = build_projecting_text_model if number == 1 else build_text_model
        encoders.append(TextEncoder(tokenizer, build({**config, **size}), layer=-2 if both else None))
    return tuple(encoders)
