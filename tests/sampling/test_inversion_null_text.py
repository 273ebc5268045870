"""Null-text and negative-prompt inversion: the guided path follows the one that was found without guidance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from innerlight.backbones import Backbone, Context
from innerlight.prompts import LearnedWord
from innerlight.sampling import Ddim, Inversion, Row, Run, generate, invert, reconstruct, with_nulls
from innerlight.sampling.inversion.null_text import NullStep
from innerlight.taps import Moment
from innerlight.types import InputError

PROMPTS = ["a red cat", "a dog"]
SIZE = (64, 96)
QUIET = Run(progress=False)
PICTURES = [np.random.default_rng(k).integers(0, 255, (64, 96, 3), np.uint8) for k in range(2)]


def inverted(backbone: Backbone, method: str, **given: Any) -> Inversion:
    settings = {"steps": 3, "size": SIZE, "guidance": 7.5, "run": QUIET, **given}
    return invert(backbone, PICTURES, settings.pop("prompts", PROMPTS), method=method, **settings)


def errors(backbone: Backbone, found: Inversion) -> Tensor:
    """Mean square distance (n,) of what comes back from the pictures' own latents."""
    return (reconstruct(backbone, found, run=QUIET) - found.clean).square().mean((1, 2, 3))


def test_without_iterations_it_is_plain_guided_sampling_to_the_bit(backbone: Backbone):
    found = inverted(backbone, "null_text", iterations=0)
    plain = generate(backbone, PROMPTS, latents=found.latents, steps=3, guidance=7.5, size=SIZE, run=QUIET).latents
    assert torch.equal(reconstruct(backbone, found, run=QUIET), plain)
    assert found.nulls is not None
    assert found.nulls.shape[:2] == (3, 2)


def test_each_iteration_leads_nearer(backbone: Backbone):
    none, some, more = (errors(backbone, inverted(backbone, "null_text", iterations=n)) for n in (0, 3, 12))
    assert (some < none).all()
    assert (more < some).all()
    assert (more < 0.95 * none).all()


def test_the_pivot_is_that_of_ddim(small: Backbone):
    for refinements in (0, 2):
        found = inverted(small, "null_text", iterations=0, refinements=refinements)
        assert torch.equal(found.trajectory, inverted(small, "ddim", refinements=refinements).trajectory)


def test_its_passes(small: Backbone):
    """A step asks once under the prompt, each iteration by a pass with gradients, and once to go on."""
    told: list[tuple[int, str, str, bool]] = []
    model = small.copy()

    def denoise(latents: Tensor, t: int, context: Context, moment: Moment) -> Tensor:
        told.append((moment.step, moment.rows.names[0], moment.passing, torch.is_grad_enabled()))
        return Backbone.denoise(model, latents, t, context, moment)

    model.denoise = denoise  # type: ignore[method-assign,assignment]
    with torch.no_grad():  # as a caller may
        inverted(model, "null_text", iterations=2)
    found = told[3 : 3 + 12]  # after the inversion, before the reconstruction
    ways = [("cond", "main", False), *[("uncond", "gradient", True)] * 2, ("uncond", "main", False)]
    assert found == [(step, *way) for step in range(3) for way in ways]


def test_at_weight_1_there_is_nothing_to_find(small: Backbone):
    found = inverted(small, "null_text", guidance=1.0)
    empty = small.unconditional(2, SIZE).states
    assert torch.equal(found.nulls, empty.expand(3, *empty.shape))  # type: ignore[arg-type]
    assert torch.equal(reconstruct(small, found, run=QUIET), reconstruct(small, inverted(small, "ddim"), 1.0, QUIET))


# One step of it, on a network that is a formula of the states


