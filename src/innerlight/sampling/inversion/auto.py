"""The best inversion within a budget: DDIM (arXiv:2010.02502) and what was built on it, tried one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from innerlight.sampling.guidance import Guidance
from innerlight.sampling.inversion.ddim import ddim
from innerlight.sampling.inversion.edit_friendly import edit_friendly
from innerlight.sampling.inversion.negative_prompt import negative_prompt
from innerlight.sampling.inversion.null_text import null_text
from innerlight.sampling.inversion.task import Task
from innerlight.sampling.inversion.value import Inversion
from innerlight.sampling.loop import step_at
from innerlight.types import InputError

CLOSE = 0.5  # dB below the floor at which nothing better is looked for
REFINEMENTS = 3


@dataclass(frozen=True)
class Candidate:
    """A method and the most it costs, its reconstruction included: rows through the UNet for each picture.

    A row whose gradient is taken counts as three.
    """

    method: str
    passes: int
    find: Callable[[], Inversion]


def auto(
    task: Task, guidance: float, budget: int | None, iterations: int, skip: float, seed: int | Sequence[int]
) -> Inversion:
    """What comes back best under `guidance`, of what `budget` passes a picture (None: any number) can pay for."""
    return best_of(candidates_for(task, guidance, iterations, skip, seed), budget)


def candidates_for(
    task: Task, guidance: float, iterations: int, skip: float, seed: int | Sequence[int]
) -> list[Candidate]:
    """From the plainest to the dearest."""
    steps, rows = task.steps, len(Guidance(guidance).roles)
    shorter = steps - step_at(skip, steps)
    descents = 0 if guidance == 1 else iterations
    return [
        Candidate("negative_prompt", steps * (1 + rows), lambda: negative_prompt(task, guidance)),
        Candidate("ddim", steps * (1 + rows), lambda: ddim(task, guidance)),
        Candidate("fixed_point", steps * (1 + REFINEMENTS + rows), lambda: ddim(task, guidance, REFINEMENTS)),
        Candidate("edit_friendly", shorter * 2 * rows, lambda: edit_friendly(task, guidance, skip, seed)),
        Candidate("null_text", steps * (3 + 3 * descents + rows), lambda: null_text(task, guidance, iterations)),
    ]


def best_of(candidates: Sequence[Candidate], budget: int | None) -> Inversion:
    """Tries those that what is left can pay for, until every picture is close to its floor."""
    cheapest = min(candidates, key=lambda one: one.passes)
    left = float("inf") if budget is None else budget
    found: list[Inversion] = []
    for candidate in candidates:
        if candidate.passes > left:
            continue
        left -= candidate.passes
        found.append(candidate.find())
        if _close(found[-1]):
            break
    if not found:
        raise InputError(
            f"budget: {budget} passes a picture are too few; the cheapest way, {cheapest.method}, "
            f"takes {cheapest.passes}; give as many, or take fewer steps"
        )
    return max(found, key=lambda one: float(np.mean(one.psnr)))


def _close(found: Inversion) -> bool:
    return all(own >= floor - CLOSE for own, floor in zip(found.psnr, found.floor, strict=True))
