"""How estimates of several rows become one: a base, and terms that are added to it. w is always that of
eps_u + w (eps_c - eps_u).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.maps import gaussian_blur
from innerlight.taps import KeyMass, Read, main_passes
from innerlight.types import InputError

if TYPE_CHECKING:
    from innerlight.sampling.loop import Step


class Term(Protocol):
    """Something added to the noise estimate of a stream."""

    def reads(self, backbone: Backbone) -> Sequence[Read]:
        """What it wants to see of main passes."""
        ...

    def __call__(self, step: Step, stream: str) -> Tensor | None:
        """What is added; None: nothing."""
        ...


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598) of weight w, and further terms.

    w = 1 is the conditional estimate itself, w = 0 the unconditional one; only rows that are needed are run.
    """

    weight: float = 7.5
    terms: tuple[Term, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.weight, Real) or not math.isfinite(self.weight):
            raise InputError(f"guidance: expected a number, got {self.weight!r}")

    @property
    def roles(self) -> tuple[str, ...]:
        """The rows that each stream needs."""
        return {1.0: ("cond",), 0.0: ("uncond",)}.get(float(self.weight), ("uncond", "cond"))

    def taps(self, backbone: Backbone) -> list[Read]:
        """What the terms want to see."""
        return [read for term in self.terms for read in term.reads(backbone)]

    def __call__(self, step: Step, stream: str) -> Tensor:
        if len(self.roles) == 1:
            noise = step.of(stream, self.roles[0])
        else:
            without = step.of(stream, "uncond")
            noise = without + self.weight * (step.of(stream, "cond") - without)
        for term in self.terms:
            added = term(step, stream)
            noise = noise if added is None else noise + added
        return noise


@dataclass(frozen=True)
class ClassifierGuidance:
    """Dhariwal and Nichol 2021, arXiv:2105.05233: - s sqrt(1 - abar) times the gradient of log p(y | x).

    `log_probability` takes latents (n, c, h, w) and the timestep and gives (n,). On "clean" it is asked about the
    estimated clean latents, and the gradient goes through the network (a variant, for scores made for clean images).
    """

    log_probability: Callable[[Tensor, int], Tensor]
    scale: float = 1.0
    on: Literal["noisy", "clean"] = "noisy"

    def __post_init__(self) -> None:
        if self.on not in ("noisy", "clean"):
            raise InputError(f"on: expected noisy or clean, got {self.on!r}")

    def reads(self, backbone: Backbone) -> Sequence[Read]:
        del backbone
        return ()

    def __call__(self, step: Step, stream: str) -> Tensor | None:
        if self.scale == 0:
            return None
        with torch.enable_grad():
            latents = step.scaled(stream).detach().requires_grad_()
            asked = latents
            if self.on == "clean":
                rows = [row for row in step.rows if row.stream == stream][-1:]
                noise = step.denoise(rows, {stream: latents}, passing="gradient")[rows[0].name]
                asked = (latents - (1 - step.abar) ** 0.5 * noise) / step.abar**0.5
            score = self.log_probability(asked, step.timestep)
            if score.shape != (len(latents),):
                raise InputError(f"log_probability: expected {len(latents)} numbers, got shape {tuple(score.shape)}")
            if not score.requires_grad:
                return None
            (gradient,) = torch.autograd.grad(score.sum(), latents, allow_unused=True)
        if gradient is None:  # a score that does not depend on the latents
            return None
        return -self.scale * (1 - step.abar) ** 0.5 * gradient.float()


@dataclass(frozen=True)
class SelfAttentionGuidance:
    """Hong et al. 2023, arXiv:2210.00939: away from what is estimated when the most attended regions are blurred."""

    scale: float = 0.75
    threshold: float = 1.0  # of attention mass per cell, whose mean is 1
    sigma: float | None = None  # of the blur, in latent cells; None: a 64th of the side
    read: Read = field(
        default_factory=lambda: Read("mid.*.0.self", "probabilities", reduce=KeyMass(), when=main_passes, name="SAG"),
        repr=False,
    )

    def reads(self, backbone: Backbone) -> Sequence[Read]:
        del backbone
        return () if self.scale == 0 else (self.read,)

    @torch.no_grad()
    def __call__(self, step: Step, stream: str) -> Tensor | None:
        if self.scale == 0:
            return None
        row = next(row for row in step.rows if row.stream == stream)  # uncond under guidance, else the only one
        noise = step.estimates[row.name]
        latents = step.scaled(stream)
        clean = (latents - (1 - step.abar) ** 0.5 * noise) / step.abar**0.5
        sigma = max(latents.shape[-2:]) / 64 if self.sigma is None else self.sigma
        blurred = gaussian_blur(clean, sigma)
        masked = torch.where(self._mask(step, row.name, latents), blurred, clean)
        degraded = step.abar**0.5 * masked + (1 - step.abar) ** 0.5 * noise
        other = step.denoise([row], {stream: degraded})[row.name]
        return self.scale * (noise - other)

    def _mask(self, step: Step, name: str, latents: Tensor) -> Tensor:
        """(n, 1, h, w): where attention is more than the threshold."""
        assert step.seen is not None
        ((site, mass),) = step.seen[self.read].items()
        names = [row.name for row in step.rows]
        images = len(latents)
        own = mass[names.index(name) * images :][:images]  # (n, cells)
        height, width = latents.shape[-2:]
        grid = step.backbone.sites[site].grid((height, width))
        above = (own > self.threshold).view(images, 1, *grid).float()
        return torch.nn.functional.interpolate(above, (height, width), mode="nearest") > 0
