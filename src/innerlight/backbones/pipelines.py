"""Pipelines of diffusers: the parts of one that is open already, of which nothing is touched, and one made of parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from innerlight.backbones.hashing import hash_modules
from innerlight.backbones.parts import REFINER, SUPPORTED, Parts
from innerlight.types import InputError

_TILES = ("tile_sample_min_size", "tile_latent_min_size", "tile_overlap_factor")


def is_pipeline(source: object) -> bool:
    """Has it what a text-to-image pipeline has?"""
    return all(hasattr(source, part) for part in ("unet", "vae", "tokenizer"))


def parts_of(pipeline: Any) -> Parts:
    """The parts of a pipeline as they are: with its LoRA, its image adapter, its processors, on its devices."""
    name = type(pipeline).__name__
    if getattr(pipeline, "controlnet", None) is not None:
        raise InputError(
            f"{name}: its control pictures would be left out; open the model below it: "
            "StableDiffusionPipeline.from_pipe(pipeline)"
        )
    texts = []
    for suffix in ("", "_2"):
        tokenizer = getattr(pipeline, f"tokenizer{suffix}", None)
        model = getattr(pipeline, f"text_encoder{suffix}", None)
        if tokenizer is not None and model is not None:
            texts.append((tokenizer, model))
    if not texts:
        raise InputError(f"{name} has no tokenizer with a text encoder; supported are {SUPPORTED}")
    config = getattr(pipeline, "config", {})
    second = hasattr(pipeline, "text_encoder_2")
    if config.get("requires_aesthetics_score") or (second and len(texts) == 1):
        raise InputError(f"{name}: this is {REFINER}")
    modules = (pipeline.unet, pipeline.vae, *(model for _, model in texts))
    return Parts(
        name=name,
        unet=pipeline.unet,
        vae=_in_full(pipeline.vae) if len(texts) == 2 else pipeline.vae,
        texts=texts,
        scheduler=getattr(pipeline, "scheduler", None),
        hash=hash_modules(module for module in modules if hasattr(module, "named_parameters")),
        empty_is_zero=bool(config.get("force_zeros_for_empty_prompt", False)),
    )


def _in_full(vae: Any) -> Any:
    """The VAE of SDXL; one that half precision is not enough for, as a copy in float32. Weights that are offloaded one
    by one cannot be copied.
    """
    if vae.dtype != torch.float16 or not vae.config.force_upcast or any(one.is_meta for one in vae.parameters()):
        return vae
    copy = type(vae).from_config(vae.config)
    copy.load_state_dict(vae.state_dict())
    for setting in ("use_slicing", "use_tiling", *_TILES):
        setattr(copy, setting, getattr(vae, setting))
    place = getattr(getattr(vae, "_hf_hook", None), "execution_device", None)
    return copy.to(vae.device if place is None else place).eval().requires_grad_(False)


def pipeline_of(modules: Mapping[str, Any], tokenizers: Sequence[Any], scheduler: Any) -> Any:
    """A stock pipeline of these networks, which it shares."""
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline  # pyright: ignore[reportPrivateImportUsage]

    names = ("tokenizer", "tokenizer_2")
    shared: Any = {**modules, **dict(zip(names, tokenizers, strict=False)), "scheduler": scheduler}
    if len(tokenizers) == 2:
        return StableDiffusionXLPipeline(**shared, add_watermarker=False)
    unused: Any = {"safety_checker": None, "feature_extractor": None}
    return StableDiffusionPipeline(**shared, **unused, requires_safety_checker=False)
