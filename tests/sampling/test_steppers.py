"""DDIM and DDPM: against diffusers' schedulers, against each other, and where the result is known in closed form."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from innerlight.backbones import NoiseLevels
from innerlight.sampling import Ddim, Ddpm, Stepper, draw, generators_of, spherical
from innerlight.types import InputError

LEVELS = NoiseLevels.scaled_linear()
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
SHAPE = (4, 6, 10)
WEIGHTS = torch.randn(4, 4, generator=torch.Generator().manual_seed(2)) / 4
PREDICTIONS = pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])


def network(x: Tensor, t: int) -> Tensor:
    """Something that depends on latents and time."""
    return torch.einsum("oc,nchw->nohw", WEIGHTS, x).tanh() * (1 + t / 1000)


def ours(rule: Stepper, prediction: str, seeds: tuple[int, ...] = (7, 8)) -> Tensor:
    generators = generators_of(seeds)
    x = rule.start(draw(generators, SHAPE))
    for index, t in enumerate(rule.timesteps):
        shown = rule.scaled(x, index)
        noise = LEVELS.noise_of(network(shown, t), shown, torch.tensor([t]), prediction)
        x = rule.step(x, noise, index, generators)
    return x


def theirs(scheduler: Any, steps: int, seeds: tuple[int, ...] = (7, 8), **more: Any) -> Tensor:
    scheduler.set_timesteps(steps)
    generators = generators_of(seeds)
    x = draw(generators, SHAPE) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, int(t)), t, x, generator=generators, **more).prev_sample
    return x


def error(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


@PREDICTIONS
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7, 50, 250])
def test_ddim_is_that_of_diffusers(steps: int, eta: float, prediction: str):
    scheduler = DDIMScheduler(**BETAS, set_alpha_to_one=False, steps_offset=1, prediction_type=prediction)
    assert error(ours(Ddim(LEVELS, steps, eta), prediction), theirs(scheduler, steps, eta=eta)) < 1e-5


@PREDICTIONS
@pytest.mark.parametrize("variance", ["small", "large"])
@pytest.mark.parametrize("steps", [1, 2, 7, 50, 1000])
def test_ddpm_is_that_of_diffusers(steps: int, variance: Any, prediction: str):
    """In float32 diffusers loses digits of 1 - abar / after, which add up to 2e-5 in 1000 steps: there in float64."""
    scheduler = DDPMScheduler(**BETAS, variance_type=f"fixed_{variance}", prediction_type=prediction)
    if steps == 1000:
        scheduler.alphas_cumprod = scheduler.alphas_cumprod.double()
    rule = Ddpm(LEVELS, steps, variance)
    scheduler.set_timesteps(steps)
    assert list(rule.timesteps) == scheduler.timesteps.tolist()
    assert error(ours(rule, prediction), theirs(scheduler, steps)) < 1e-5


@pytest.mark.parametrize("steps", [2, 20, 1000])
def test_ddpm_with_small_variance_is_ddim_with_eta_1(steps: int):
    """Step by step, fed the same noise."""
    ddpm, ddim = Ddpm(LEVELS, steps), Ddim(LEVELS, 10, eta=1.0)
    ddim.timesteps = ddpm.timesteps
    for index in range(0, steps - 1, max(1, steps // 20)):
        x, noise = draw(generators_of((1, 2)), SHAPE), draw(generators_of((3, 4)), SHAPE)
        one, other = (rule.step(x, noise, index, generators_of((5, 6))) for rule in (ddpm, ddim))
        assert (one - other).abs().max() < 5e-6


def test_a_step_without_noise_asks_no_generator():
    generators = generators_of((1, 2))
    before = [generator.get_state() for generator in generators]
    x, noise = torch.ones(2, *SHAPE), torch.ones(2, *SHAPE)
    Ddim(LEVELS, 5).step(x, noise, 2, generators)
    Ddpm(LEVELS, 5).step(x, noise, 4, generators)
    assert all(torch.equal(a, g.get_state()) for a, g in zip(before, generators, strict=True))
    assert torch.equal(Ddim(LEVELS, 5).step(x, noise, 2, ()), Ddim(LEVELS, 5).step(x, noise, 2, generators))
    Ddim(LEVELS, 5, eta=0.1).step(x, noise, 2, generators)
    assert not any(torch.equal(a, g.get_state()) for a, g in zip(before, generators, strict=True))


@pytest.mark.parametrize("rule", [Ddim(LEVELS, 6, eta=0.7), Ddpm(LEVELS, 6), Ddpm(LEVELS, 6, "large")])
def test_a_seed_is_a_picture_whatever_its_neighbours(rule: Stepper):
    both = ours(rule, "epsilon")
    assert torch.equal(both, ours(copy(rule), "epsilon"))
    for number, seed in enumerate((7, 8)):
        assert torch.allclose(ours(rule, "epsilon", (seed,))[0], both[number], atol=1e-6)


def jumps(*times: int) -> Ddim:
    """DDIM along these timesteps."""
    rule = Ddim(LEVELS, 1)
    rule.timesteps = times
    return rule


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_two_steps_with_one_noise_are_one_step(dtype: torch.dtype, tolerance: float):
    x, noise = (draw(generators_of((seed,)), SHAPE).to(dtype) for seed in (1, 2))
    for a, b, c in ((981, 500, 21), (300, 299, 1), (999, 998, 997)):
        two = jumps(a, b, c)
        by_two = two.step(two.step(x, noise, 0, ()), noise, 1, ())
        assert error(by_two, jumps(a, c).step(x, noise, 0, ())) < tolerance


def test_a_step_is_eulers_in_the_scaled_latents():
    """u = x / sqrt(abar), s = sqrt((1 - abar) / abar): u goes on by (s' - s) eps."""
    x, noise = (draw(generators_of((seed,)), SHAPE).double() for seed in (1, 2))
    here, there = (float(LEVELS.abar[t]) for t in (700, 400))
    after = jumps(700, 400).step(x, noise, 0, ())
    s, later = (((1 - abar) / abar) ** 0.5 for abar in (here, there))
    assert torch.allclose(after / there**0.5, x / here**0.5 + (later - s) * noise, atol=1e-12)


MEAN, SPREAD = 1.5, 0.3


def of_a_gaussian(x: Tensor, abar: float) -> Tensor:
    """The noise that a perfect network sees, if clean latents are normal."""
    return (1 - abar) ** 0.5 * (x - abar**0.5 * MEAN) / (abar * SPREAD**2 + 1 - abar)


def follow(rule: Stepper, x: Tensor, seed: int = 0) -> Tensor:
    generators = generators_of((seed,))
    for index, t in enumerate(rule.timesteps):
        x = rule.step(x, of_a_gaussian(x, float(LEVELS.abar[t])), index, generators)
    return x


def test_the_error_of_ddim_falls_like_one_over_steps():
    """Normal data, where the flow is known: distance from the mean, in units of the spread, stays."""
    start = torch.linspace(-2, 2, 9, dtype=torch.float64).view(1, 1, 1, 9)

    def at(t: int) -> tuple[float, float]:
        abar = float(LEVELS.abar[t])
        return abar**0.5 * MEAN, (abar * SPREAD**2 + 1 - abar) ** 0.5

    errors = {}
    for steps in (10, 20, 50, 100, 500):
        rule = Ddim(LEVELS, steps)
        (m, s), (m0, s0) = at(rule.timesteps[0]), at(0)
        errors[steps] = float((follow(rule, start) - (m0 + s0 * (start - m) / s)).abs().max())
    for few, many in ((10, 20), (20, 50), (50, 100), (100, 500)):
        ratio = errors[few] / errors[many] / (many / few)
        assert 0.8 < ratio < 1.35, errors


def test_ddpm_finds_mean_and_variance_as_steps_grow():
    noise = draw(generators_of((3,)), (1, 100, 200))
    far = []
    for steps in (10, 100, 1000):
        found = follow(Ddpm(LEVELS, steps), noise)
        far.append(max(abs(float(found.mean()) - MEAN), abs(float(found.std()) - SPREAD)))
    assert far[2] < 0.02
    assert far[2] < far[0]


@pytest.mark.parametrize("steps", [0, -1, 1001, 10**9, 2.5, float("nan"), "5", None])
def test_impossible_steps_are_refused(steps: Any):
    for rule in (Ddim, Ddpm):
        with pytest.raises(InputError, match="steps: expected a whole number from 1 to 999"):
            rule(LEVELS, steps)


@pytest.mark.parametrize("eta", [-0.1, 1.1, float("nan")])
def test_impossible_etas_are_refused(eta: float):
    with pytest.raises(InputError, match="eta: expected 0 to 1"):
        Ddim(LEVELS, 5, eta)


def test_an_unknown_variance_is_refused():
    with pytest.raises(InputError, match="small or large, got 'medium'"):
        Ddpm(LEVELS, 5, "medium")  # pyright: ignore[reportArgumentType]


# From one noise to another


def test_the_ends_of_an_arc_are_the_noises_themselves():
    a, b = (draw(generators_of(seeds), SHAPE) for seeds in ((1, 2), (3, 4)))
    assert torch.equal(spherical(a, b, 0), a)
    assert torch.equal(spherical(a, b, 1.0), b)
    assert torch.allclose(spherical(a, b, 1e-6), a, atol=1e-4)


def test_noise_keeps_its_length_along_an_arc():
    """Of each picture by itself; halfway between two lengths the arc runs between them."""
    a, b = (draw(generators_of(seeds), SHAPE) for seeds in ((1, 2), (3, 4)))
    a, b = (x / x.flatten(1).norm(dim=1).view(2, 1, 1, 1) for x in (a, b))
    for share in (0.1, 0.25, 0.5, 0.9):
        between = spherical(a, b, share)
        assert (between.flatten(1).norm(dim=1) - 1).abs().max() < 1e-5
        assert torch.allclose(spherical(b, a, 1 - share), between, atol=1e-5)
        for row in range(2):
            assert torch.allclose(spherical(a[row : row + 1], b[row : row + 1], share)[0], between[row], atol=1e-6)


def test_noises_in_one_line_are_mixed_and_keep_their_length():
    a = draw(generators_of((1, 2)), SHAPE)
    assert torch.allclose(spherical(a, a, 0.3), a, atol=1e-5)
    mixed = spherical(a, a * (1 + 1e-5), 0.5)
    assert torch.isfinite(mixed).all()
    assert (mixed.flatten(1).norm(dim=1) / a.flatten(1).norm(dim=1) - 1).abs().max() < 1e-4
