"""Inversions on the model that ships: what comes back exactly, and what comes back better."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone, load
from innerlight.sampling import Run, generate, invert, reconstruct
from innerlight.world import caption, render, sample

QUIET = Run(progress=False)
STEPS, WEIGHT = 8, 4.0
SCENE = sample(31, count=1)
TEXT = caption(SCENE).text


@pytest.fixture(scope="module")
def pocket() -> Backbone:
    torch.set_num_threads(1)
    return load()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return render(SCENE, 96, 128).picture


def test_stored_noises_lead_back_level_by_level(pocket: Backbone, picture: np.ndarray):
    for skip in (0.0, 0.5):
        found = invert(
            pocket, picture, TEXT, method="edit_friendly", guidance=WEIGHT, skip=skip, steps=STEPS, size=(96, 128),
            run=QUIET,
        )  # fmt: skip
        again = reconstruct(pocket, found, run=QUIET)
        # the last noise is left out, and is all that is missing
        assert (again - found.clean).abs().mean() < 0.05 * found.clean.abs().mean()


def test_the_prompt_as_no_prompt_makes_guidance_idle(pocket: Backbone, picture: np.ndarray):
    found = invert(pocket, picture, TEXT, method="negative_prompt", steps=STEPS, size=(96, 128), run=QUIET)
    guided, free = (reconstruct(pocket, found, weight, run=QUIET) for weight in (WEIGHT, 1.0))
    assert (guided - free).abs().max() < 1e-3 * free.abs().max()


def test_under_guidance_optimised_nulls_come_back_better(pocket: Backbone, picture: np.ndarray):
    settings = {"steps": STEPS, "guidance": WEIGHT, "size": (96, 128), "run": QUIET}
    plain, none, found = (
        invert(pocket, picture, TEXT, **{**settings, **more})
        for more in ({}, {"method": "null_text", "iterations": 0}, {"method": "null_text", "iterations": 5})
    )
    assert none.psnr == plain.psnr
    assert found.psnr[0] > plain.psnr[0] + 0.5
    assert found.psnr[0] <= found.floor[0] + 0.5


def test_refined_steps_come_back_better_than_plain_ones(pocket: Backbone):
    made = generate(pocket, TEXT, seed=3, steps=STEPS, guidance=1.0, run=QUIET)
    plain, refined = (
        invert(pocket, prompts=TEXT, latents=made.latents, steps=STEPS, refinements=count, run=QUIET)
        for count in (0, 3)
    )
    errors = [float((reconstruct(pocket, one, run=QUIET) - made.latents).norm()) for one in (plain, refined)]
    assert errors[1] < 0.5 * errors[0]
