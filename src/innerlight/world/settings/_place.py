"""Where a setting lies on the canvas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Lengths of the canvas, in shares of its shorter side: how wide it is, where the ground begins, where it ends."""

    width: float
    horizon: float
    bottom: float
