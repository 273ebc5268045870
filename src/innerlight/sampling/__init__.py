"""Noise levels, the step loop, guidance, a probe of one pass, SDEdit, and inversion."""

from __future__ import annotations

from innerlight.sampling.appearance import Appearance, appearance
from innerlight.sampling.features import noisy_features
from innerlight.sampling.generate import Generated, from_image, generate
from innerlight.sampling.guidance import ClassifierGuidance, Guidance, SelfAttentionGuidance, Term
from innerlight.sampling.inversion import Inversion, StoredNoise, invert, reconstruct, with_nulls
from innerlight.sampling.loop import Row, Step, run_steps
from innerlight.sampling.noise import draw, generators_of, seeds_of, spherical
from innerlight.sampling.probe import Seen, probe
from innerlight.sampling.run import CancelToken, Run
from innerlight.sampling.steppers import Ddim, Ddpm, Stepper

__all__ = [
    "Appearance",
    "CancelToken",
    "ClassifierGuidance",
    "Ddim",
    "Ddpm",
    "Generated",
    "Guidance",
    "Inversion",
    "Row",
    "Run",
    "Seen",
    "SelfAttentionGuidance",
    "Step",
    "Stepper",
    "StoredNoise",
    "Term",
    "appearance",
    "draw",
    "from_image",
    "generate",
    "generators_of",
    "invert",
    "noisy_features",
    "probe",
    "reconstruct",
    "run_steps",
    "seeds_of",
    "spherical",
    "with_nulls",
]
