"""Colours and patterns: those that captions name, and those that are drawn but never named."""

from __future__ import annotations

Colour = tuple[int, int, int]

NAMED_COLOURS: dict[str, Colour] = {
    "red": (214, 48, 40),
    "orange": (243, 136, 30),
    "yellow": (250, 210, 52),
    "green": (62, 158, 68),
    "blue": (48, 106, 212),
    "purple": (126, 64, 176),
    "pink": (250, 160, 192),
    "brown": (132, 84, 50),
    "black": (52, 50, 56),
    "white": (246, 244, 238),
    "gray": (150, 152, 158),
}
UNNAMED_COLOURS: dict[str, Colour] = {
    "teal": (10, 150, 146),
    "lime": (180, 222, 44),
    "magenta": (206, 22, 124),
}
COLOURS = NAMED_COLOURS | UNNAMED_COLOURS

NAMED_PATTERNS = ("plain", "striped", "dotted", "checkered", "patched")
UNNAMED_PATTERNS = ("zigzag", "ringed")
PATTERNS = NAMED_PATTERNS + UNNAMED_PATTERNS

# Paints that do not depend on the thing: what an eye, a tyre or a pane of glass is made of.
FIXED_PAINTS: dict[str, Colour] = {
    "ink": (38, 34, 44),
    "gleam": (255, 255, 255),
    "blush": (240, 150, 160),
    "wood": (158, 108, 66),
    "leaf": (84, 150, 62),
    "glass": (176, 216, 236),
    "rubber": (62, 60, 66),
    "metal": (178, 182, 190),
    "cream": (250, 240, 216),
    "bone": (236, 220, 186),
    "nose": (88, 58, 62),
    "beak": (246, 170, 60),
    "hollow": (92, 76, 74),
}


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with `share` of `other` in it."""
    red, green, blue = (round(c + (o - c) * share) for c, o in zip(colour, other, strict=True))
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """How far apart two colours look: weighted RGB distance ("redmean"), 0 to about 765."""
    red_mean = (one[0] + other[0]) / 2
    red, green, blue = (a - b for a, b in zip(one, other, strict=True))
    return ((2 + red_mean / 256) * red**2 + 4 * green**2 + (2 + (255 - red_mean) / 256) * blue**2) ** 0.5
