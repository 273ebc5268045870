"""Sand: a beach before the sea, or dunes under the sun; shells, starfish and pebbles."""

from __future__ import annotations

import numpy as np

from innerlight.world._dice import Dice
from innerlight.world.palette import Colour, mixed
from innerlight.world.settings._board import Board, Depth, Mark, rolling
from innerlight.world.settings._chance import along, on_ground, seed_of, share
from innerlight.world.settings._place import Place
from innerlight.world.settings._sky import clouds, hazy, sail, sky
from innerlight.world.settings._tints import CHEERFUL, deep, pale
from innerlight.world.shapes import Array

HOURS = ("noon", "clear", "clear", "morning", "dusk", "pink", "gold", "teal", "lilac")
SANDS: tuple[Colour, ...] = (
    (238, 212, 152), (230, 196, 138), (244, 226, 182), (222, 180, 134), (236, 204, 180), (214, 190, 150),
    (240, 200, 120),
)  # fmt: skip
SEAS: tuple[Colour, ...] = ((72, 150, 204), (60, 170, 180), (96, 176, 166), (88, 128, 196), (110, 142, 190))
FOAM: Colour = (250, 252, 250)


def sand(board: Board, dice: Dice, place: Place) -> None:
    """A beach or dunes, in the sun."""
    hour, _ = sky(board, dice, HOURS, place, sun=800)
    colour = dice.pick(SANDS)
    if dice.chance(620):
        clouds(board, dice, hour.cloud, place.horizon - 0.18)
        _sea(board, dice, place)
        _ground(board, dice, place, colour, wet=True)
    else:
        clouds(board, dice, hour.cloud, place.horizon - 0.14)
        for k in range(2):
            far = mixed(dice.pick(SANDS), hazy(board, hour), 0.3 - 0.2 * k)
            _dune(board, dice, place.horizon - 0.07 + 0.05 * k, far)
        _ground(board, dice, place, colour, wet=False)
        _reeds(board, dice, place)
    _finds(board, dice, place, colour)


def _sea(board: Board, dice: Dice, place: Place) -> None:
    """A strip of sea with glints, waves and perhaps a sail."""
    top = place.horizon - share(dice, 0.09, 0.13)
    colour, seed = dice.pick(SEAS), seed_of(dice)
    boats, hull = [pale(dice.pick(CHEERFUL), 0.15) for _ in range(2)], dice.pick(("brown", "red", "white", "blue"))
    x, luck = along(seed_of(dice), 0.8, board.around(0.2), 3)
    part = board.level(top, place.horizon + 0.05)
    if part is None:
        return
    glints = part.mottle(seed, 0.07, 0.006)
    part.fill(
        part.down(top, place.horizon + 1.0),
        part.between(mixed(colour, FOAM, 0.1), mixed(colour, FOAM, 0.45), top, place.horizon),
    )
    part.fill(np.clip(glints - 0.9, 0.0, 0.5) * part.down(top + 0.006, place.horizon + 1.0), FOAM)
    for k in range(len(x)):
        if luck[0, k] > 0.3:
            sail(
                board,
                float(x[k]),
                top + 0.02,
                0.06 + 0.05 * float(luck[1, k]),
                boats[int(float(luck[2, k]) * 2)],
                pale(hull, 0.1),
            )


def _dune(board: Board, dice: Dice, level: float, colour: Colour) -> None:
    """A far ridge, bright where it turns to the light."""
    seed = seed_of(dice)
    part = board.level(level - 0.09, level + 0.25)
    if part is not None:
        top = level + rolling(part.x, seed, 0.8, 0.06)
        slope = (level + rolling(part.x + 0.01, seed, 0.8, 0.06) - top) * 100.0
        below = part.y - top
        light = 0.99 - 0.32 * slope * np.exp(-9.0 * np.maximum(below, 0.0))
        part.shape(below, colour, light)


