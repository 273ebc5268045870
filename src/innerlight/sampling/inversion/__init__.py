"""From pictures back to the noise that makes them."""

from __future__ import annotations

from innerlight.sampling.inversion.ddim import Inversion, invert

__all__ = ["Inversion", "invert"]
