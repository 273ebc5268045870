"""DDIM with eta 1 whose noises are stored (Huberman-Spiegelglas et al. 2024, arXiv:2304.06140), not drawn."""

from __future__ import annotations

from torch import Tensor

from innerlight.backbones import NoiseLevels
from innerlight.sampling.steppers import Ddim, Generators
from innerlight.types import InputError


class Noisy(Ddim):
    """Ddim with eta 1, in two parts."""

    def __init__(self, levels: NoiseLevels, steps: int) -> None:
        super().__init__(levels, steps, eta=1.0)

    def mean_and_sigma(self, latents: Tensor, noise: Tensor, index: int) -> tuple[Tensor, float]:
        """Where a step leads to before noise is added, and how much is added."""
        abar, after = self._levels(index)
        clean = (latents - (1 - abar) ** 0.5 * noise) / abar**0.5
        sigma = ((1 - after) / (1 - abar)) ** 0.5 * (1 - abar / after) ** 0.5
        return after**0.5 * clean + max(1 - after - sigma**2, 0.0) ** 0.5 * noise, sigma


class StoredNoise(Noisy):
    """Adds `noises` (steps - first, n, c, h, w), one a step from step `first` on; no generator is asked."""

    def __init__(self, levels: NoiseLevels, steps: int, noises: Tensor, first: int = 0) -> None:
        super().__init__(levels, steps)
        self.noises, self.first = noises, first

    def step(self, latents: Tensor, noise: Tensor, index: int, generators: Generators) -> Tensor:
        del generators
        if index < self.first:
            raise InputError(f"step: noises are stored from step {self.first} on, got step {index}; begin there")
        mean, sigma = self.mean_and_sigma(latents, noise, index)
        return mean + sigma * self.noises[index - self.first].to(mean)
