"""Inversion: it agrees with diffusers', leads back, gets better with refinements, and survives on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim_inverse import DDIMInverseScheduler
from safetensors.torch import save_file
from torch import Tensor

from innerlight.backbones import Backbone, blank
from innerlight.sampling import CancelToken, Ddim, Inversion, Run, generate, invert
from innerlight.sampling.inversion.ddim import trajectory_of
from innerlight.types import CancelledError, InputError, NotFoundError

PROMPTS = ["a red cat", "a dog"]
SIZE = (64, 96)
QUIET = Run(progress=False)
PICTURES = [np.random.default_rng(k).integers(0, 255, (64, 96, 3), np.uint8) for k in range(2)]


def inverted(backbone: Backbone, pictures: Any = PICTURES, prompts: Any = PROMPTS, **given: Any) -> Inversion:
    return invert(backbone, pictures, prompts, **{"steps": 6, "size": SIZE, "run": QUIET, **given})


def sampled(backbone: Backbone, found: Inversion, prompts: Any = PROMPTS) -> Tensor:
    return generate(
        backbone, prompts, latents=found.latents, steps=found.steps, guidance=1.0, size=SIZE, run=QUIET
    ).latents


def error(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean().sqrt())


def test_it_is_that_of_diffusers(backbone: Backbone):
    """At each step, fed the same latents; the library's noise does not know what the network predicts."""
    found = inverted(backbone)
    rule = DDIMInverseScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type="epsilon",
    )  # fmt: skip
    rule.set_timesteps(6)
    assert rule.timesteps.tolist() == list(reversed(Ddim(backbone.levels, 6).timesteps))
    context = backbone.embed(PROMPTS, SIZE)
    x = found.clean
    for k, t in enumerate(rule.timesteps.tolist()):
        with torch.no_grad():
            x = rule.step(backbone.denoise(x, t, context), t, x).prev_sample
        ours = found.trajectory[-2 - k]
        assert (x - ours).abs().max() / ours.abs().max() < 1e-5


def test_what_it_carries(small: Backbone):
    found = inverted(small)
    assert found.trajectory.shape == (7, 2, 4, 16, 24)
    assert torch.equal(found.clean, small.encode(PICTURES, SIZE))
    assert (found.prompts, found.steps, found.method, found.model) == (tuple(PROMPTS), 6, "ddim", small.hash)
    assert (found.timesteps, found.guidance) == (tuple(Ddim(small.levels, 6).timesteps), 1.0)
    assert found.size == (16, 24)
    assert len(found.psnr) == len(found.floor) == 2


def test_psnr_is_that_of_sampling_from_it(small: Backbone):
    found = inverted(small)
    again = np.stack([np.asarray(image) for image in small.decode(sampled(small, found))]).astype(float)
    for k in range(2):
        assert found.psnr[k] == pytest.approx(10 * np.log10(255**2 / ((again[k] - PICTURES[k]) ** 2).mean()), abs=1e-2)


def answering(backbone: Backbone, answer: Callable[[Tensor, float], Tensor]) -> Backbone:
    """A model whose noise estimate is a formula of latents and abar."""
    other = backbone.copy()
    abar = backbone.levels.abar
    other.denoise = lambda latents, t, *rest: answer(latents, float(abar[int(t)]))  # type: ignore[method-assign]
    return other


def of_a_gaussian(x: Tensor, abar: float, mean: float = 0.5, spread: float = 0.7) -> Tensor:
    """What a perfect network answers, if clean latents are normal."""
    return (1 - abar) ** 0.5 * (x - abar**0.5 * mean) / (abar * spread**2 + 1 - abar)


def test_a_constant_noise_is_inverted_exactly(small: Backbone):
    noise = torch.randn(1, 4, 16, 24, generator=torch.Generator().manual_seed(1))
    still = answering(small, lambda x, abar: noise.expand_as(x))
    found = inverted(still)
    assert error(sampled(still, found), found.clean) < 1e-5


def test_twice_the_steps_half_the_error(small: Backbone):
    perfect, errors = answering(small, of_a_gaussian), []
    for steps in (25, 50, 100):
        found = inverted(perfect, steps=steps)
        errors.append(error(sampled(perfect, found), found.clean))
    assert 1.6 < errors[0] / errors[1] < 2.4
    assert 1.6 < errors[1] / errors[2] < 2.4


def test_refinements_never_do_harm_and_lead_to_a_fixed_point(small: Backbone):
    perfect, errors = answering(small, of_a_gaussian), []
    for refinements in (0, 1, 2, 3, 5):
        found = inverted(perfect, steps=50, refinements=refinements)
        errors.append(error(sampled(perfect, found), found.clean))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 1000
    assert found.method == "fixed_point"


