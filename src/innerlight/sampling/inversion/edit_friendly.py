"""Edit-friendly DDPM inversion (Huberman-Spiegelglas et al. 2024, arXiv:2304.06140): the noise that each step adds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from innerlight.backbones import NoiseLevels
from innerlight.sampling.generate import rows_for
from innerlight.sampling.guidance import Guidance
from innerlight.sampling.inversion.stored import Noisy
from innerlight.sampling.inversion.task import Task
from innerlight.sampling.inversion.value import Inversion
from innerlight.sampling.loop import ONLY, run_steps, step_at
from innerlight.sampling.noise import draw, generators_of, seeds_of
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Generators

GUIDANCE, SKIP = 3.5, 0.36  # of the released code


def edit_friendly(
    task: Task, guidance: float = GUIDANCE, skip: float = SKIP, seed: int | Sequence[int] = 0
) -> Inversion:
    """Noises with which steps of eta 1 lead back. Sampling begins after the share `skip` of the steps."""
    backbone, first, terms = task.backbone, step_at(skip, task.steps), Guidance(guidance)
    generators = generators_of(seeds_of(seed, len(task.clean)))
    rule = FindNoise(backbone.levels, task.steps, task.clean, generators)
    run_steps(
        backbone,
        rule,
        {ONLY: rule.noisy[first]},
        rows_for(backbone, task.prompts, terms, size=task.size),
        terms,
        {ONLY: ()},
        run=Run(progress=task.run.progress, cancel=task.run.cancel),
        first=first,
    )
    trajectory = torch.stack([rule.noisy[first], *rule.reached[:-1], task.clean])
    return task.inversion("edit_friendly", guidance, trajectory, first=first, noises=torch.stack(rule.noises))


class FindNoise(Noisy):
    """Instead of adding noise it finds the one that leads to the next of its levels, which are noised independently.

    `noises` and the latents `reached` grow by a step at a time. The last noise is zero.
    """

    def __init__(self, levels: NoiseLevels, steps: int, clean: Tensor, generators: Generators) -> None:
        super().__init__(levels, steps)
        # drawn for every level, so that they do not depend on where sampling begins
        self.noisy = [
            levels.noisy(clean, draw(generators, clean.shape[1:], clean), torch.tensor([t], device=clean.device))
            for t in self.timesteps
        ]
        self.noises: list[Tensor] = []
        self.reached: list[Tensor] = []

    def step(self, latents: Tensor, noise: Tensor, index: int, generators: Generators) -> Tensor:
        del generators
        mean, sigma = self.mean_and_sigma(latents, noise, index)
        last = index + 1 == len(self.timesteps)
        self.noises.append(torch.zeros_like(mean) if last else (self.noisy[index + 1] - mean) / sigma)
        self.reached.append(mean + sigma * self.noises[-1])  # not the level itself, so that rounding does not add up
        return self.reached[-1]
