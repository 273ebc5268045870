"""Snow: white drifts, pines and far mountains under a pale sky, flakes in the air."""

from __future__ import annotations

import math

import numpy as np

from innerlight.world._dice import Dice
from innerlight.world.palette import Colour, mixed
from innerlight.world.settings._board import Board, rolling
from innerlight.world.settings._chance import along, seed_of, share, strewn
from innerlight.world.settings._place import Place
from innerlight.world.settings._sky import clouds, sky

HOURS = ("winter", "winter", "gray", "pink", "lilac", "clear", "gold", "teal", "dusk")
DRIFTS: tuple[Colour, ...] = ((236, 240, 248), (232, 236, 246), (242, 240, 244), (228, 238, 244), (244, 240, 238))
NEEDLES: tuple[Colour, ...] = ((56, 104, 88), (70, 116, 84), (62, 92, 112), (88, 106, 84), (96, 92, 116))
ROCKS: tuple[Colour, ...] = ((150, 166, 196), (162, 160, 190), (150, 176, 184), (178, 162, 172), (164, 172, 182))
FLAKE: Colour = (250, 251, 255)


def snow(board: Board, dice: Dice, place: Place) -> None:
    """A winter's day."""
    horizon = place.horizon
    hour, _ = sky(board, dice, HOURS, place, sun=250)
    clouds(board, dice, hour.cloud, horizon - 0.16)
    rock, drift = dice.pick(ROCKS), dice.pick(DRIFTS)
    _mountains(board, dice, horizon, rock, drift)
    _drift(board, dice, horizon - 0.04, horizon + 0.04, mixed(drift, rock, 0.22))
    _pines(board, dice, place, dice.pick(NEEDLES), drift)
    _drift(board, dice, horizon, math.inf, drift)
    _crests(board, dice, place, drift)
    _flakes(board, dice)


def _mountains(board: Board, dice: Dice, horizon: float, rock: Colour, drift: Colour) -> None:
    """Peaks, white above a ragged line, brighter on the side of the light."""
    x, luck = along(seed_of(dice), 0.34, board.around(0.6), 2)
    tall = horizon * (0.4 + 0.35 * luck[0])
    steepness = 0.9 + 0.5 * luck[1]
    ragged = seed_of(dice)
    for peak, height, steep in zip(x.tolist(), tall.tolist(), steepness.tolist(), strict=True):
        half = (height + 0.05) / steep
        part = board.part(peak - half, horizon - height - 0.02, peak + half, horizon + 0.03)
        if part is None:
            continue
        u = part.x - peak
        inside = 0.7 * (part.y - (horizon - height) - np.abs(u) * steep + rolling(part.x, ragged, 0.13, 0.012))
        part.shape(inside, rock, np.where(u < 0, np.float32(1.06), np.float32(0.94)))
        cap = (horizon - 0.58 * height) - part.y - rolling(part.x, ragged + 1, 0.09, 0.018)
        part.fill(part.cover(np.minimum(inside, cap)), drift, np.where(u < 0, np.float32(1.0), np.float32(0.9)))


def _drift(board: Board, dice: Dice, level: float, foot: float, colour: Colour) -> None:
    """A slope of even snow from a wavy edge at y = `level` down to `foot`."""
    seed = seed_of(dice)
    part = board.level(level - 0.03, foot)
    if part is not None:
        edge = part.y - (level + rolling(part.x, seed, 0.8, 0.022))
        part.shape(edge, colour, 1.0 - 0.05 * np.clip(edge, 0.0, 0.8))


def _crests(board: Board, dice: Dice, place: Place, colour: Colour) -> None:
    """Banks of snow one before the other, each with a bluish hollow behind its crest; sparkle over all."""
    ground = place.bottom - place.horizon
    shadow = mixed(colour, (116, 142, 204), 0.5)
    sparkle = seed_of(dice)
    for k in range(4):
        level = place.horizon + ground * (0.1 + 0.22 * k + share(dice, 0.0, 0.1))
        seed, length, bare = seed_of(dice), share(dice, 0.7, 1.3), seed_of(dice)
        hollow = 0.09 + 0.05 * k
        part = board.level(level - hollow - 0.06, level + 0.06)
        if part is None:
            continue
        above = level + rolling(part.x, seed, length, 0.05) - part.y
        share_shown = np.clip(0.6 + rolling(part.x, bare, 0.6, 1.2), 0.0, 1.0)
        fading = np.maximum(1.0 - above * (1.0 / hollow), 0.0)
        part.fill(0.62 * fading * fading * share_shown * part.cover(above), shadow)
        part.pencil(above)
    whole = board.level(place.horizon + 0.03)
    if whole is not None:
        whole.shade(1.0 + 0.012 * whole.mottle(sparkle, 0.018, 0.014, waves=12))


def _pines(board: Board, dice: Dice, place: Place, needles: Colour, drift: Colour) -> None:
    x, luck = along(seed_of(dice), 0.13, board.around(0.2), 3)
    few = share(dice, 0.3, 0.65)
    laden = share(dice, 0.3, 0.75)
    for k in range(len(x)):
        if luck[0, k] > few:
            height = 0.12 + 0.16 * float(luck[1, k])
            _pine(board, float(x[k]), place.horizon + 0.012, height, needles, drift, laden)


def _pine(board: Board, x: float, y: float, height: float, needles: Colour, drift: Colour, laden: float) -> None:
    """Four tiers of branches over a trunk, snow on each tier."""
    half = 0.3 * height
    board.box(x - 0.05 * height, y - 0.16 * height, x + 0.05 * height, y, (112, 84, 70))
    part = board.part(x - half, y - height, x + half, y)
    if part is None:
        return
    # Tiers (4, h, w), the highest first: triangles whose blunt tips hide under the tier above.
    number = np.arange(4, dtype=np.float32)[:, None, None]
    away = np.abs(part.x - x)[None]
    fallen = (part.y - (y - height))[None] - 0.21 * height * number  # below the tier's tip
    girth = half * (0.06 + 0.24 * number + (2.4 - 0.15 * number) / height * fallen)
    tiers = np.minimum((girth - away) * 0.8, np.minimum(fallen, 0.25 * height - fallen))
    part.shape(tiers.max(0), needles, 1.05 - 0.2 * (part.x - x) * (1.0 / half))
    caps = np.minimum(tiers, (0.06 + 0.14 * laden + 0.025 * np.cos(away * (22.0 / height))) * height - fallen)
    caps[1:] = np.minimum(caps[1:], -tiers[:-1])
    part.fill(part.cover(caps.max(0)), drift)


def _flakes(board: Board, dice: Dice) -> None:
    """Falling all over the picture; on the white ground they show by their blue shade."""
    spots = strewn(seed_of(dice), 0.15, 0.13, board.around(0.02), 2)
    spots = spots.where(spots.chance[0] > share(dice, 0.1, 0.5))
    radius = 0.006 + 0.008 * spots.chance[1]
    shade = board.disc(1.2 * radius, (206, 218, 240))
    board.stamp(spots.x, spots.y, 0.022, shade, board.disc(radius, FLAKE, glows=True))
