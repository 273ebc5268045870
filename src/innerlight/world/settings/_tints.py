"""Colours of settings: those of things, paler or deeper."""

from __future__ import annotations

from innerlight.world.palette import COLOURS, Colour, mixed

CREAM: Colour = (255, 251, 242)
DUSK: Colour = (46, 48, 72)
GLASS: Colour = (172, 208, 228)
LAMPLIGHT: Colour = (255, 216, 128)
WOODS: tuple[Colour, ...] = ((176, 128, 84), (150, 100, 62), (204, 164, 116), (124, 88, 70), (190, 176, 158))

CHEERFUL = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "teal", "magenta", "lime")
ALL = tuple(COLOURS)


def pale(name: str, share: float) -> Colour:
    """A colour of the palette with that share of cream in it."""
    return mixed(COLOURS[name], CREAM, share)


def deep(name: str, share: float) -> Colour:
    """A colour of the palette with that share of dusk in it."""
    return mixed(COLOURS[name], DUSK, share)
