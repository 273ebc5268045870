"""Whole runs: a seed is a picture, rules of diffusers step as there, a run can be watched and ended, and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone, NoiseLevels, NotFiniteError, StepRule, scheduler_named
from innerlight.files import read_recipe, write_recipe
from innerlight.sampling import CancelToken, Ddim, Ddpm, Guidance, Run, draw, from_image, generate, generators_of
from innerlight.types import CancelledError, InnerlightError, InputError

PROMPTS = ["a red cat", "a dog on the grass", "a house"]
SIZE = (64, 96)
QUIET = Run(progress=False)


def latents(backbone: Backbone, prompts: Any = PROMPTS, **given: Any) -> Tensor:
    return generate(backbone, prompts, **{"steps": 2, "size": SIZE, "guidance": 3.0, "run": QUIET, **given}).latents


# A seed is a picture


def test_a_picture_does_not_depend_on_its_neighbours(backbone: Backbone):
    together = latents(backbone, seed=[5, 9, 2])
    assert together.shape == (3, 4, 16, 24)
    for k, seed in enumerate((5, 9, 2)):
        assert torch.allclose(latents(backbone, PROMPTS[k], seed=seed)[0], together[k], atol=1e-4)
    assert torch.equal(latents(backbone, seed=[5, 9, 2]), together)


def test_seeds_count_up_and_are_recorded(small: Backbone):
    made = generate(small, PROMPTS, seed=7, steps=2, size=SIZE, run=QUIET)
    assert made.seeds == (7, 8, 9)
    assert torch.allclose(latents(small, seed=7), latents(small, seed=[7, 8, 9]), atol=0)
    assert [image.size for image in made.images] == [(96, 64)] * 3
    assert made._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("rule", [lambda levels: Ddim(levels, 3, eta=1.0), lambda levels: Ddpm(levels, 3)])
def test_noise_on_the_way_is_drawn_for_each_picture(small: Backbone, rule: Callable[..., Any]):
    together = latents(small, seed=[5, 9, 2], stepper=rule(small.levels))
    alone = latents(small, PROMPTS[1], seed=9, stepper=rule(small.levels))
    assert torch.allclose(alone[0], together[1], atol=1e-4)


def test_latents_alone_are_the_same(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    pictures = generate(small, ["a cat", "a dog"], steps=2, seed=4)
    monkeypatch.setattr(small.vae, "decode", None)
    alone = generate(small, ["a cat", "a dog"], steps=2, seed=4, decode=False)
    assert torch.equal(alone.latents, pictures.latents)
    assert alone.images == []
    assert alone._repr_png_() is None
    assert alone.recipe == pictures.recipe


def test_given_latents_stand_in_for_the_noise(small: Backbone):
    start = draw(generators_of([4, 5, 6]), (4, 16, 24))
    assert torch.equal(latents(small, latents=start, seed=99), latents(small, seed=4))


def test_a_negative_prompt_takes_the_place_of_no_prompt(small: Backbone):
    assert torch.equal(latents(small, negative=""), latents(small))
    assert not torch.equal(latents(small, negative="a dog"), latents(small))


def test_a_recipe_says_what_is_needed_to_do_it_again(small: Backbone):
    made = generate(small, PROMPTS[:2], seed=[3, 1], steps=2, size=SIZE, guidance=Guidance(2.5), run=QUIET)
    recipe = made.recipe
    again = latents(
        small, recipe["prompts"], seed=recipe["seeds"], steps=recipe["steps"], guidance=recipe["guidance"],
        negative=recipe["negative"], size=recipe["size"],
    )  # fmt: skip
    assert torch.equal(again, made.latents)
    assert (recipe["model_hash"], recipe["stepper"], recipe["method"]) == (small.hash, "Ddim", "generate")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda levels: Ddim(levels, 2, eta=0.5), {"stepper": "Ddim", "eta": 0.5}),
        (lambda levels: Ddpm(levels, 2, "large"), {"stepper": "Ddpm", "variance": "large"}),
    ],
)
def test_a_recipe_says_by_which_rule(small: Backbone, rule: Callable[..., Any], said: dict[str, Any]):
    recipe = generate(small, "a cat", stepper=rule(small.levels), size=SIZE, run=QUIET).recipe
    assert said.items() <= recipe.items()


def test_a_recipe_of_numpy_numbers_can_be_written(small: Backbone, tmp_path: Path, picture: Image.Image):
    size: Any = (np.int64(64), np.int64(96))
    made = generate(small, "a cat", steps=1, size=size, seed=np.int64(3), guidance=np.float32(2.5), run=QUIET)
    write_recipe(made.recipe, tmp_path / "one.json")
    again = read_recipe(tmp_path / "one.json")
    assert (again["seeds"], again["size"], again["guidance"]) == ([3], [64, 96], 2.5)
    assert torch.equal(
        latents(small, again["prompts"], seed=again["seeds"], steps=1, size=again["size"], guidance=again["guidance"]),
        made.latents,
    )
    other = changed(small, picture, strength=np.float32(0.5))
    write_recipe(other.recipe, tmp_path / "two.json")
    assert read_recipe(tmp_path / "two.json")["strength"] == 0.5


# Rules of diffusers


def stock(backbone: Backbone, scheduler: Any, seed: int) -> Tensor:
    """A plain loop as a pipeline has it, conditional alone, for the first prompt."""
    rule = type(scheduler).from_config(scheduler.config)
    rule.set_timesteps(4)
    generators = generators_of([seed])
    x = draw(generators, (4, 16, 24)) * rule.init_noise_sigma
    context = backbone.embed(PROMPTS[:1], SIZE)
    random = {"generator": generators} if isinstance(rule, EulerAncestralDiscreteScheduler) else {}
    for t in rule.timesteps:
        with torch.no_grad():
            noise = backbone.denoise(rule.scale_model_input(x, t), float(t), context)
        x = rule.step(noise, t, x, return_dict=False, **random)[0]
    return x


NAMES = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "PNDMScheduler")


@pytest.mark.parametrize("name", NAMES)
def test_any_scheduler_steps_as_in_diffusers(small: Backbone, name: str):
    scheduler = scheduler_named(name)
    ours = latents(small, PROMPTS[:1], seed=5, stepper=StepRule(scheduler, 4), guidance=1.0)
    theirs = stock(small, scheduler, 5)
    assert (ours - theirs).abs().max() / theirs.abs().max() < 1e-4


@pytest.mark.parametrize(
    ("name", "steps", "says"),
    [
        ("DDIMScheduler", 2000, "does not take 2000 steps"),
        ("LCMScheduler", 60, "does not take 60 steps"),
        ("RePaintScheduler", 4, "wants original_image and mask as well"),
        ("DDIMInverseScheduler", 4, "goes from the picture to the noise"),
    ],
)
def test_rules_that_cannot_step_so_are_refused(name: str, steps: int, says: str):
    with pytest.raises(InputError, match=f"^{name}.* {says}"):
        StepRule(scheduler_named(name), steps)


@pytest.mark.parametrize("name", NAMES)
def test_a_scheduler_has_the_levels_of_the_model(name: str):
    noisier = NoiseLevels.scaled_linear(last=0.02)
    assert torch.allclose(scheduler_named(name, noisier).alphas_cumprod, noisier.abar, atol=1e-6)
    usual = NoiseLevels.scaled_linear()
    assert scheduler_named(name, usual).config == scheduler_named(name).config


@pytest.mark.parametrize("name", NAMES)
def test_threads_share_a_rule_and_a_model(small: Backbone, name: str):
    rule = StepRule(scheduler_named(name), 4)

    def one(seed: int) -> Tensor:
        return latents(small, PROMPTS[:1], seed=seed, stepper=rule)

    serial = [one(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert all(torch.equal(a, b) for a, b in zip(serial, pool.map(one, range(4)), strict=True))


# From a picture


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    gradient = np.linspace(0, 255, 64 * 96 * 3).reshape(64, 96, 3).astype(np.uint8)
    return Image.fromarray(gradient)


def changed(backbone: Backbone, picture: Any, **given: Any) -> Any:
    return from_image(backbone, picture, "a cat", **{"steps": 5, "guidance": 2.0, "run": QUIET, **given})


def test_strength_0_is_the_round_trip_and_runs_nothing(backbone: Backbone, picture: Any, passes: Callable[..., Any]):
    with passes(backbone) as ran:
        made = changed(backbone, picture, strength=0)
    assert ran == []
    assert torch.equal(made.latents, backbone.encode([picture]))
    assert made.images[0].size == (96, 64), "a picture keeps its size"


@pytest.mark.parametrize(("strength", "count"), [(0.2, 1), (0.5, 2), (0.99, 4), (1.0, 5)])
def test_strength_is_the_share_of_steps(
    small: Backbone, picture: Any, passes: Callable[..., Any], strength: float, count: int
):
    with passes(small) as ran:
        made = changed(small, picture, strength=strength)
    assert ran == [2] * count
    assert made.recipe["strength"] == strength


def test_strength_1_is_a_run_from_the_noisiest_step(backbone: Backbone, picture: Any):
    clean, t = backbone.encode([picture], SIZE), Ddim(backbone.levels, 5).timesteps[0]
    start = backbone.levels.noisy(clean, draw(generators_of([8]), clean.shape[1:]), torch.tensor([t]))
    whole = latents(backbone, "a cat", steps=5, guidance=2.0, latents=start)
    assert torch.equal(changed(backbone, picture, strength=1, seed=8, size=SIZE).latents, whole)


def test_pictures_of_any_size_come_back_at_their_own(small: Backbone):
    odd = Image.new("RGB", (301, 173), (200, 40, 90))
    made = changed(small, odd, strength=0.5)
    rows, columns = small.fitting((173, 301))
    assert made.latents.shape == (1, 4, rows // small.shrink, columns // small.shrink)
    assert made.images[0].size == (301, 173)
    assert changed(small, odd, strength=0.5, size=(64, 96)).images[0].size == (96, 64)


def test_pictures_of_different_shapes_need_a_size(small: Backbone, picture: Any):
    tall = Image.new("RGB", (64, 200))
    with pytest.raises(InputError, match="give size="):
        changed(small, [picture, tall])
    assert len(changed(small, [picture, tall], size=(64, 96)).images) == 2
    with pytest.raises(InputError, match="multiples of 4"):
        changed(small, picture, size=(63, 96))
    with pytest.raises(InputError, match="at least one"):
        changed(small, [])


def test_more_strength_leaves_less_of_the_picture(small: Backbone, picture: Any):
    clean = small.encode([picture])
    far = [float((changed(small, picture, strength=s).latents - clean).square().mean()) for s in (0.2, 0.4, 0.8)]
    assert far == sorted(far)


def test_pictures_and_prompts_in_pairs(small: Backbone, picture: Any):
    other = Image.fromarray(255 - np.asarray(picture))
    both = from_image(small, [picture, other], PROMPTS[:2], seed=[1, 2], steps=4, run=QUIET)
    alone = from_image(small, other, PROMPTS[1], seed=2, steps=4, run=QUIET)
    assert torch.allclose(both.latents[1], alone.latents[0], atol=1e-4)
    with pytest.raises(InputError, match="one for each of 2 pictures, got 3"):
        from_image(small, [picture, other], PROMPTS, run=QUIET)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_under_any_scheduler(small: Backbone, picture: Any, name: str):
    made = changed(small, picture, stepper=StepRule(scheduler_named(name), 6), strength=0.5)
    assert torch.isfinite(made.latents).all()
    assert (made.latents - small.encode([picture])).abs().mean() < 3


@pytest.mark.parametrize("strength", [-0.1, 1.01, math.nan, "0.5"])
def test_strength_is_from_0_to_1(small: Backbone, picture: Any, strength: Any):
    with pytest.raises(InputError, match="strength: expected 0 to 1"):
        changed(small, picture, strength=strength)


# Watched and ended


def test_a_run_is_cancelled_within_a_step(small: Backbone, passes: Callable[..., Any]):
    cancel = CancelToken()
    run = Run(progress=False, cancel=cancel, on_step=lambda step: cancel.cancel() if step.index == 1 else None)
    with passes(small) as ran, pytest.raises(CancelledError, match="cancelled"):
        latents(small, steps=10, run=run)
    assert len(ran) == 2
    with passes(small) as ran, pytest.raises(CancelledError):
        latents(small, run=run)
    assert ran == [], "a token that was used cancels at once"


def test_a_listener_is_shown_every_step(small: Backbone):
    seen: list[tuple[int, int, int]] = []
    run = Run(progress=False, on_step=lambda step: seen.append((step.index, step.steps, step.timestep)))
    latents(small, steps=4, run=run)
    assert seen == [(k, 4, t) for k, t in enumerate(Ddim(small.levels, 4).timesteps)]


@pytest.mark.parametrize("shown", [False, True])
def test_progress_is_silent_where_nobody_watches(small: Backbone, shown: bool, capfd: Any):
    latents(small, run=Run(progress=shown or None))
    out, err = capfd.readouterr()
    assert out == ""
    assert ("sampling" in err) == shown


# What cannot be


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": -1}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"steps": 1000}, "1 to 999"),
        ({"guidance": math.nan}, "guidance: expected a number"),
        ({"size": (64, 97)}, "size"),
        ({"size": (0, 64)}, "size"),
        ({"size": (-64, 64)}, "size"),
        ({"size": 64}, "size"),
        ({"seed": [1, 2]}, "expected one number, or 3"),
        ({"seed": -1}, "from 0"),
        ({"seed": 1.5}, "whole number"),
        ({"prompts": []}, "prompts: expected one string or several"),
        ({"prompts": [3]}, "prompts"),
        ({"prompts": None}, "prompts"),
        ({"latents": torch.zeros(1, 4, 16, 24)}, r"expected shape \(3, 4, 16, 24\)"),
        ({"latents": torch.full((3, 4, 16, 24), math.nan)}, "float32|numbers"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(small: Backbone, given: dict[str, Any], said: str):
    with pytest.raises(InnerlightError, match=said):
        latents(small, **given)


def test_numbers_that_run_away_name_their_step(small: Backbone):
    with pytest.raises(NotFiniteError, match=r"step \d of 2 \(timestep \d+\)"):
        latents(small, guidance=Guidance(1e38))
