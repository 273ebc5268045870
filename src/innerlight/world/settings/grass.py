"""Grass: rolling hills and a meadow with tufts and flowers."""

from __future__ import annotations

import numpy as np

from innerlight.world._dice import Dice
from innerlight.world.palette import Colour, mixed
from innerlight.world.settings._board import Board, Depth, Mark, rolling
from innerlight.world.settings._chance import along, on_ground, seed_of, share
from innerlight.world.settings._place import Place
from innerlight.world.settings._sky import clouds, hazy, sky
from innerlight.world.settings._tints import ALL, pale
from innerlight.world.shapes import Array

HOURS = ("noon", "clear", "clear", "morning", "dusk", "teal", "gold", "pink", "gray")
MEADOWS: tuple[Colour, ...] = (
    (136, 186, 92), (112, 170, 88), (160, 196, 98), (148, 176, 84), (96, 156, 100), (176, 186, 100), (122, 176, 120),
    (206, 190, 108), (168, 160, 96),
)  # fmt: skip
HILLS: tuple[Colour, ...] = (
    (128, 180, 120), (104, 160, 112), (160, 188, 110), (152, 150, 92), (176, 144, 102), (116, 156, 150),
    (150, 146, 178),
)  # fmt: skip


def grass(board: Board, dice: Dice, place: Place) -> None:
    """A meadow under the sky."""
    horizon = place.horizon
    hour, _ = sky(board, dice, HOURS, place)
    clouds(board, dice, hour.cloud, horizon - 0.1)
    hills = dice.shuffled(HILLS)
    for k in range(2):
        haze = mixed(hills[k], hazy(board, hour), 0.4 - 0.25 * k)
        _hill(board, dice, horizon - 0.085 + 0.05 * k, haze, trees=dice.chance(700))
    meadow = dice.pick(MEADOWS)
    _meadow(board, dice, place, meadow)
    _tufts(board, dice, place, meadow)
    _flowers(board, dice, place)


def _hill(board: Board, dice: Dice, level: float, colour: Colour, trees: bool) -> None:
    """A ridge, perhaps with trees along it."""
    seed = seed_of(dice)
    part = board.level(level - 0.09, level + 0.2)
    x, luck = along(seed_of(dice), 0.11, board.around(0.1), 2)
    if part is None:
        return
    top = level + rolling(part.x, seed, 1.1, 0.05)
    if trees:
        planted = luck[0] > 0.45
        x, radius = x[planted], (0.014 + 0.02 * luck[1])[planted]
        foot = level + rolling(x, seed, 1.1, 0.05)
        trunk = Mark(_stem(1.4 * radius[:, None, None], 0.005), mixed(colour, (84, 66, 56), 0.6))
        crown = board.disc(radius, mixed(colour, (40, 84, 60), 0.45), flat=1.15)
        board.stamp(x, foot - 1.3 * radius, 0.055, trunk, crown)
    part.shape(part.y - top, colour, 1.04 - 0.5 * np.clip(part.y - top, 0.0, 0.2))


def _meadow(board: Board, dice: Dice, place: Place, colour: Colour) -> None:
    """The ground: blades of grass and patches of another green."""
    part = board.level(place.horizon - 0.03)
    seeds = [seed_of(dice) for _ in range(3)]
    other = mixed(dice.pick(MEADOWS), colour, 0.35)
    if part is None:
        return
    edge = part.y - (place.horizon + rolling(part.x, seeds[0], 0.9, 0.012))
    blades = part.mottle(seeds[1], 0.014, 0.045, waves=12)
    patches = part.mottle(seeds[2], 0.16, 0.05)
    part.shape(edge, colour, 1.08 - 0.2 * np.clip(edge, 0.0, 0.8) + 0.04 * blades)
    part.fill(np.clip(patches * 0.6 - 0.15, 0.0, 0.5) * part.cover(edge), other, 1.0 + 0.04 * blades)


def _tufts(board: Board, dice: Dice, place: Place, meadow: Colour) -> None:
    """Tufts that stand out of the meadow."""
    spots = on_ground(seed_of(dice), 0.15, board.around(0.05), place.horizon + 0.03, place.bottom)
    spots = spots.where(spots.chance[0] > 0.35)
    height = 0.058 * spots.scale * (0.7 + 0.6 * spots.chance[1])
    colour = mixed(meadow, (30, 88, 50), 0.5)
    board.stamp(spots.x, spots.y - height / 2, 0.042, Mark(_blades(height[:, None, None]), colour))


def _blades(height: Array) -> Depth:
    """Three blades that fan out from a foot, `height` tall."""

    def depth(u: Array, v: Array) -> Array:
        rise = 0.5 - v / height  # 0 at the foot, 1 at the tip
        outer = np.abs(np.abs(u) - (0.05 + 0.4 * rise * rise) * height) + 10.0 * np.maximum(rise - 0.8, 0.0) * height
        inner = np.abs(u + 0.08 * height * rise)
        girth = 0.11 * height * (1.0 - rise)
        return np.minimum(girth - np.minimum(outer, inner), np.minimum(rise, 1.0 - rise) * height)

    return depth


def _flowers(board: Board, dice: Dice, place: Place) -> None:
    """Flowers of three colours."""
    kinds = dice.shuffled(ALL)[:3]
    spots = on_ground(seed_of(dice), 0.18, board.around(0.06), place.horizon + 0.04, place.bottom, 3)
    spots = spots.where(spots.chance[0] < share(dice, 0.2, 0.65))
    colours = np.array([pale(kind, 0.2) for kind in kinds], np.float32)[(spots.chance[1] * 3).astype(int)]
    radius = 0.025 * spots.scale * (0.8 + 0.4 * spots.chance[2])
    heart = (250, 214, 90) if kinds[0] != "yellow" else (176, 96, 50)
    stem = Mark(_stem(1.8 * radius[:, None, None]), (70, 128, 66))
    board.stamp(
        spots.x, spots.y, 0.055, stem, Mark(_petals(radius[:, None, None]), colours), board.disc(0.36 * radius, heart)
    )


def _stem(length: Array, half: float = 0.0035) -> Depth:
    """A stalk or trunk that hangs down from a point."""
    return lambda u, v: np.minimum(half - np.abs(u), np.minimum(v, length - v))


def _petals(radius: Array) -> Depth:
    """Five petals about a point."""
    turns = [2.0 * np.pi * k / 5 for k in range(5)]

    def depth(u: Array, v: Array) -> Array:
        away = [(u - 0.55 * radius * np.sin(t)) ** 2 + (v + 0.55 * radius * np.cos(t)) ** 2 for t in turns]
        return 0.45 * radius - np.sqrt(np.minimum.reduce(away))

    return depth
