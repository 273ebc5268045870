"""DDIM inversion (Song et al. 2021, arXiv:2010.02502), plain and refined to a fixed point at each step."""

from __future__ import annotations

import torch
from torch import Tensor

from innerlight.backbones import Backbone, Context, ddim_step
from innerlight.sampling.inversion.task import Task
from innerlight.sampling.inversion.value import Inversion
from innerlight.sampling.loop import step_at
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Ddim
from innerlight.taps import Moment, Rows


def ddim(task: Task, guidance: float = 1.0, refinements: int = 0, reach: float = 1.0) -> Inversion:
    """The noise that deterministic DDIM, under the same prompt and guidance 1, turns into the pictures.

    Each step asks the network at the timestep it goes to. With `refinements` (3 to 5 do) it is asked again at the
    latents just found, which makes the step nearly exact. It ends when the share `reach` of the way is done.
    """
    first = task.steps - step_at(reach, task.steps)
    method = "fixed_point" if refinements else "ddim"
    return task.inversion(method, guidance, pivot_of(task, refinements, first), first=first)


def pivot_of(task: Task, refinements: int, first: int = 0) -> Tensor:
    """(steps - first + 1, n, c, h, w): the trajectory of a task, found at guidance 1."""
    return trajectory_of(task.backbone, task.stepper, task.clean, task.context, refinements, task.run, first)


@torch.no_grad()
def trajectory_of(
    backbone: Backbone, stepper: Ddim, clean: Tensor, context: Context, refinements: int, run: Run, first: int = 0
) -> Tensor:
    """(steps - first + 1, n, c, h, w), from noisy to clean; levels before step `first` are not computed."""
    times = list(stepper.timesteps)
    latents, found = clean, [clean]
    with run.bar("inverting", len(times) - first) as advance:
        for index in reversed(range(first, len(times))):
            t = times[index]
            lower = times[index + 1] if index + 1 < len(times) else 0
            moment = Moment(index, len(times), t, "main", Rows(("cond",), len(clean)))
            ahead = latents
            for _ in range(1 + refinements):
                noise = backbone.denoise(ahead, t, context, moment)
                ahead = ddim_step(backbone.levels, latents, noise, lower, t)
            latents = ahead
            found.append(latents)
            advance()
    return torch.stack(found[::-1])