def formula(small: Backbone, steps: int = 50, index: int = 2) -> tuple[NullStep, Tensor, Tensor, Tensor]:
    """A step, states of "no prompt", what is estimated under the prompt, and goals that are out of reach."""
    random = torch.Generator().manual_seed(3)
    model, mix = small.copy(), torch.randn(5 * 6, 4 * 8 * 12, generator=random) / 30
    model.denoise = (  # type: ignore[method-assign]
        lambda latents, t, context, moment: 0.3 * latents + (context.states.flatten(1) @ mix).sin().view_as(latents)
    )
    states, latents, conditional, goal = (
        torch.randn(2, *shape, generator=random) for shape in ((5, 6), (4, 8, 12), (4, 8, 12), (4, 8, 12))
    )
    empty = Context(torch.zeros_like(states), ((), ()))
    return NullStep(model, Ddim(small.levels, steps), latents, empty, 7.5, index), states, conditional, goal


@pytest.mark.parametrize("index", [0, 2, 49])
def test_its_descent_is_adam(small: Backbone, index: int):
    step, states, conditional, goal = formula(small, index=index)
    found = step.descend(states, conditional, goal, 6)
    for k in range(2):
        own = states[k : k + 1].clone().requires_grad_()
        one = replace(step, latents=step.latents[k : k + 1], empty=step.empty.take([k]))
        adam = torch.optim.Adam([own], lr=1e-2 * (1 - index / 100))
        for _ in range(6):
            adam.zero_grad()
            ahead = one.ahead(own, conditional[k : k + 1], "gradient")
            torch.nn.functional.mse_loss(ahead, goal[k : k + 1]).backward()
            adam.step()
        assert torch.allclose(found[k : k + 1], own, atol=1e-6)
        assert (found[k] - states[k]).abs().max() > 1e-2


def test_a_picture_that_is_near_enough_is_let_be(small: Backbone):
    """Its neighbour goes on as if alone."""
    step, states, conditional, goal = formula(small)
    enough = (1e-5 + 2e-5 * step.index) ** 0.5
    reached = step.ahead(states, conditional, "main")
    near, far = reached + 0.99 * enough, reached + 1.01 * enough
    both = torch.stack([near[0], goal[1]])
    found = step.descend(states, conditional, both, 4)
    assert torch.equal(found[0], states[0])
    assert torch.equal(found[1], step.descend(states, conditional, goal, 4)[1])
    assert not torch.equal(found[1], states[1])
    assert (step.descend(states, conditional, far, 1) != states).any(dim=(1, 2)).all()


def test_it_stops_once_it_is_near_enough(small: Backbone):
    """More iterations then change nothing."""
    step, states, conditional, _ = formula(small)
    goal = step.ahead(states + 0.5, conditional, "main")
    few, many, more = (step.descend(states, conditional, goal, n) for n in (1, 300, 400))
    error = (step.ahead(many, conditional, "main") - goal).square().mean((1, 2, 3))
    assert (error < 1e-5 + 2e-5 * step.index).all()
    assert torch.equal(many, more)
    assert not torch.equal(few, many)


def test_after_a_hundred_steps_the_rate_does_not_turn_round(small: Backbone):
    step, states, conditional, goal = formula(small, steps=250, index=200)

    def off(states: Tensor) -> Tensor:
        return (step.ahead(states, conditional, "main") - goal).square().mean()

    assert off(step.descend(states, conditional, goal, 20)) < off(states)


# Negative prompt


def test_a_negative_prompt_makes_every_guidance_the_conditional_estimate(backbone: Backbone):
    """Also where contexts have a pooled part."""
    found = inverted(backbone, "negative_prompt")
    plain = reconstruct(backbone, found, 1.0, QUIET)
    for weight in (0.0, 3.0, 7.5):
        assert torch.allclose(reconstruct(backbone, found, weight, QUIET), plain, atol=1e-4)
    other = reconstruct(backbone, replace(found, nulls=None, pooled=None), run=QUIET)
    assert (other - plain).abs().max() > 0.1


def test_a_negative_prompt_is_the_prompt_at_each_step(backbone: Backbone):
    found, context = inverted(backbone, "negative_prompt"), backbone.embed(PROMPTS, SIZE)
    assert torch.equal(found.nulls, torch.stack([context.states] * 3))  # type: ignore[arg-type]
    assert torch.equal(found.trajectory, inverted(backbone, "ddim").trajectory)
    assert (found.pooled is None) == (context.pooled is None)
    assert found.pooled is None or torch.equal(found.pooled, context.pooled)


