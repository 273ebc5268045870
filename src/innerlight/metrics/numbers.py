"""How alike two pictures are in decibels, and how evenly counts are spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from innerlight.types import InputError


@dataclass(frozen=True)
class Entropy:
    """How evenly counts are spread over their kinds."""

    nats: float
    kinds: int
    total: float  # of all counts

    @property
    def normalised(self) -> float:
        """As a share of the highest possible: 0 all in one kind, 1 the same in each; 0 where there is but one kind."""
        highest = math.log(self.kinds)
        return self.nats / highest if highest else self.nats


def entropy(counts: ArrayLike) -> Entropy:
    """The entropy of counts (kinds,), kinds without any included; nan if nothing was counted."""
    numbers = np.asarray(counts, dtype=np.float64)
    if numbers.ndim != 1 or not numbers.size or not (np.isfinite(numbers).all() and (numbers >= 0).all()):
        raise InputError(f"counts: expected numbers from 0 on, (kinds,), got {counts!r:.60}")
    total = float(numbers.sum())
    if not total:
        return Entropy(float("nan"), len(numbers), total)
    shares = numbers[numbers > 0] / total
    return Entropy(max(0.0, -float((shares * np.log(shares)).sum())), len(numbers), total)


def psnr(a: ArrayLike, b: ArrayLike, top: float | None = None) -> float:
    """Peak signal-to-noise ratio in decibels of two pictures of one shape; infinite where they are equal.

    `top` is the highest value there can be: 255 for `uint8`; for floats it must be said.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape or not first.size:
        raise InputError(f"expected two pictures of one shape, got {first.shape} and {second.shape}")
    if top is None:
        if not first.dtype == second.dtype == np.uint8:
            got = f"{first.dtype} and {second.dtype}"
            raise InputError(f"top: expected the highest value there can be, such as top=1.0, for {got}")
        top = 255.0
    if not (math.isfinite(top) and top > 0):
        raise InputError(f"top: expected a number above 0, got {top!r}")
    error = float(np.square(first.astype(np.float64) - second.astype(np.float64)).mean())
    return 10 * math.log10(top**2 / error) if error else math.inf
