"""Stable Diffusion 1.x and 2.x: one text encoder, its last state."""

from __future__ import annotations

from innerlight.backbones.backbone import Backbone


class StableDiffusion(Backbone):
    """Nothing is told but the prompt."""