def test_it_costs_a_pass_a_step(small: Backbone, passes: Callable[..., Any]):
    stepper, context = Ddim(small.levels, 6), small.embed(PROMPTS, SIZE)
    for refinements, count in ((0, 6), (3, 24)):
        with passes(small) as ran:
            trajectory_of(small, stepper, small.encode(PICTURES, SIZE), context, refinements, QUIET)
        assert ran == [2] * count


def test_without_a_prompt_no_guidance_matters(small: Backbone):
    found = inverted(small, prompts="")
    plain = sampled(small, found, ["", ""])
    for weight in (0.0, 7.5):
        other = generate(small, ["", ""], latents=found.latents, steps=6, guidance=weight, size=SIZE, run=QUIET).latents
        assert torch.allclose(other, plain, atol=1e-4)


def test_a_batch_is_its_pictures_one_by_one(backbone: Backbone):
    both = inverted(backbone)
    for k in range(2):
        alone = inverted(backbone, PICTURES[k], PROMPTS[k])
        assert torch.allclose(alone.trajectory[:, 0], both.trajectory[:, k], atol=1e-4)


def test_one_prompt_is_for_all_pictures(small: Backbone):
    for prompts in ("a red cat", ["a red cat"]):
        found = inverted(small, prompts=prompts)
        assert found.prompts == ("a red cat",) * 2
    assert torch.equal(found.trajectory, inverted(small, prompts=["a red cat"] * 2).trajectory)


def test_pictures_may_come_one_after_another(small: Backbone):
    assert torch.equal(inverted(small, (one for one in PICTURES)).trajectory, inverted(small).trajectory)


def test_it_is_kept_on_disk(small: Backbone, tmp_path: Path):
    found = inverted(small)
    found.save(tmp_path / "kept.safetensors")
    again = Inversion.load(tmp_path / "kept.safetensors")
    assert torch.equal(again.trajectory, found.trajectory)
    assert replace(again, trajectory=found.trajectory).__dict__ == found.__dict__


def test_another_schedule_or_model_is_refused(small: Backbone):
    found = inverted(small)
    found.check(small, 6)
    with pytest.raises(InputError, match="6 steps, not 50"):
        found.check(small, 50)
    with pytest.raises(InputError, match="made with model"):
        found.check(blank("sd15", seed=9), 6)


def test_files_that_are_no_inversions(tmp_path: Path):
    with pytest.raises(NotFoundError, match="innerlight invert"):
        Inversion.load(tmp_path / "nothing")
    save_file({"trajectory": torch.zeros(2)}, tmp_path / "other")
    with pytest.raises(InputError, match="not an inversion"):
        Inversion.load(tmp_path / "other")
    (tmp_path / "text").write_text("hello", encoding="utf-8")
    with pytest.raises(InputError, match="invert again"):
        Inversion.load(tmp_path / "text")


@pytest.mark.parametrize(
    "facts",
    [
        "[]",
        "{}",
        "null",
        '{"prompts": ["a"], "timesteps": "six", "guidance": "x", "method": "", "model": "", "psnr": [], "floor": []}',
    ],
)
def test_facts_that_are_none_are_refused(small: Backbone, tmp_path: Path, facts: str):
    tensors = {"trajectory": torch.zeros(7, 1, 4, 2, 2)}
    save_file(tensors, tmp_path / "kept", metadata={"format": "innerlight inversion 1", "facts": facts})
    with pytest.raises(InputError, match="cannot be read as an inversion"):
        Inversion.load(tmp_path / "kept")


def test_it_ends_within_a_step_of_being_cancelled(small: Backbone, passes: Callable[..., Any]):
    cancel = CancelToken()
    handle = small.unet.conv_out.register_forward_pre_hook(lambda *given: cancel.cancel())
    with handle, passes(small) as ran, pytest.raises(CancelledError):
        inverted(small, run=Run(progress=False, cancel=cancel))
    assert len(ran) == 1


def test_it_is_cancelled(small: Backbone):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledError):
        inverted(small, run=Run(progress=False, cancel=cancel))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"refinements": -1}, "refinements"),
        ({"refinements": 1.5}, "refinements"),
        ({"steps": 0}, "steps"),
        ({"prompts": ["a", "b", "c"]}, "one for each of 2 pictures, got 3"),
        ({"prompts": None}, "prompts: expected one string"),
        ({"prompts": []}, "prompts: expected one string"),
        ({"pictures": []}, "at least one"),
        ({"size": (63, 96)}, "size"),
    ],
)
def test_what_cannot_be_is_refused(small: Backbone, given: dict[str, Any], said: str):
    with pytest.raises(InputError, match=said):
        inverted(small, **given)
