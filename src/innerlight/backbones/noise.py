"""Noise levels: how much of the clean image is left at each timestep, and what a network's estimate says of it.

x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps. A network estimates eps, or v = sqrt(abar_t) eps - sqrt(1 - abar_t) x_0;
inside the library both mean the same: an estimate of eps.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from innerlight.types import InputError

PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True, eq=False)
class NoiseLevels:
    """abar (T,): the share of the clean image's variance at each timestep of training."""

    abar: Tensor

    @classmethod
    def scaled_linear(cls, steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> NoiseLevels:
        """Stable Diffusion's: the square roots of the betas go up in a line."""
        betas = torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float32) ** 2
        return cls(torch.cumprod(1 - betas, dim=0))

    def __len__(self) -> int:
        return len(self.abar)

    @property
    def betas(self) -> Tensor:
        """(T,): the share of noise that each timestep adds, 1 - abar_t / abar_(t-1)."""
        return 1 - self.abar / torch.cat([self.abar.new_ones(1), self.abar[:-1]])

    def close_to(self, other: NoiseLevels) -> bool:
        """The same levels, but for rounding?"""
        return len(self) == len(other) and torch.allclose(self.abar, other.abar, atol=1e-6)

    def at(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(abar), sqrt(1 - abar) of timesteps t (n,), shaped to multiply `like` (n, ...)."""
        abar = self.abar.to(like.device)[t].view(-1, *[1] * (like.ndim - 1))
        return abar.sqrt(), (1 - abar).sqrt()

    def noisy(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t of x_0 and eps, both (n, ...), at timesteps t (n,)."""
        signal, sigma = self.at(t, clean)
        return signal * clean + sigma * noise

    def velocity(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """v of x_0 and eps."""
        signal, sigma = self.at(t, clean)
        return signal * noise - sigma * clean

    def target(self, clean: Tensor, noise: Tensor, t: Tensor, prediction: str) -> Tensor:
        """What a network that predicts so is to say of x_0 and eps."""
        _check(prediction)
        return noise if prediction == "epsilon" else self.velocity(clean, noise, t)

    def noise_of(self, estimate: Tensor, noisy: Tensor, t: Tensor, prediction: str) -> Tensor:
        """eps by a network's estimate of what it predicts; channels that `noisy` has beside are left out."""
        _check(prediction)
        if prediction == "epsilon":
            return estimate
        signal, sigma = self.at(t, noisy)
        return signal * estimate + sigma * (noisy if noisy.shape == estimate.shape else noisy[:, : estimate.shape[1]])

    def clean_of(self, noise: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
        """x_0 by eps."""
        signal, sigma = self.at(t, noisy)
        return (noisy - sigma * noise) / signal

    def timesteps(self, steps: int) -> list[int]:
        """`steps` timesteps from noisy to clean, evenly spaced, the last of them 1 ("leading" spacing, offset 1)."""
        if not isinstance(steps, Integral) or not 1 <= steps <= len(self) - 1:
            raise InputError(f"steps: expected a whole number from 1 to {len(self) - 1}, got {steps!r}")
        stride = len(self) // steps
        return [k * stride + 1 for k in reversed(range(steps))]


def _check(prediction: str) -> None:
    if prediction not in PREDICTIONS:
        raise InputError(f"prediction: expected one of {', '.join(PREDICTIONS)}, got {prediction!r}")


def ddim_step(levels: NoiseLevels, noisy: Tensor, noise: Tensor, t: int, later: int) -> Tensor:
    """From timestep t to the less noisy `later` (below 0: to the level of timestep 0), deterministic (eta = 0)."""
    here, there = (torch.tensor([max(k, 0)], device=noisy.device) for k in (t, later))
    clean = levels.clean_of(noise, noisy, here)
    return levels.noisy(clean, noise, there)
