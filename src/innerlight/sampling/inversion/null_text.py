"""Null-text inversion (Mokady et al. 2023, arXiv:2211.09794): "no prompt", found anew for each step of each picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from innerlight.backbones import Backbone, Context
from innerlight.sampling.inversion.ddim import pivot_of
from innerlight.sampling.inversion.task import Task
from innerlight.sampling.inversion.value import Inversion
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Ddim
from innerlight.taps import Moment, Rows

FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # of Adam


def null_text(task: Task, guidance: float, iterations: int = 10, refinements: int = 0) -> Inversion:
    """States of "no prompt" with which sampling under `guidance` follows the trajectory that was found without any."""
    pivot = pivot_of(task, refinements)
    empty = task.backbone.unconditional(len(task.clean), task.size)
    nulls = nulls_of(task.backbone, task.stepper, pivot, task.context, empty, guidance, iterations, task.run)
    return task.inversion("null_text", guidance, pivot, nulls=nulls)


def nulls_of(
    backbone: Backbone,
    stepper: Ddim,
    pivot: Tensor,
    context: Context,
    empty: Context,
    weight: float,
    iterations: int,
    run: Run,
) -> Tensor:
    """(steps, n, tokens, width), each step's from the step before; at weight 1 nothing depends on them."""
    latents, states, found = pivot[0], empty.states.float(), []
    iterations = 0 if weight == 1 else iterations
    with run.bar("optimising", len(stepper.timesteps)) as advance:
        for index in range(len(stepper.timesteps)):
            step = NullStep(backbone, stepper, latents, empty, weight, index)
            with torch.no_grad():
                conditional = step.noise(context, "cond", "main")  # once; only "no prompt" changes
            states = step.descend(states, conditional, pivot[index + 1], iterations)
            with torch.no_grad():
                latents = step.ahead(states, conditional, "main")
            found.append(states)
            advance()
    return torch.stack(found)


@dataclass(frozen=True, eq=False)
class NullStep:
    """One guided step from given latents (n, c, h, w), by states of "no prompt" (n, tokens, width)."""

    backbone: Backbone
    stepper: Ddim
    latents: Tensor
    empty: Context
    weight: float
    index: int

    def noise(self, context: Context, name: str, passing: str) -> Tensor:
        """The estimate of one row."""
        steps, t = len(self.stepper.timesteps), self.stepper.timesteps[self.index]
        moment = Moment(self.index, steps, t, passing, Rows((name,), len(context)))
        return self.backbone.denoise(self.latents, t, context, moment)

    def ahead(self, states: Tensor, conditional: Tensor, passing: str) -> Tensor:
        """The latents after the step."""
        without = self.noise(self.empty.with_states(states), "uncond", passing)
        return self.stepper.step(self.latents, without + self.weight * (conditional - without), self.index, ())

    def descend(self, states: Tensor, conditional: Tensor, goal: Tensor, iterations: int) -> Tensor:
        """States whose step ends nearer to its goal, by Adam; each picture stops when its own error is small."""
        # the authors' 1 - i / 100, for their 50 steps; after 100 it would turn round
        rate, enough = 1e-2 * max(100 - self.index, 1) / 100, 1e-5 + 2e-5 * self.index
        mean, square = torch.zeros_like(states), torch.zeros_like(states)
        going = torch.ones(len(states), dtype=torch.bool, device=states.device)
        for count in range(1, iterations + 1):
            with torch.enable_grad():
                asked = states.detach().requires_grad_()
                wrong = (self.ahead(asked, conditional, "gradient") - goal).square().flatten(1)  # (n, cells)
                total = wrong.sum()  # not the mean, whose gradient half precision cannot hold
            going = going & (wrong.detach().mean(1) >= enough)
            if not going.any():
                break
            (gradient,) = torch.autograd.grad(total, asked)
            gradient = gradient / wrong.shape[1]  # of the mean, which Adam sees
            mean = FIRST * mean + (1 - FIRST) * gradient
            square = SECOND * square + (1 - SECOND) * gradient.square()
            change = (mean / (1 - FIRST**count)) / ((square / (1 - SECOND**count)).sqrt() + TINY)
            states = torch.where(going[:, None, None], states - rate * change, states)
        return states
