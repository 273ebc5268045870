"""Sky: nothing but air, with clouds near and far, sometimes a rainbow or the sun."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from innerlight.world._dice import Dice
from innerlight.world.palette import COLOURS, Colour, mixed
from innerlight.world.settings._board import Board, rolling
from innerlight.world.settings._chance import seed_of, share, strewn
from innerlight.world.settings._place import Place
from innerlight.world.settings._sky import HOURS, cloud, sky

BOW = ("red", "orange", "yellow", "green", "blue", "purple")


def air(board: Board, dice: Dice, place: Place) -> None:
    """High up among clouds."""
    hour, _ = sky(board, dice, tuple(HOURS), replace(place, horizon=place.bottom), sun=450)
    _streaks(board, dice, hour.cloud)
    if dice.chance(350):
        _rainbow(board, dice, place)
    tint = mixed(hour.cloud, COLOURS[dice.pick(("pink", "blue", "orange", "purple", "yellow", "gray", "teal"))], 0.14)
    _bank(board, dice, tint, 0.34, 0.1, 0.5, faint=0.45)
    _bank(board, dice, hour.cloud, 0.5, 0.17, share(dice, 0.3, 0.5))
    if dice.chance(500):
        _floor(board, dice, place, hour.cloud, tint)


def _streaks(board: Board, dice: Dice, colour: Colour) -> None:
    """Thin high clouds."""
    board.fill(np.clip(0.22 * board.mottle(seed_of(dice), 0.3, 0.035) - 0.06, 0.0, 0.4), colour)


def _bank(board: Board, dice: Dice, colour: Colour, step: float, size: float, few: float, faint: float = 0.0) -> None:
    """Clouds strewn all over, larger ones lower."""
    spots = strewn(seed_of(dice), step, 0.62 * step, board.around(2 * size), 12)
    spots = spots.where(spots.chance[0] > few)
    for x, y, luck in zip(spots.x.tolist(), spots.y.tolist(), spots.chance.T, strict=True):
        cloud(board, x, y, size * (0.65 + 0.7 * float(luck[1])), luck[2:].reshape(2, 5), colour, faint=faint)


def _rainbow(board: Board, dice: Dice, place: Place) -> None:
    """A bow that fades towards its feet."""
    x, y = share(dice, 0.1, 0.9) * place.width, share(dice, 0.75, 1.1) * place.bottom
    radius, band = share(dice, 0.5, 0.75), share(dice, 0.02, 0.03)
    part = board.part(x - radius, y - radius, x + radius, y)
    if part is None:
        return
    u, v = part.x - x, part.y - y
    within = radius - np.sqrt(u * u + v * v)
    fade = 0.6 * np.clip(-v * (2.5 / radius), 0.0, 1.0)
    for k, name in enumerate(BOW):
        part.fill(fade * part.band(within - (k + 0.5) * band, band / 2), mixed(COLOURS[name], (255, 255, 255), 0.25))


def _floor(board: Board, dice: Dice, place: Place, colour: Colour, tint: Colour) -> None:
    """A sea of clouds along the bottom, of round humps."""
    for k in range(2):
        level, step = place.bottom - 0.1 + 0.07 * k, 0.3 - 0.05 * k
        seed, shift = seed_of(dice), share(dice, 0.0, 1.0)
        part = board.level(level - 0.12)
        if part is None:
            continue
        bumps = [np.abs(np.sin(np.pi * (part.x / (step * f) + shift + f))) for f in (1.0, 0.57)]
        top = level - 0.05 * bumps[0] - 0.03 * bumps[1] + rolling(part.x, seed, 1.0, 0.03)
        below = part.y - top
        light = 1.03 - 0.5 * np.clip(below, 0.0, 0.3)
        part.fill(np.clip(below * (1.0 / max(0.012, part.pixel)) + 0.5, 0.0, 1.0), colour if k else tint, light)
        part.pencil(below)
