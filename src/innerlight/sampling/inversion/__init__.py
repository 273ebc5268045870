"""From pictures back to the noise that makes them."""

from __future__ import annotations

from innerlight.sampling.inversion.finding import METHODS, invert
from innerlight.sampling.inversion.stored import StoredNoise
from innerlight.sampling.inversion.value import Inversion, reconstruct, with_nulls

__all__ = ["METHODS", "Inversion", "StoredNoise", "invert", "reconstruct", "with_nulls"]