def _ground(board: Board, dice: Dice, place: Place, colour: Colour, wet: bool) -> None:
    """The ground, rippled by the wind; wet where it meets the sea."""
    seeds = [seed_of(dice) for _ in range(4)]
    steep = share(dice, 5.0, 8.0)
    part = board.level(place.horizon - 0.05)
    if part is None:
        return
    edge = part.y - (place.horizon + rolling(part.x, seeds[0], 0.7, 0.014))
    if wet:
        part.fill(part.band(edge, 0.012), FOAM)
    part.shape(
        edge, colour, 1.06 - 0.14 * np.clip(edge, 0.0, 0.8) + 0.018 * part.mottle(seeds[1], 0.018, 0.014, waves=12)
    )
    if wet:
        soaked = np.clip(1.0 - edge * 14.0, 0.0, 1.0) * part.cover(edge - 0.012)
        part.fill(0.5 * soaked, mixed(colour, (120, 104, 96), 0.45))
    # Wind ripples: level lines, closer together in the distance, bent and broken by the ground.
    deep_in = np.maximum(part.y - place.horizon, 0.0) + 0.12
    phase = steep * 4.0 * np.log(deep_in) + 1.5 * part.mottle(seeds[2], 0.25, 0.1)
    fine = deep_in * (1.0 / (steep * 4.0))
    strength = 0.07 * fine / (fine + 0.6 * part.pixel) * np.clip(part.mottle(seeds[3], 0.22, 0.12) + 0.5, 0.0, 1.4)
    ripples = np.sin(2.0 * phase)
    part.shade(1.0 + strength * ripples * np.clip(edge * 12.0 - 0.4, 0.0, 1.0))


def _reeds(board: Board, dice: Dice, place: Place) -> None:
    """Tufts of dune grass here and there."""
    spots = on_ground(seed_of(dice), 0.24, board.around(0.1), place.horizon, place.bottom)
    spots = spots.where(spots.chance[0] > 0.68)
    height = (0.1 * spots.scale * (0.7 + 0.6 * spots.chance[1]))[:, None, None]
    colour = dice.pick(((122, 138, 78), (150, 140, 84), (104, 128, 96)))

    def blades(u: Array, v: Array) -> Array:
        rise = 0.5 - v / height
        bends = [np.abs(u / height - lean * rise * rise) for lean in (-0.5, -0.22, 0.06, 0.3, 0.52)]
        return height * np.minimum(0.055 * (1.0 - rise) - np.minimum.reduce(bends), np.minimum(rise, 1.0 - rise))

    board.stamp(spots.x, spots.y - height[:, 0, 0] / 2, 0.085, Mark(blades, colour))


def _finds(board: Board, dice: Dice, place: Place, sand_colour: Colour) -> None:
    """Pebbles, shells and starfish that lie about."""
    spots = on_ground(seed_of(dice), 0.16, board.around(0.06), place.horizon + 0.05, place.bottom, 3)
    colours = np.array(
        [pale(name, 0.4) for name in dice.shuffled((*CHEERFUL, "white", "gray", "brown"))[:4]], np.float32
    )
    colours = colours[(spots.chance[1] * 4).astype(int)]
    kind = spots.chance[0]
    pebbles = kind < 0.28
    size = spots.scale * (0.6 + 0.8 * spots.chance[2])
    stones = mixed(sand_colour, (120, 96, 84), 0.5)
    board.discs(spots.x[pebbles], spots.y[pebbles], (0.012 * size)[pebbles], stones, flat=0.65)
    groove, shade = mixed(sand_colour, deep("brown", 0.1), 0.4), mixed(sand_colour, deep("brown", 0.1), 0.45)
    for shape, low, high in ((_shell, 0.28, 0.5), (_starfish, 0.5, 0.62)):
        chosen = (kind >= low) & (kind < high)
        few, radius = spots.where(chosen), (0.03 * spots.scale)[chosen][:, None, None]
        marks = [Mark(_shifted(shape(radius), 0.004, 0.007), shade), Mark(shape(radius), colours[chosen])]
        if shape is _shell:
            marks.append(Mark(_ribs(radius), groove, np.full_like(radius, 0.6)))
        board.stamp(few.x, few.y, 0.045, *marks)


def _shifted(depth: Depth, x: float, y: float) -> Depth:
    return lambda u, v: depth(u - x, v - y)


def _shell(radius: Array) -> Depth:
    """A fan that opens upwards from its hinge."""

    def depth(u: Array, v: Array) -> Array:
        rise = 0.75 * radius - v  # above the hinge
        return np.minimum(1.5 * radius - np.sqrt(u * u + rise * rise), 0.8 * (rise + 0.12 * radius - 0.9 * np.abs(u)))

    return depth


def _ribs(radius: Array) -> Depth:
    """The grooves of the fan."""

    def depth(u: Array, v: Array) -> Array:
        rise = np.maximum(0.75 * radius - v, 1e-6)
        lean = u / rise
        groove = np.minimum(np.abs(lean), np.abs(np.abs(lean) - 0.5)) * rise
        return np.minimum(0.06 * radius - groove, 1.3 * radius - np.sqrt(u * u + rise * rise))

    return depth


def _starfish(radius: Array) -> Depth:
    """Five rounded arms."""

    def depth(u: Array, v: Array) -> Array:
        away, turn = np.sqrt(u * u + v * v), np.arctan2(u, -v)
        return 0.7 * (radius * (0.62 + 0.38 * np.cos(5.0 * turn)) - away)

    return depth
