"""From one noise level to the next: DDIM with any eta, DDPM; other rules come as adapters of the same shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor

from innerlight.backbones import NoiseLevels
from innerlight.sampling.noise import draw
from innerlight.types import InputError

Generators = Sequence[torch.Generator]


class Stepper(Protocol):
    """The timesteps of a run, noisy to clean, and the rule that leads from each to the next.

    Each run takes a copy (`copy.copy`): one that keeps a history begins without it there.
    """

    @property
    def timesteps(self) -> Sequence[int]: ...

    def start(self, noise: Tensor) -> Tensor:
        """The first latents."""
        ...

    def scaled(self, latents: Tensor, index: int) -> Tensor:
        """What the network is shown of them."""
        ...

    def step(self, latents: Tensor, noise: Tensor, index: int, generators: Generators) -> Tensor:
        """The latents after step `index`, by the estimated noise."""
        ...


class Ddim:
    """Song et al. 2021, arXiv:2010.02502. eta 0 is deterministic, 1 as random as DDPM. Ends at timestep 0's level."""

    def __init__(self, levels: NoiseLevels, steps: int, eta: float = 0.0) -> None:
        if not 0 <= eta <= 1:
            raise InputError(f"eta: expected 0 to 1, got {eta}")
        self.levels, self.eta = levels, eta
        self.timesteps: Sequence[int] = levels.timesteps(steps)
        self.settings = {"eta": float(eta)}  # for recipes

    def start(self, noise: Tensor) -> Tensor:
        return noise

    def scaled(self, latents: Tensor, index: int) -> Tensor:
        del index
        return latents

    def step(self, latents: Tensor, noise: Tensor, index: int, generators: Generators) -> Tensor:
        abar, after = self._levels(index)
        clean = (latents - (1 - abar) ** 0.5 * noise) / abar**0.5
        sigma = self.eta * ((1 - after) / (1 - abar)) ** 0.5 * (1 - abar / after) ** 0.5
        mean = after**0.5 * clean + max(1 - after - sigma**2, 0.0) ** 0.5 * noise
        return mean if sigma == 0 else mean + sigma * draw(generators, latents.shape[1:], latents)

    def _levels(self, index: int) -> tuple[float, float]:
        """abar before and after a step, exact."""
        later = self.timesteps[index + 1] if index + 1 < len(self.timesteps) else 0
        return float(self.levels.abar[self.timesteps[index]]), float(self.levels.abar[later])


class Ddpm:
    """Ho et al. 2020, arXiv:2006.11239, on a sub-sequence of steps. Ends at no noise at all, and draws none there."""

    def __init__(self, levels: NoiseLevels, steps: int, variance: Literal["small", "large"] = "small") -> None:
        if variance not in ("small", "large"):
            raise InputError(f"variance: expected small or large, got {variance!r}")
        self.levels, self.variance = levels, variance
        self.timesteps: Sequence[int] = (
            _all(levels) if steps == len(levels) else [t - 1 for t in levels.timesteps(steps)]
        )
        self.settings = {"variance": variance}  # for recipes

    def start(self, noise: Tensor) -> Tensor:
        return noise

    def scaled(self, latents: Tensor, index: int) -> Tensor:
        del index
        return latents

    def step(self, latents: Tensor, noise: Tensor, index: int, generators: Generators) -> Tensor:
        last = index + 1 == len(self.timesteps)
        abar = float(self.levels.abar[self.timesteps[index]])
        after = 1.0 if last else float(self.levels.abar[self.timesteps[index + 1]])
        alpha = abar / after
        beta = 1 - alpha
        clean = (latents - (1 - abar) ** 0.5 * noise) / abar**0.5
        mean = (after**0.5 * beta * clean + alpha**0.5 * (1 - after) * latents) / (1 - abar)
        if last:
            return mean
        variance = beta * (1 - after) / (1 - abar) if self.variance == "small" else beta
        return mean + variance**0.5 * draw(generators, latents.shape[1:], latents)


def _all(levels: NoiseLevels) -> list[int]:
    return list(range(len(levels) - 1, -1, -1))
