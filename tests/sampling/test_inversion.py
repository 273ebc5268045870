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
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from innerlight.backbones import Backbone, blank
from innerlight.sampling import CancelToken, Ddim, Inversion, Run, generate, invert, reconstruct
from innerlight.sampling.inversion.ddim import trajectory_of
from innerlight.types import CancelledError, InputError, NotFoundError

PROMPTS = ["a red cat", "a dog"]
SIZE = (64, 96)
QUIET = Run(progress=False)
PICTURES = [np.random.default_rng(k).integers(0, 255, (64, 96, 3), np.uint8) for k in range(2)]


@pytest.fixture(scope="module")
def wide() -> Backbone:
    """A tiny network of the family whose contexts have a pooled part."""
    return blank("sdxl")


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
    assert error(sampled(still, found), found.clean) < 1e-6


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


def test_fixed_point_is_ddim_with_three_refinements(small: Backbone):
    found = inverted(small, method="fixed_point")
    assert torch.equal(found.trajectory, inverted(small, refinements=3).trajectory)
    assert not torch.allclose(found.latents, inverted(small, refinements=2).latents, atol=1e-6)
    assert found.method == inverted(small, refinements=3).method == "fixed_point"


@pytest.mark.parametrize(("reach", "first"), [(1.0, 0), (0.5, 3), (0.2, 5), (0.1, 6), (0.0, 6)])
def test_it_may_end_on_the_way(small: Backbone, passes: Callable[..., Any], reach: float, first: int):
    """The levels that it keeps are those of the whole inversion, and the others cost nothing."""
    whole, latents = inverted(small), small.encode(PICTURES, SIZE)
    with passes(small) as ran:
        found = inverted(small, None, latents=latents, size=None, reach=reach)
    assert ran == [2] * 2 * (6 - first)  # there and back
    assert (found.first, found.steps, len(found.trajectory)) == (first, 6, 7 - first)
    assert torch.equal(found.trajectory, whole.trajectory[first:])
    for index in range(first, 7):
        assert torch.equal(found.at(index), whole.trajectory[index])
    for index in (first - 1, 7):
        with pytest.raises(InputError, match=f"expected {first} to 6"):
            found.at(index)


def test_latents_stand_in_for_pictures(small: Backbone):
    latents = small.encode(PICTURES, SIZE)
    found, usual = inverted(small, None, latents=latents, size=None), inverted(small)
    assert torch.equal(found.trajectory, usual.trajectory)
    assert found.floor == (np.inf, np.inf)
    again, kept = (np.stack([np.asarray(p) for p in small.decode(x)]) for x in (sampled(small, found), latents))
    for k in range(2):
        off = np.square(again[k].astype(float) - kept[k]).mean()
        assert found.psnr[k] == pytest.approx(10 * np.log10(255**2 / off), abs=1e-2)


def test_psnr_is_told_under_the_guidance_that_was_asked_for(small: Backbone):
    """What is found does not depend on it."""
    found, usual = inverted(small, guidance=7.5), inverted(small)
    assert torch.equal(found.trajectory, usual.trajectory)
    assert (found.guidance, usual.guidance) == (7.5, 1.0)
    assert torch.equal(reconstruct(small, found, 1.0, QUIET), reconstruct(small, usual, run=QUIET))
    assert torch.equal(reconstruct(small, found, run=QUIET), reconstruct(small, usual, 7.5, QUIET))
    assert error(reconstruct(small, found, run=QUIET), found.clean) > 0.1
    assert found.psnr != usual.psnr


def test_reconstruction_is_plain_sampling(backbone: Backbone):
    found = inverted(backbone)
    assert torch.equal(reconstruct(backbone, found, run=QUIET), sampled(backbone, found))


def test_it_costs_a_pass_a_step(small: Backbone, passes: Callable[..., Any]):
    stepper, context = Ddim(small.levels, 6), small.embed(PROMPTS, SIZE)
    for refinements, count in ((0, 6), (3, 24)):
        with passes(small) as ran:
            trajectory_of(small, stepper, small.encode(PICTURES, SIZE), context, refinements, QUIET)
        assert ran == [2] * count


@pytest.mark.parametrize("given", [{}, {"method": "null_text", "iterations": 0}, {"method": "edit_friendly"}])
def test_without_a_prompt_no_guidance_matters_to_the_bit(small: Backbone, given: dict[str, Any]):
    found = inverted(small, prompts="", **given)
    one, other = (reconstruct(small, found, weight, QUIET) for weight in (2.0, 7.5))
    assert torch.equal(one, other)


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


