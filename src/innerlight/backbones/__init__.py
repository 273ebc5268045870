"""The only door to diffusers and transformers: models as the rest of the library sees them."""

from __future__ import annotations

from innerlight.backbones.backbone import Backbone, NotFiniteError, Size, TextEncoder, atlas, widen_input
from innerlight.backbones.blank import WEIGHTS, blank
from innerlight.backbones.context import Context
from innerlight.backbones.loading import device_named, load
from innerlight.backbones.noise import NoiseLevels, ddim_step
from innerlight.backbones.saving import save_pipeline
from innerlight.backbones.schedulers import StepRule, scheduler_named

__all__ = [
    "WEIGHTS",
    "Backbone",
    "Context",
    "NoiseLevels",
    "NotFiniteError",
    "Size",
    "StepRule",
    "TextEncoder",
    "atlas",
    "blank",
    "ddim_step",
    "device_named",
    "load",
    "save_pipeline",
    "scheduler_named",
    "widen_input",
]
