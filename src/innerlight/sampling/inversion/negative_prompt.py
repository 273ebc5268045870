"""Negative-prompt inversion (Miyake et al. 2023, arXiv:2305.16807): "no prompt" is the picture's own prompt."""

from __future__ import annotations

from innerlight.sampling.inversion.ddim import pivot_of
from innerlight.sampling.inversion.task import Task
from innerlight.sampling.inversion.value import Inversion


def negative_prompt(task: Task, guidance: float, refinements: int = 0) -> Inversion:
    """With it guidance of any weight is the conditional estimate, which plain inversion leads back by."""
    own = task.context
    nulls = own.states.expand(task.steps, *own.states.shape)  # (steps, n, tokens, width)
    pivot = pivot_of(task, refinements)
    return task.inversion("negative_prompt", guidance, pivot, nulls=nulls, pooled=own.pooled, placed=own.placed)
