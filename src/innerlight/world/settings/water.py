"""Water: the open sea to a far horizon, with wave lines, glints and sails."""

from __future__ import annotations

import numpy as np

from innerlight.world._dice import Dice
from innerlight.world.palette import Colour, mixed
from innerlight.world.settings._board import Board, wave
from innerlight.world.settings._chance import along, chances, seed_of, share
from innerlight.world.settings._place import Place
from innerlight.world.settings._sky import MOON, clouds, sail, sky
from innerlight.world.settings._tints import CHEERFUL, pale

HOURS = ("noon", "clear", "morning", "dusk", "pink", "teal", "gold", "lilac", "gray")
SEAS: tuple[tuple[Colour, Colour], ...] = (  # far, near
    ((132, 194, 224), (58, 128, 196)), ((140, 208, 210), (48, 150, 164)), ((150, 206, 190), (64, 150, 136)),
    ((160, 184, 222), (84, 108, 182)), ((170, 196, 208), (92, 130, 156)), ((196, 176, 214), (112, 104, 178)),
)  # fmt: skip
FOAM: Colour = (246, 252, 252)


def water(board: Board, dice: Dice, place: Place) -> None:
    """The open sea."""
    hour, sun = sky(board, dice, HOURS, place, sun=500)
    clouds(board, dice, hour.cloud, place.horizon - 0.06)
    far, near = dice.pick(SEAS)
    if dice.chance(450):
        _island(board, dice, place)
    _swell(board, dice, place, far, near)
    sparkle = seed_of(dice)
    if sun is not None:
        _glitter(board, sparkle, place, sun, MOON if board.style.dark else hour.sun)
    _sails(board, dice, place)
    _waves(board, dice, place, near)


def _island(board: Board, dice: Dice, place: Place) -> None:
    """Low hills beyond the horizon."""
    x, wide, high = share(dice, 0.0, 1.0) * place.width, share(dice, 0.16, 0.3), share(dice, 0.04, 0.09)
    colour = dice.pick(((128, 160, 120), (150, 140, 110), (132, 146, 168), (170, 132, 120)))
    for shift, size in ((-0.35, 0.7), (0.3, 1.0)):
        board.ellipse(
            x + shift * wide, place.horizon, size * wide * 0.7, size * high, mixed(colour, (210, 222, 232), 0.25)
        )


def _swell(board: Board, dice: Dice, place: Place, far: Colour, near: Colour) -> None:
    """The water itself, with a slow swell."""
    seeds = [seed_of(dice) for _ in range(2)]
    part = board.level(place.horizon)
    if part is None:
        return
    colours = part.between(far, near, place.horizon, place.bottom)
    light = 1.0 + 0.035 * part.mottle(seeds[0], 0.2, 0.035) + 0.02 * part.mottle(seeds[1], 0.05, 0.012)
    part.fill(part.cover(part.y - place.horizon), colours, light)
    part.pencil(part.y - place.horizon)


def _glitter(board: Board, seed: int, place: Place, sun: float, colour: Colour) -> None:
    """A path of light on the water, under the sun or moon."""
    part = board.part(sun - 0.3, place.horizon, sun + 0.3, place.horizon + 0.5)
    if part is None:
        return
    depth = part.y - place.horizon
    path = np.maximum(1.0 - np.abs(part.x - sun) / (0.05 + 0.4 * np.maximum(depth, 0.0)), 0.0) * np.clip(
        1.0 - depth * 2.0, 0.0, 1.0
    )
    sparkle = np.clip(part.mottle(seed, 0.05, 0.012, waves=12) + 0.3, 0.0, 1.0)
    part.shine(0.6 * path * sparkle * part.cover(depth), colour)


def _waves(board: Board, dice: Dice, place: Place, near: Colour) -> None:
    """Rows of arcs, broken, each row nearer and larger than the one behind it."""
    seed, breaks, bend = seed_of(dice), seed_of(dice), share(dice, 0.3, 0.6)
    part = board.level(place.horizon + 0.03)
    if part is None:
        return
    depth = np.maximum(part.y - place.horizon, 0.02)
    level = 9.0 * np.log(1.0 + depth * (4.0 / (place.bottom - place.horizon)))  # rows since the horizon
    row = np.floor(level)
    tall = (depth + 0.25 * (place.bottom - place.horizon)) * (1.0 / 9.0)  # of a row, in units
    luck = chances(seed, row[:, 0].astype(np.int64), 2)[:, :, None]
    long = np.maximum(tall, 0.012) * (2.2 + 1.2 * luck[1])
    arc = 2.0 * wave(part.x / long + luck[0])  # 0 at the crests' meeting points, 1 in the middle
    line = (level - row - 0.62 + bend * arc * arc * 0.6) * tall
    alive = np.clip(2.2 * part.mottle(breaks, 0.11, 0.03) - 0.2, 0.0, 1.0)
    half = np.clip(0.085 * tall, 0.0015, 0.008)
    part.fill(0.75 * alive * part.band(line, half), FOAM)
    part.fill(0.3 * alive * part.band(line - 2.4 * half, 1.4 * half), mixed(near, (20, 50, 90), 0.5))


def _sails(board: Board, dice: Dice, place: Place) -> None:
    """Boats on the horizon."""
    colours = [pale(dice.pick((*CHEERFUL, "white", "white")), 0.12) for _ in range(3)]
    hull = pale(dice.pick(("brown", "red", "white", "black", "blue")), 0.1)
    x, luck = along(seed_of(dice), 0.45, board.around(0.2), 3)
    for k in range(len(x)):
        if luck[0, k] > 0.45:
            size = 0.07 + 0.1 * float(luck[1, k])
            sail(board, float(x[k]), place.horizon + 0.25 * size, size, colours[int(float(luck[2, k]) * 3)], hull)
