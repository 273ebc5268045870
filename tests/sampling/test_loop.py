"""The step loop: streams side by side do not disturb each other, listeners see and replace, and rows have names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from innerlight.backbones import Backbone, StepRule, scheduler_named
from innerlight.sampling import (
    ClassifierGuidance,
    Ddim,
    Ddpm,
    Guidance,
    Row,
    Run,
    SelfAttentionGuidance,
    Step,
    Stepper,
    draw,
    generators_of,
    run_steps,
)
from innerlight.sampling.generate import rows_for
from innerlight.types import InputError

QUIET = Run(progress=False)
PROMPTS = {"source": "a red cat", "target": "a dog"}
TERMS = (ClassifierGuidance(lambda latents, t: latents[:, 0].mean((1, 2)), scale=50.0), SelfAttentionGuidance())


def rows_of(backbone: Backbone, guidance: Guidance, streams: Sequence[str]) -> list[Row]:
    return [row for one in streams for row in rows_for(backbone, [PROMPTS[one]], guidance, size=(48, 64), stream=one)]


def ran(
    backbone: Backbone, rule: Stepper, streams: Sequence[str], guidance: float | Guidance = 2.0, **more: Any
) -> dict[str, Tensor]:
    terms = guidance if isinstance(guidance, Guidance) else Guidance(guidance)
    seeds = {"source": 3, "target": 4}
    start = {one: rule.start(draw(generators_of([seeds[one]]), (4, 12, 16))) for one in streams}
    random = {one: generators_of([seeds[one] + 10]) for one in streams}
    return run_steps(backbone, rule, start, rows_of(backbone, terms, streams), terms, random, run=QUIET, **more)


RULES: Mapping[str, Callable[[Backbone], Stepper]] = {
    "ddim": lambda backbone: Ddim(backbone.levels, 4, eta=1.0),
    "ddpm": lambda backbone: Ddpm(backbone.levels, 4),
    **{
        name: lambda backbone, name=name: StepRule(scheduler_named(f"{name}Scheduler"), 4)
        for name in ("DPMSolverMultistep", "PNDM", "HeunDiscrete", "UniPCMultistep", "EulerAncestralDiscrete")
    },
}


@pytest.mark.parametrize("name", RULES)
def test_streams_side_by_side_are_streams_alone(small: Backbone, name: str):
    """Rules that remember their last steps remember those of one stream."""
    rule = RULES[name](small)
    both = ran(small, rule, ["source", "target"])
    for stream in PROMPTS:
        alone = ran(small, rule, [stream])[stream]
        assert (both[stream] - alone).abs().max() / alone.abs().max() < 1e-4


def test_terms_of_guidance_are_about_their_own_stream(small: Backbone):
    guidance, rule = Guidance(2.0, TERMS), Ddim(small.levels, 3)
    both = ran(small, rule, ["source", "target"], guidance)
    for stream in PROMPTS:
        assert torch.allclose(both[stream], ran(small, rule, [stream], guidance)[stream], atol=1e-4)


def test_listeners_see_rows_by_name_and_may_replace_latents(small: Backbone):
    shown: list[list[str]] = []

    def look(step: Step) -> None:
        shown.append(list(step.estimates))

    def follow(step: Step) -> None:
        step.latents["target"] = step.latents["source"]

    found = ran(small, Ddim(small.levels, 3), ["source", "target"], after=[look, follow])
    assert shown == [["source.uncond", "source.cond", "target.uncond", "target.cond"]] * 3
    assert torch.equal(found["source"], found["target"])
    replaced = ran(small, Ddim(small.levels, 3), ["source", "target"], before=[follow])
    assert torch.equal(replaced["source"], found["source"])
    assert not torch.equal(replaced["target"], replaced["source"]), "the last step was its own"


def test_the_promised_clean_latents_are_those_of_the_formula(small: Backbone):
    def look(step: Step) -> None:
        abar = float(small.levels.abar[step.timestep])
        again = abar**0.5 * step.clean("source") + (1 - abar) ** 0.5 * step.noise["source"]
        assert torch.allclose(again, step.shown["source"], atol=1e-4)

    ran(small, Ddim(small.levels, 3), ["source"], after=[look])


def test_a_run_can_be_taken_in_parts(small: Backbone):
    rule, guidance = Ddim(small.levels, 5), Guidance(2.0)
    whole = ran(small, rule, ["source"])
    first = ran(small, rule, ["source"], last=2)
    rows = rows_of(small, guidance, ["source"])
    rest = run_steps(small, rule, first, rows, guidance, {"source": generators_of([1])}, run=QUIET, first=2)
    assert torch.equal(rest["source"], whole["source"])


def test_rows_and_streams_belong_together(small: Backbone):
    rule, guidance = Ddim(small.levels, 2), Guidance(1.0)
    start, random = {"source": torch.zeros(1, 4, 12, 16)}, {"source": generators_of([0])}
    rows = rows_of(small, guidance, ["source"])
    with pytest.raises(InputError, match=r"different names, got source\.cond, source\.cond"):
        run_steps(small, rule, start, rows * 2, guidance, random, run=QUIET)
    with pytest.raises(InputError, match="got rows for target"):
        run_steps(small, rule, start, rows_of(small, guidance, ["target"]), guidance, random, run=QUIET)
    with pytest.raises(InputError, match="and generators for"):
        run_steps(small, rule, start, rows, guidance, {}, run=QUIET)
