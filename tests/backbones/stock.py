"""Stock pipelines of diffusers around tiny networks with random weights."""

from __future__ import annotations

from copy import copy, deepcopy
from functools import cache
from typing import Any

import torch
from torch import Tensor

from innerlight.backbones import Backbone, blank
from innerlight.backbones.opening import quiet
from innerlight.backbones.saving import scheduler_of

FAMILIES = ("sd15", "sd21", "sdxl")
PROMPT = "a red cat on the grass"


@cache
def model(family: str) -> Backbone:
    """Shared by all tests."""
    return blank(family, seed=3)


def pipeline(family: str, *, own: bool = False, **rest: Any) -> Any:
    """A pipeline; settings of its networks can be changed, and with `own` their layers and weights too."""
    twin = deepcopy if own else copy
    with quiet():
        from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

        backbone = model(family)
        parts: Any = {"unet": twin(backbone.unet), "vae": twin(backbone.vae)}
        for number, encoder in enumerate(backbone.texts):
            suffix = f"_{number + 1}" if number else ""
            parts |= {f"text_encoder{suffix}": twin(encoder.model), f"tokenizer{suffix}": encoder.tokenizer}
        parts |= {"scheduler": scheduler_of(backbone.prediction), **rest}
        if family == "sdxl":
            made = StableDiffusionXLPipeline(**parts, add_watermarker=False)
        else:
            made = StableDiffusionPipeline(
                **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
            )
    made.set_progress_bar_config(disable=True)
    return made


def noise(rows: int = 16, columns: int = 24, count: int = 1, seed: int = 5) -> Tensor:
    return torch.randn(count, 4, rows, columns, generator=torch.Generator().manual_seed(seed))


def apart(first: Tensor, second: Tensor) -> float:
    """The largest difference."""
    assert first.shape == second.shape
    return float((first.float() - second.float()).abs().max())
