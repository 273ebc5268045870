"""Edit-friendly inversion: stored noises lead back, from any step on, to all but the last step's noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.sampling import (
    Ddim,
    Guidance,
    Inversion,
    Run,
    StoredNoise,
    generators_of,
    invert,
    reconstruct,
    run_steps,
)
from innerlight.sampling.generate import rows_for
from innerlight.sampling.noise import draw
from innerlight.types import InputError

PROMPTS = ["a red cat", "a dog"]
SIZE = (64, 96)
STEPS = 6
QUIET = Run(progress=False)
PICTURES = [np.random.default_rng(k).integers(0, 255, (64, 96, 3), np.uint8) for k in range(2)]


def inverted(backbone: Backbone, pictures: Any = PICTURES, prompts: Any = PROMPTS, **given: Any) -> Inversion:
    settings = {"steps": STEPS, "size": SIZE, "run": QUIET, **given}
    return invert(backbone, pictures, prompts, method="edit_friendly", **settings)


def led_to(backbone: Backbone, found: Inversion, last: int) -> Tensor:
    """The latents before step `last`, of sampling with what is stored."""
    terms = Guidance(found.guidance)
    rows = rows_for(backbone, found.prompts, terms, size=SIZE)
    return run_steps(
        backbone, found.stepper(backbone.levels), {"image": found.latents}, rows, terms, {"image": ()},
        run=QUIET, first=found.first, last=last,
    )["image"]  # fmt: skip


@pytest.mark.parametrize(("skip", "first"), [(0.0, 0), (None, 2), (0.5, 3), (0.9, 5)])
@pytest.mark.parametrize("weight", [1.0, 3.5])
def test_it_leads_back_from_any_step_up_to_the_last(backbone: Backbone, skip: float | None, first: int, weight: float):
    found = inverted(backbone, skip=skip, guidance=weight)
    assert (found.first, found.guidance, len(found.trajectory)) == (first, weight, STEPS - first + 1)
    assert torch.equal(found.clean, backbone.encode(PICTURES, SIZE))
    for last in range(first, STEPS):
        assert torch.equal(led_to(backbone, found, last), found.at(last))
    off = (reconstruct(backbone, found, run=QUIET) - found.clean).square().mean().sqrt()
    noise = (1 - backbone.levels.abar[1]).sqrt()  # what is left before the last step
    assert 0 < off < 1.5 * noise


def test_noises_are_those_of_the_formula(small: Backbone):
    """A plain writing of it: z = (x_next - mu) / sigma, by latents that are kept and the estimate there."""
    found = inverted(small, skip=0.0)
    assert found.noises is not None
    abar, times = small.levels.abar.double(), [*found.timesteps, 0]
    uncond, cond = small.unconditional(2, SIZE), small.embed(PROMPTS, SIZE)
    for index in range(STEPS - 1):
        x, here, after = found.at(index), abar[times[index]], abar[times[index + 1]]
        with torch.no_grad():
            u, c = (small.denoise(x, times[index], context) for context in (uncond, cond))
        eps = u + 3.5 * (c - u)
        sigma = ((1 - after) / (1 - here)).sqrt() * (1 - here / after).sqrt()
        mu = after.sqrt() * (x - (1 - here).sqrt() * eps) / here.sqrt() + (1 - after - sigma**2).sqrt() * eps
        z = (found.at(index + 1) - mu) / sigma
        assert torch.allclose(found.noises[index], z.float(), atol=2e-4 * float(z.abs().max()))
    assert not found.noises[-1].any()


def test_levels_are_noised_independently(small: Backbone):
    """As the picture's own latents with noise from its own seed, whatever the step where sampling begins."""
    found = inverted(small, skip=0.0)
    generators = generators_of([0, 1])
    for index, t in enumerate(found.timesteps):
        noise = draw(generators, found.clean.shape[1:])
        level = small.levels.noisy(found.clean, noise, torch.tensor([t]))
        assert torch.allclose(found.at(index), level, atol=1e-5)
    later = inverted(small, skip=0.5)
    for index in range(3, STEPS + 1):
        assert torch.allclose(later.at(index), found.at(index), atol=1e-5)


def test_noises_are_wide_and_go_to_and_fro(backbone: Backbone):
    found = inverted(backbone, skip=0.0)
    assert found.noises is not None
    inner = found.noises[:-1]
    assert (inner.var((1, 2, 3, 4)) > 1).all()
    assert (inner.mean((1, 2, 3, 4)).abs() < 0.3 * inner.std((1, 2, 3, 4))).all()
    assert ((inner[1:] * inner[:-1]).mean((1, 2, 3, 4)) < 0).all()


def test_each_picture_has_noise_of_its_own_seed(small: Backbone):
    both, alone = inverted(small, seed=[5, 9]), inverted(small, PICTURES[1], PROMPTS[1], seed=9)
    assert torch.allclose(both.trajectory[:, 1], alone.trajectory[:, 0], atol=1e-5)
    assert (both.latents - inverted(small, seed=6).latents).abs().max() > 0.1
    with pytest.raises(InputError, match="seed"):
        inverted(small, seed=[1])


def test_its_step_is_that_of_ddim_with_eta_1(small: Backbone):
    rule, noises = Ddim(small.levels, STEPS, eta=1.0), torch.randn(STEPS, 1, 4, 2, 3)
    latents, noise = torch.randn(2, 1, 4, 2, 3)
    for index in range(STEPS):
        noises[index] = draw(generators_of([index]), (4, 2, 3))
        expected = rule.step(latents, noise, index, generators_of([index]))
        assert torch.allclose(StoredNoise(small.levels, STEPS, noises).step(latents, noise, index, ()), expected)
        later = StoredNoise(small.levels, STEPS, noises[index:], first=index)
        assert torch.allclose(later.step(latents, noise, index, ()), expected)
    with pytest.raises(InputError, match="from step 2 on, got step 1"):
        StoredNoise(small.levels, STEPS, noises[2:], first=2).step(latents, noise, 1, ())


def test_its_rule_is_one_of_stored_noise(small: Backbone):
    found = inverted(small)
    assert isinstance(found.stepper(small.levels), StoredNoise)
    plain = invert(small, PICTURES, PROMPTS, steps=STEPS, size=SIZE, run=QUIET).stepper(small.levels)
    assert isinstance(plain, Ddim)
    assert not isinstance(plain, StoredNoise)


def test_another_prompt_gives_another_picture(small: Backbone):
    """The noises are the picture's, the words are not."""
    found = inverted(small)
    terms = Guidance(found.guidance)
    rows = rows_for(small, ["a green house", "a boat"], terms, size=SIZE)
    edited = run_steps(
        small, found.stepper(small.levels), {"image": found.latents}, rows, terms, {"image": ()},
        run=QUIET, first=found.first,
    )["image"]  # fmt: skip
    assert (edited - reconstruct(small, found, run=QUIET)).abs().max() > 0.1
