"""Colours for numbers (perceptual ramps) and for names (hues that stay apart)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from innerlight.types import InputError, NotFoundError

Colour = tuple[int, int, int]

INK: Colour = (34, 34, 34)
FAINT: Colour = (200, 200, 200)
PAPER: Colour = (255, 255, 255)
RIGHT: Colour = (0, 158, 115)  # Okabe and Ito's green and vermilion: told apart by colour-blind readers too
WRONG: Colour = (213, 94, 0)

# Evenly spaced stops of matplotlib's maps; lightness rises along each of them.
_RAMPS: dict[str, tuple[Colour, ...]] = {
    "magma": (
        (0, 0, 4),
        (28, 16, 68),
        (79, 18, 123),
        (129, 37, 129),
        (181, 54, 122),
        (229, 80, 100),
        (251, 135, 97),
        (254, 194, 135),
        (252, 253, 191),
    ),
    "viridis": (
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ),
    "grey": ((16, 16, 16), (248, 248, 248)),
}
_GOLDEN_ANGLE = math.tau * (1 - 1 / ((1 + math.sqrt(5)) / 2))  # neighbours in the list are 137.5 degrees of hue apart
_FIRST_HUE = 0.45  # radians: red
_LIGHTNESSES = (0.66, 0.82, 0.54)  # in turn, so that hues which come near each other differ in lightness
_CHROMA = 0.16

# OKLab to the cube roots of cone responses, and these cubed to linear sRGB (Ottosson 2020).
_TO_CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def colour_map(strength: NDArray[np.floating], name: str = "magma") -> NDArray[np.uint8]:
    """Numbers in 0..1 of any shape to colours (..., 3) along a ramp: magma, viridis or grey."""
    if name not in _RAMPS:
        raise NotFoundError(f"There is no colour map {name!r}; expected one of {', '.join(_RAMPS)}.")
    stops = np.array(_RAMPS[name], dtype=float)  # (stops, 3)
    places = np.linspace(0, 1, len(stops))
    channels = [np.interp(strength, places, stops[:, channel]) for channel in range(3)]
    return np.round(np.stack(channels, axis=-1)).astype(np.uint8)


def distinct_colour(index: int) -> Colour:
    """The colour of thing number `index`, far from those of the numbers near it; any whole number has one."""
    if not isinstance(index, int | np.integer):
        raise InputError(f"Colours are numbered by whole numbers; got {index!r}.")
    hue = _FIRST_HUE + int(index) * _GOLDEN_ANGLE
    return _from_oklch(_LIGHTNESSES[int(index) % len(_LIGHTNESSES)], _CHROMA, hue)


def text_colour_on(colour: Colour) -> Colour:
    """Dark or light ink, whichever reads better on `colour` (Rec. 601 luma)."""
    return INK if 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140 else PAPER


def _from_oklch(lightness: float, chroma: float, hue: float) -> Colour:
    lab = np.array([lightness, chroma * math.cos(hue), chroma * math.sin(hue)])
    linear = np.clip(_TO_LINEAR @ (_TO_CONES @ lab) ** 3, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.round(encoded * 255).astype(int).tolist()
    return red, green, blue