def test_a_word_with_vectors_for_each_place_keeps_them(small: Backbone, tmp_path: Path):
    vectors = torch.randn(len(small.places), 1, 24, generator=torch.Generator().manual_seed(0))
    known = small.knowing(LearnedWord("<toy>", (vectors,)))
    inverted(known, "negative_prompt", prompts="a <toy>").save(tmp_path / "kept")
    found = Inversion.load(tmp_path / "kept")
    plain = reconstruct(known, found, 1.0, QUIET)
    assert torch.allclose(reconstruct(known, found, run=QUIET), plain, atol=1e-4)
    assert not torch.allclose(reconstruct(known, replace(found, placed=None), run=QUIET), plain, atol=1e-3)


def test_without_a_prompt_it_is_the_same_for_every_guidance_to_the_bit(backbone: Backbone):
    """On a network whose "no prompt" is all zeros too."""
    found = inverted(backbone, "negative_prompt", prompts="")
    assert torch.equal(reconstruct(backbone, found, 2.0, QUIET), reconstruct(backbone, found, 7.5, QUIET))


def test_the_models_own_guidance_is_the_default(small: Backbone):
    model = small.copy()
    model.calibration = {"guidance": 4.0, "steps": 2}
    for method, more in (("negative_prompt", {}), ("null_text", {"iterations": 0}), ("auto", {"budget": 6})):
        assert inverted(model, method, guidance=None, steps=None, **more).guidance == 4.0
    assert inverted(model, "ddim", guidance=None).guidance == 1.0
    assert inverted(model, "edit_friendly", guidance=None).guidance == 3.5


# The listener


def rows_of(small: Backbone) -> list[Row]:
    context = small.embed(PROMPTS, SIZE)
    return [Row(role, context, stream) for stream in ("source", "target") for role in ("uncond", "cond")]


def shown(small: Backbone, found: Inversion, stream: str, index: int) -> list[Row]:
    step: Any = SimpleNamespace(rows=rows_of(small), index=index)
    with_nulls(found, stream)(step)
    return step.rows


def test_only_the_empty_prompt_of_one_stream_is_replaced(small: Backbone):
    found = inverted(small, "null_text", iterations=1)
    assert found.nulls is not None
    for index in range(3):
        rows = shown(small, found, "target", index)
        assert [row.name for row in rows] == [row.name for row in rows_of(small)]
        for row, own in zip(rows, rows_of(small), strict=True):
            changed = row.name == "target.uncond"
            assert torch.equal(row.context.states, found.nulls[index] if changed else own.context.states)
            assert row.context.tokens == own.context.tokens


def test_pooled_parts_and_sizes_stay_those_of_the_empty_prompt(backbone: Backbone):
    found, empty = inverted(backbone, "null_text", iterations=1), backbone.unconditional(2, SIZE)
    step: Any = SimpleNamespace(rows=[Row("uncond", empty)], index=1)
    with_nulls(found)(step)
    assert torch.equal(step.rows[0].context.states, found.nulls[1])  # type: ignore[index]
    assert step.rows[0].context.pooled is empty.pooled
    assert step.rows[0].context.sizes is empty.sizes


def test_steps_that_it_does_not_keep_are_refused(small: Backbone):
    found = inverted(small, "null_text", iterations=0)
    assert found.nulls is not None
    later = replace(found, first=1, nulls=found.nulls[1:], trajectory=found.trajectory[1:])
    assert torch.equal(shown(small, later, "source", 2)[0].context.states, found.nulls[2])
    with pytest.raises(InputError, match="begins at step 1, got step 0"):
        shown(small, later, "source", 0)
    with pytest.raises(InputError, match="got step 3"):
        shown(small, found, "source", 3)


def test_an_inversion_without_nulls_changes_nothing(small: Backbone):
    found = inverted(small, "ddim")
    rows = shown(small, found, "source", 0)
    assert all(torch.equal(a.context.states, b.context.states) for a, b in zip(rows, rows_of(small), strict=True))