@pytest.mark.parametrize(
    ("given", "extras"),
    [
        ({}, {"nulls": None, "noises": None, "pooled": None}),
        ({"reach": 0.5}, {"first": 3}),
        ({"method": "null_text", "iterations": 1}, {"noises": None, "pooled": None}),
        ({"method": "negative_prompt"}, {"noises": None}),
        ({"method": "edit_friendly"}, {"first": 2, "nulls": None}),
    ],
)
def test_it_is_kept_on_disk(wide: Backbone, tmp_path: Path, given: dict[str, Any], extras: dict[str, Any]):
    found = inverted(wide, **given)
    assert all(getattr(found, name) == value for name, value in extras.items())
    found.save(tmp_path / "kept.safetensors")
    again = Inversion.load(tmp_path / "kept.safetensors")
    for name in ("trajectory", "nulls", "noises", "pooled"):
        ours, theirs = getattr(found, name), getattr(again, name)
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.equal(ours, theirs)
    tensors: dict[str, Any] = dict.fromkeys(("trajectory", "nulls", "noises", "pooled"))
    assert replace(again, **tensors).__dict__ == replace(found, **tensors).__dict__
    assert torch.allclose(reconstruct(wide, again, run=QUIET), reconstruct(wide, found, run=QUIET), atol=1e-3)


def test_it_goes_to_a_device():
    """All of it: what was loaded is on the CPU, wherever the model is."""
    whole = Inversion(
        torch.zeros(4, 2, 4, 8, 8), ("a", "b"), (667, 334, 1), 7.5, "negative_prompt", "0", (1.0, 2.0), (3.0, 4.0),
        nulls=torch.zeros(3, 2, 5, 6), noises=torch.zeros(3, 2, 4, 8, 8), pooled=torch.zeros(2, 6),
    )  # fmt: skip
    there = replace(whole, placed=torch.zeros(2, 7, 5, 6)).to("meta")
    for tensor in (there.trajectory, there.nulls, there.noises, there.pooled, there.placed):
        assert tensor is not None
        assert tensor.device.type == "meta"
    assert whole.to("meta").placed is None
    assert (there.prompts, there.timesteps, there.psnr) == (whole.prompts, whole.timesteps, whole.psnr)


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
    save_file(tensors, tmp_path / "kept", metadata={"format": "innerlight inversion 2", "facts": facts})
    with pytest.raises(InputError, match="cannot be read as an inversion"):
        Inversion.load(tmp_path / "kept")


def test_a_file_of_an_older_version_is_refused(tmp_path: Path):
    tensors = {"trajectory": torch.zeros(7, 1, 4, 2, 2)}
    save_file(tensors, tmp_path / "kept", metadata={"format": "innerlight inversion 1", "facts": "{}"})
    with pytest.raises(InputError, match=r"older version.*invert again"):
        Inversion.load(tmp_path / "kept")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"first": -1}, "begins at step -1"),
        ({"first": 3}, "begins at step 3"),
        ({"first": 1}, "trajectory"),
        ({"trajectory": torch.zeros(4, 2, 4, 8)}, "trajectory"),
        ({"trajectory": torch.zeros(4, 1, 4, 8, 8)}, "trajectory"),
        ({"nulls": torch.zeros(3, 1, 5, 6)}, "nulls"),
        ({"nulls": torch.zeros(2, 2, 5, 6)}, "nulls"),
        ({"nulls": torch.zeros(3, 2, 5)}, "nulls"),
        ({"noises": torch.zeros(4, 2, 4, 8, 8)}, "noises"),
        ({"noises": torch.zeros(3, 2, 4, 8, 9)}, "noises"),
        ({"pooled": torch.zeros(1, 6)}, "pooled"),
        ({"placed": torch.zeros(1, 3, 5, 6)}, "placed"),
        ({"psnr": (1.0,)}, "1 and 2 scores"),
        ({"timesteps": (float("inf"), 2, 1)}, "cannot be read"),
        ({"prompts": ("a", "b", "c")}, "trajectory"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(tmp_path: Path, broken: dict[str, Any], said: str):
    whole = Inversion(
        torch.zeros(4, 2, 4, 8, 8), ("a", "b"), (667, 334, 1), 7.5, "null_text", "0", (1.0, 2.0), (3.0, np.inf),
        nulls=torch.zeros(3, 2, 5, 6), noises=torch.zeros(3, 2, 4, 8, 8), pooled=torch.zeros(2, 6),
    )  # fmt: skip
    whole.save(tmp_path / "whole")
    assert Inversion.load(tmp_path / "whole").floor == (3.0, np.inf)
    replace(whole, **broken).save(tmp_path / "broken")
    with pytest.raises(InputError, match=said):
        Inversion.load(tmp_path / "broken")


def test_a_file_without_a_trajectory_is_refused(small: Backbone, tmp_path: Path):
    found = inverted(small)
    found.save(tmp_path / "kept")
    with safe_open(tmp_path / "kept", framework="pt") as file:
        save_file({"other": torch.zeros(1)}, tmp_path / "less", metadata=file.metadata())
    with pytest.raises(InputError, match="cannot be read as an inversion"):
        Inversion.load(tmp_path / "less")


def test_other_noise_levels_are_refused(small: Backbone):
    found = replace(inverted(small), timesteps=(6, 5, 4, 3, 2, 1))
    with pytest.raises(InputError, match="other timesteps"):
        found.stepper(small.levels)


METHODS_AND_SETTINGS = [
    {"method": "ddim"}, {"method": "fixed_point"}, {"method": "negative_prompt"}, {"method": "edit_friendly"},
    {"method": "null_text", "iterations": 2},
]  # fmt: skip


@pytest.mark.parametrize("given", METHODS_AND_SETTINGS, ids=lambda given: given["method"])
def test_no_picture_depends_on_its_neighbours(backbone: Backbone, given: dict[str, Any]):
    both = inverted(backbone, steps=3, **given)
    seed = {"seed": 1} if given["method"] == "edit_friendly" else {}
    alone = inverted(backbone, PICTURES[1], PROMPTS[1], steps=3, **given, **seed)
    assert both.method == alone.method == given["method"]
    assert torch.allclose(alone.trajectory[:, 0], both.trajectory[:, 1], atol=1e-3)
    one, two = (reconstruct(backbone, found, run=QUIET) for found in (alone, both))
    assert torch.allclose(one[0], two[1], atol=5e-3)
    assert error(two[0], two[1]) > 0.05


@pytest.mark.parametrize("given", METHODS_AND_SETTINGS, ids=lambda given: given["method"])
def test_the_model_is_left_as_it_was_found(small: Backbone, given: dict[str, Any]):
    """Weights that are trained at the same time gather no gradients."""
    model = small.copy()
    model.unet.requires_grad_(True)
    before = [weight.clone() for weight in model.unet.parameters()]
    inverted(model, steps=2, **given)
    assert all(weight.grad is None and weight.requires_grad for weight in model.unet.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, model.unet.parameters(), strict=True))
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.unet.modules()]
    assert hooks == [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in small.unet.modules()]
    assert not inverted(model, steps=2, **given).trajectory.requires_grad


