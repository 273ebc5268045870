"""The best inversion within a budget: what is tried, what it costs, what is kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from innerlight.backbones import Backbone, Context
from innerlight.sampling import Inversion, Run, invert
from innerlight.sampling.inversion.auto import Candidate, best_of, candidates_for
from innerlight.sampling.inversion.task import Task
from innerlight.taps import Moment
from innerlight.types import InputError

PROMPTS = ["a red cat", "a dog"]
QUIET = Run(progress=False)
LATENTS = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(5))
ALL = ["negative_prompt", "ddim", "fixed_point", "edit_friendly", "null_text"]


def scored(*psnr: float, floor: float = 30.0) -> Inversion:
    return Inversion(torch.zeros(2, 1, 1, 1, 1), ("",), (1,), 1.0, "", "", psnr, (floor,) * len(psnr))


def tried(*given: tuple[str, int, Inversion], budget: int | None) -> tuple[list[str], Inversion]:
    order: list[str] = []

    def candidate(name: str, passes: int, value: Inversion) -> Candidate:
        def find() -> Inversion:
            order.append(name)
            return value

        return Candidate(name, passes, find)

    found = best_of([candidate(*one) for one in given], budget)
    return order, found


WORSE, BAD, FAIR, GOOD, UNEVEN = scored(5, 5), scored(10, 10), scored(20, 20), scored(29.5, 31), scored(29.4, 60)


@pytest.mark.parametrize(
    ("budget", "order", "best"),
    [
        (5, ["a"], BAD),
        (6, ["a", "d"], BAD),
        (24, ["a", "d"], BAD),
        (25, ["a", "b"], FAIR),
        (26, ["a", "b", "d"], FAIR),
        (55, ["a", "b", "c"], GOOD),
        (None, ["a", "b", "c"], GOOD),
    ],
)
def test_what_is_tried_is_what_can_be_paid_for(budget: int | None, order: list[str], best: Inversion):
    """One that is too dear is left out; those after it may fit."""
    some = ("a", 5, BAD), ("b", 20, FAIR), ("c", 30, GOOD), ("d", 1, WORSE)
    assert tried(*some, budget=budget) == (order, best)


def test_it_ends_when_every_picture_is_close_to_its_floor():
    assert tried(("a", 1, GOOD), ("b", 1, GOOD), budget=None)[0] == ["a"]
    assert tried(("a", 1, UNEVEN), ("b", 1, GOOD), ("c", 1, GOOD), budget=None) == (["a", "b"], UNEVEN)
    perfect = scored(math.inf, math.inf, floor=math.inf)
    assert tried(("a", 1, perfect), ("b", 1, perfect), budget=None)[0] == ["a"]


def test_too_small_a_budget_names_the_cheapest_way():
    with pytest.raises(InputError, match=r"budget: 3 passes.*the cheapest way, b, takes 4"):
        tried(("a", 5, BAD), ("b", 4, BAD), budget=3)


def counting(small: Backbone) -> tuple[Backbone, list[int]]:
    """A model, and what its passes cost: a row once, with its gradient three times."""
    model, costs = small.copy(), []

    def denoise(latents: Tensor, t: int, context: Context, moment: Moment) -> Tensor:
        costs.append(len(latents) * (3 if moment.passing == "gradient" else 1))
        return Backbone.denoise(model, latents, t, context, moment)

    model.denoise = denoise  # type: ignore[method-assign,assignment]
    return model, costs


@pytest.mark.parametrize("weight", [1.0, 0.0, 4.0])
@pytest.mark.parametrize("skip", [0.0, 0.5])
def test_what_is_stated_is_what_it_costs(small: Backbone, weight: float, skip: float):
    model, costs = counting(small)
    task = Task.of(model, None, LATENTS, PROMPTS, 3, None, QUIET)
    candidates = candidates_for(task, weight, 2, skip, 0)
    assert [one.method for one in candidates] == ALL
    for candidate in candidates:
        costs.clear()
        found = candidate.find()
        assert found.method == candidate.method
        assert found.guidance == weight
        assert sum(costs) == candidate.passes * 2  # pictures


@pytest.mark.parametrize("budget", [9, 17, 18, 40, 200])
def test_a_run_stays_within_its_budget(small: Backbone, budget: int):
    model, costs = counting(small)
    settings: dict[str, Any] = {"steps": 3, "guidance": 4.0, "run": QUIET}
    found = invert(model, None, PROMPTS, method="auto", latents=LATENTS, budget=budget, iterations=2, **settings)
    assert 9 * 2 <= sum(costs) <= budget * 2
    alone = {}
    for method, more in zip(ALL, ({}, {}, {}, {}, {"iterations": 2}), strict=True):
        one = invert(small, None, PROMPTS, method=method, latents=LATENTS, **settings, **more)
        alone[method] = float(np.mean(one.psnr))
    assert np.mean(found.psnr) == pytest.approx(alone[found.method], abs=1e-2)
    if budget == 9:
        assert found.method == "negative_prompt"
    if budget == 200:
        assert np.mean(found.psnr) == pytest.approx(max(alone.values()), abs=1e-2)


def test_too_small_a_budget_is_refused_before_anything_runs(small: Backbone):
    model, costs = counting(small)
    with pytest.raises(InputError, match=r"budget: 5 passes a picture are too few; .* takes 9"):
        invert(model, None, PROMPTS, method="auto", latents=LATENTS, budget=5, steps=3, guidance=4.0, skip=0, run=QUIET)
    assert not costs
