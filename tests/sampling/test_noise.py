"""Noise levels against diffusers' own schedulers."""

from __future__ import annotations

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from innerlight.backbones.noise import PREDICTIONS, NoiseLevels, ddim_step
from innerlight.types import InputError

LEVELS = NoiseLevels.scaled_linear()


def scheduler(prediction: str) -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type=prediction,
    )  # fmt: skip


def latents(seed: int) -> torch.Tensor:
    return torch.randn(2, 4, 6, 10, generator=torch.Generator().manual_seed(seed))


def test_levels_and_noising_are_those_of_diffusers():
    theirs = scheduler("epsilon")
    assert torch.allclose(LEVELS.abar, theirs.alphas_cumprod, atol=1e-7)
    clean, noise, t = latents(0), latents(1), torch.tensor([3, 700])
    assert torch.allclose(LEVELS.noisy(clean, noise, t), theirs.add_noise(clean, noise, t), atol=1e-6)
    assert torch.allclose(LEVELS.velocity(clean, noise, t), theirs.get_velocity(clean, noise, t), atol=1e-6)


@pytest.mark.parametrize("steps", [1, 3, 25, 50, 999])
def test_timesteps_are_those_of_diffusers(steps: int):
    theirs = scheduler("epsilon")
    theirs.set_timesteps(steps)
    assert LEVELS.timesteps(steps) == theirs.timesteps.tolist()


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_whole_run_of_ddim_agrees(prediction: str):
    theirs, steps = scheduler(prediction), 20
    theirs.set_timesteps(steps)
    weights = torch.randn(4, 4, generator=torch.Generator().manual_seed(2)) / 4

    def network(x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("oc,nchw->nohw", weights, x).tanh()

    ours = other = latents(3)
    times = LEVELS.timesteps(steps)
    for t, later in zip(times, [*times[1:], times[-1] - 1000 // steps], strict=True):
        noise = LEVELS.noise_of(network(ours), ours, torch.tensor([t]), prediction)
        ours = ddim_step(LEVELS, ours, noise, t, later)
        other = theirs.step(network(other), t, other).prev_sample
    assert (ours - other).abs().max() / other.abs().max() < 1e-5


def test_estimates_of_either_kind_give_back_noise_and_clean():
    clean, noise, t = latents(0), latents(1), torch.tensor([100, 900])
    noisy = LEVELS.noisy(clean, noise, t)
    velocity = LEVELS.velocity(clean, noise, t)
    found = LEVELS.noise_of(velocity, noisy, t, "v_prediction")
    assert torch.allclose(found, noise, atol=1e-4)
    assert torch.allclose(LEVELS.clean_of(found, noisy, t), clean, atol=1e-3)


@pytest.mark.parametrize("steps", [0, -1, 1000])
def test_impossible_counts_of_steps_are_refused(steps: int):
    with pytest.raises(InputError, match="1 to 999"):
        LEVELS.timesteps(steps)


def test_an_unknown_prediction_is_refused():
    with pytest.raises(InputError, match="epsilon, v_prediction"):
        LEVELS.noise_of(latents(0), latents(0), torch.tensor([1]), "flow")
