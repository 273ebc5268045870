"""Randomness: one generator for each image, on the CPU, so that an image does not depend on its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor

from innerlight.types import InputError

SMALLEST_SINE = 1e-3  # below it two noises lie in one line, and an arc between them is not defined


def seeds_of(seed: int | Sequence[int], count: int) -> tuple[int, ...]:
    """One seed an image: those given, or `seed`, `seed + 1`, ..."""
    given = [int(seed) + k for k in range(count)] if isinstance(seed, Integral) else seed
    if not isinstance(given, Sequence) or not all(isinstance(one, Integral) for one in given):
        raise InputError(f"seed: expected a whole number, or one for each image; got {seed!r:.60}")
    seeds = tuple(int(one) for one in given)
    if len(seeds) != count:
        raise InputError(f"seed: expected one number, or {count}, one for each image; got {len(seeds)}")
    if any(not 0 <= one < 2**63 for one in seeds):
        raise InputError(f"seed: expected numbers from 0 to 2**63 - 1, got {seeds}")
    return seeds


def generators_of(seeds: Sequence[int]) -> list[torch.Generator]:
    """A generator for each image."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def draw(generators: Sequence[torch.Generator], shape: Sequence[int], like: Tensor | None = None) -> Tensor:
    """Normal noise of `shape` for each image, from its own generator."""
    noise = torch.stack([torch.randn(tuple(shape), generator=generator) for generator in generators])
    return noise if like is None else noise.to(like)


def spherical(first: Tensor, second: Tensor, share: float) -> Tensor:
    """From one noise (n, ...) to another along the arc between them; shares 0 and 1 are the ends themselves."""
    if share in (0, 1):
        return second if share else first
    a, b = first.flatten(1), second.flatten(1)
    cosine = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    near = sine < SMALLEST_SINE
    safe = torch.where(near, torch.ones_like(sine), sine)
    left = torch.where(near, torch.full_like(sine, 1 - share), ((1 - share) * angle).sin() / safe)
    right = torch.where(near, torch.full_like(sine, share), (share * angle).sin() / safe)
    mixed = left[:, None] * a + right[:, None] * b
    length = (1 - share) * a.norm(dim=1) + share * b.norm(dim=1)
    fixed = mixed * (length / mixed.norm(dim=1).clamp(min=1e-12))[:, None]
    return torch.where(near[:, None], fixed, mixed).view_as(first)