@pytest.mark.parametrize("given", METHODS_AND_SETTINGS, ids=lambda given: given["method"])
def test_the_same_twice(small: Backbone, given: dict[str, Any]):
    one, other = (inverted(small, steps=2, **given) for _ in range(2))
    assert torch.equal(one.trajectory, other.trajectory)
    assert torch.equal(reconstruct(small, one, run=QUIET), reconstruct(small, other, run=QUIET))


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
        ({"method": "inverse"}, "method: expected one of ddim, fixed_point, null_text, negative_prompt"),
        ({"guidance": float("nan")}, "guidance"),
        ({"reach": -0.1}, "reach: expected a share"),
        ({"reach": 1.5}, "reach: expected a share"),
        ({"reach": 0.5, "method": "null_text"}, "reach: null_text has no use for it"),
        ({"reach": 0.5, "method": "edit_friendly"}, "reach: edit_friendly has no use for it"),
        ({"iterations": 5}, "iterations: ddim has no use for it"),
        ({"iterations": -1, "method": "null_text"}, "iterations: expected a whole number"),
        ({"skip": 0.5}, "skip: ddim has no use for it"),
        ({"skip": 1.0, "method": "edit_friendly"}, "skip: expected a share"),
        ({"seed": 5}, "seed: ddim has no use for it"),
        ({"seed": -5, "method": "edit_friendly"}, "seed: expected numbers from 0"),
        ({"budget": 5}, "budget: ddim has no use for it"),
        ({"budget": 0, "method": "auto"}, "budget: expected a whole number"),
        ({"refinements": 2, "method": "edit_friendly"}, "refinements: edit_friendly has no use for it"),
        ({"pictures": None}, "both or neither"),
        ({"latents": torch.zeros(1, 4, 16, 24)}, "both or neither"),
        ({"pictures": None, "latents": torch.zeros(1, 4, 16, 24)}, "size: latents have a size of their own"),
        ({"pictures": None, "size": None, "latents": torch.zeros(4, 16, 24)}, "latents: expected"),
        ({"pictures": None, "size": None, "latents": torch.zeros(0, 4, 16, 24)}, "latents: expected"),
        ({"pictures": None, "size": None, "latents": torch.zeros(1, 3, 16, 24)}, "latents: expected"),
        ({"pictures": None, "size": None, "latents": torch.full((1, 4, 16, 24), np.nan)}, "finite"),
    ],
)
def test_what_cannot_be_is_refused(small: Backbone, given: dict[str, Any], said: str):
    with pytest.raises(InputError, match=said):
        inverted(small, **given)
