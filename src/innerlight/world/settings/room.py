"""Room: a papered wall with windows and pictures, skirting, a floor of boards or tiles, perhaps a rug."""

from __future__ import annotations

import math

import numpy as np

from innerlight.world._dice import Dice
from innerlight.world.palette import Colour, mixed
from innerlight.world.settings._board import Board, oval, wave
from innerlight.world.settings._chance import chances, seed_of, share
from innerlight.world.settings._place import Place
from innerlight.world.settings._sky import MOON, NIGHTS
from innerlight.world.settings._tints import ALL, CHEERFUL, CREAM, WOODS, deep, pale
from innerlight.world.shapes import Array

PAPERS = ("stripes", "dots", "panels", "diamonds", "sprigs")
FLOORS = ("boards", "boards", "boards", "tiles", "tiles", "carpet")
WALL_CELL = 0.5  # one window, picture or shelf in each


def room(board: Board, dice: Dice, place: Place) -> None:
    """A room in a house."""
    name = dice.pick(ALL)
    wall = pale(name, share(dice, 0.5, 0.68)) if name != "black" else (150, 148, 156)
    trim = dice.pick((CREAM, CREAM, mixed(wall, CREAM, 0.6), dice.pick(WOODS)))
    _wall(board, dice, place, wall, trim)
    _hangings(board, dice, place, wall, trim)
    _floor(board, dice, place)
    _skirting(board, place, trim)
    if dice.chance(500):
        _rug(board, dice, place)


# The wall


def _wall(board: Board, dice: Dice, place: Place, wall: Colour, trim: Colour) -> None:
    """Wallpaper of one of five kinds."""
    kind, step, shift = dice.pick(PAPERS), share(dice, 0.07, 0.13), share(dice, 0.0, 1.0)
    other = dice.pick((mixed(wall, CREAM, 0.6), mixed(wall, (70, 60, 80), 0.18), pale(dice.pick(CHEERFUL), 0.5)))
    seed = seed_of(dice)
    part = board.level(-math.inf, place.horizon)
    if part is None:
        return
    light = 1.02 - 0.1 * np.clip(part.y / place.horizon, 0.0, 1.0) + 0.012 * part.mottle(seed, 0.2, 0.2)
    part.fill(1.0, wall, light)
    u, v = part.x / step + shift, (part.y - place.horizon) / step
    match kind:
        case "stripes":
            part.fill(0.75 * part.cover((wave(u) - 0.25) * step), other, light)
            part.fill(0.5 * part.band((wave(u) - 0.2) * step, 0.0025), mixed(wall, (70, 60, 80), 0.3))
        case "dots":
            row = np.rint(v / 0.8)
            along = wave(u + 0.5 * (row % 2))
            part.fill(part.cover((0.2 - np.sqrt(along**2 + (v - 0.8 * row) ** 2)) * step), other, light)
        case "diamonds":
            a, b = wave(u + 0.7 * v) - 0.25, wave(u - 0.7 * v) - 0.25
            depth = np.minimum(np.abs(a), np.abs(b)) * np.sign(a * b)
            part.fill(0.6 * part.cover(depth * step), other, light)
        case "sprigs":
            row = np.rint(v)
            along, down = wave(u + 0.5 * (row % 2)), v - row
            petals = 0.1 - np.sqrt((along - 0.11) ** 2 + (np.abs(down) - 0.06) ** 2)
            part.fill(part.cover(petals * step), other, light)
            part.fill(part.cover((0.07 - np.sqrt(along**2 + down**2)) * step), mixed(other, (120, 90, 60), 0.3), light)
        case _:
            _panels(part, place, 2.4 * step, shift, wall, trim, light)


def _panels(part: Board, place: Place, step: float, shift: float, wall: Colour, trim: Colour, light: Array) -> None:
    """Wainscot: framed panels below a rail."""
    rail = 0.52 * place.horizon
    colour = mixed(trim, wall, 0.25)
    part.fill(part.down(rail, place.horizon + 1.0), colour, light)
    u = (0.38 - wave(part.x / step + shift)) * step
    v = (place.horizon - rail) * 0.5 - 0.055 - np.abs(part.y - (rail + place.horizon - 0.03) / 2)
    frame = np.minimum(u, v)
    part.fill(0.8 * part.band(frame, 0.004), mixed(colour, (90, 76, 80), 0.45))
    part.fill(part.down(rail - 0.012, rail + 0.012), trim)
    part.fill(part.down(rail + 0.012, rail + 0.018), mixed(colour, (90, 76, 80), 0.4))


def _skirting(board: Board, place: Place, trim: Colour) -> None:
    """The board between wall and floor."""
    part = board.level(place.horizon - 0.05, place.horizon + 0.03)
    if part is None:
        return
    part.fill(part.down(place.horizon - 0.036, place.horizon), trim, 1.0)
    part.fill(part.down(place.horizon - 0.036, place.horizon - 0.03), mixed(trim, (90, 76, 80), 0.3))
    part.shade(1.0 - 0.25 * part.down(place.horizon, place.horizon + 0.012))
    part.pencil(part.y - place.horizon)


def _hangings(board: Board, dice: Dice, place: Place, wall: Colour, trim: Colour) -> None:
    """Windows, pictures and shelves along the wall."""
    left, _, right, _ = board.around()
    seed, shift = seed_of(dice), share(dice, 0.0, 1.0)
    curtain, frame = pale(dice.pick(ALL), 0.2), dice.pick((*WOODS, (222, 186, 96), (250, 246, 236)))
    numbers = np.arange(int(left // WALL_CELL) - 1, int(right // WALL_CELL) + 2)
    luck = chances(seed, numbers, 8)
    high = 0.6 * place.horizon
    for k, number in enumerate(numbers.tolist()):
        x = (number + shift + 0.1 * float(luck[1, k])) * WALL_CELL
        if x < left - 0.25 or x > right + 0.25:
            continue
        match int(float(luck[0, k]) * 10):
            case 0 | 1 | 2 | 3:
                _window(
                    board, x, 0.12 * place.horizon, 0.09 + 0.03 * float(luck[2, k]), high, trim, curtain, luck[3:, k]
                )
            case 4 | 5 | 6:
                _picture(board, x, 0.4 * place.horizon, 0.075, frame, luck[2:, k])
            case 7 | 8:
                _shelf(board, x, 0.45 * place.horizon, frame, seed + number)


def _window(
    board: Board, x: float, top: float, half: float, high: float, trim: Colour, curtain: Colour, luck: Array
) -> None:
    """A window with a cross of bars, a view and drawn curtains."""
    bottom = top + high
    board.box(x - half - 0.016, top - 0.016, x + half + 0.016, bottom + 0.016, trim)
    part = board.part(x - half, top, x + half, bottom)
    if part is not None:
        pane = part.down(top, bottom) * part.across(x - half, x + half)
        if board.style.dark:
            part.shine(pane, part.between(NIGHTS[0].top, NIGHTS[0].low, top, bottom))
            moon_x, moon_y = x + half * (0.3 + 0.4 * float(luck[0])), top + 0.3 * high
            part.shine(part.cover(oval(part.x - moon_x, part.y - moon_y, 0.024, 0.024)), MOON)
        else:
            part.fill(pane, part.between((150, 200, 236), (222, 238, 246), top, bottom))
        hill = part.y - (bottom - 0.3 * high - 0.1 * high * np.sin((part.x - x) * 22.0 + 6.0 * float(luck[1])))
        part.fill(pane * part.cover(hill), (128, 180, 112))
    board.box(x - 0.005, top, x + 0.005, bottom, trim)
    board.box(x - half, top + 0.42 * high, x + half, top + 0.42 * high + 0.01, trim)
    board.box(x - half - 0.03, bottom + 0.006, x + half + 0.03, bottom + 0.024, trim)
    for side in (-1.0, 1.0):
        _curtain(board, x + side * (half + 0.012), top - 0.03, bottom + 0.02, side, curtain)
    board.box(x - half - 0.065, top - 0.034, x + half + 0.065, top - 0.022, mixed(trim, (96, 70, 60), 0.6))


def _curtain(board: Board, x: float, top: float, bottom: float, side: float, colour: Colour) -> None:
    """A curtain, gathered at its middle."""
    part = board.part(x - 0.06, top, x + 0.06, bottom)
    if part is None:
        return
    share_down = (part.y - top) / (bottom - top)
    half = 0.034 * (1.0 - 0.45 * np.sin(np.pi * np.clip(share_down * 1.25, 0.0, 1.0)) ** 2) + 0.006
    depth = np.minimum(half - np.abs(part.x - x - side * 0.012), np.minimum(part.y - top, bottom - part.y))
    folds = 1.0 + 0.1 * np.sin((part.x - x) * 260.0) * part.faded(0.006)
    part.shape(depth, colour, folds)


def _picture(board: Board, x: float, y: float, half: float, frame: Colour, luck: Array) -> None:
    """A framed picture: hills of one colour under a sky of another, perhaps with a sun."""
    wide, high = half * (0.8 + 0.5 * float(luck[0])), half * (0.8 + 0.35 * float(luck[1]))
    board.box(x - wide - 0.014, y - high - 0.014, x + wide + 0.014, y + high + 0.014, frame)
    board.box(x - wide, y - high, x + wide, y + high, CREAM)
    part = board.part(x - wide, y - high, x + wide, y + high)
    if part is None:
        return
    inside = part.down(y - high + 0.014, y + high - 0.014) * part.across(x - wide + 0.014, x + wide - 0.014)
    ground, light = (CHEERFUL[int(float(luck[k]) * len(CHEERFUL))] for k in (2, 3))
    part.fill(inside, pale(light, 0.55))
    u, v = part.x - x, part.y - y
    if luck[4] < 0.6:
        part.fill(inside * part.cover(oval(u - 0.3 * wide, v + 0.3 * high, 0.02, 0.02)), pale(light, 0.0))
    part.fill(inside * part.cover(oval(u + 0.4 * wide, v - high, wide, 0.9 * high)), pale(ground, 0.2))
    part.fill(inside * part.cover(oval(u - 0.7 * wide, v - high, wide, 0.6 * high)), deep(ground, 0.2))


def _shelf(board: Board, x: float, y: float, wood: Colour, seed: int) -> None:
    """A board with books on it."""
    half, books = 0.13, 8
    luck = chances(seed, np.arange(books), 3)
    left = x - half + 0.012
    for k in range(books):
        wide, tall = 0.016 + 0.016 * float(luck[0, k]), 0.06 + 0.035 * float(luck[1, k])
        if left + wide > x + half - 0.01:
            break
        board.box(left, y - tall, left + wide, y, pale(ALL[int(float(luck[2, k]) * len(ALL))], 0.2))
        left += wide + 0.003
    board.box(x - half, y, x + half, y + 0.016, mixed(wood, (120, 84, 60), 0.3))


# The floor


def _floor(board: Board, dice: Dice, place: Place) -> None:
    """Boards, tiles or carpet."""
    kind, wood, seeds = dice.pick(FLOORS), dice.pick(WOODS), [seed_of(dice) for _ in range(3)]
    middle, step, behind = share(dice, 0.3, 0.7) * place.width, share(dice, 0.13, 0.2), share(dice, 0.35, 0.8)
    cloth, light_tile, dark_tile = (
        pale(dice.pick(ALL), 0.45),
        pale(dice.pick(ALL), 0.78),
        pale(dice.pick((*CHEERFUL, "gray", "brown")), 0.5),
    )
    part = board.level(place.horizon - 0.01)
    if part is None:
        return
    depth = np.maximum(part.y - place.horizon, 0.0)
    # Lines on the floor run to a vanishing point `behind` above its far edge.
    far = (depth + behind) * (1.0 / (place.bottom - place.horizon + behind))  # 1 at the canvas's lower edge
    u = (part.x - middle) / (far * step)
    light = 0.94 + 0.1 * np.clip(depth / (place.bottom - place.horizon), 0.0, 1.0)
    floor = part.cover(part.y - place.horizon)
    match kind:
        case "boards":
            grain = part.mottle(seeds[0], 0.02, 0.3)
            number = np.floor(u).astype(np.int64)
            first = int(number.min())
            tones = chances(seeds[1], np.arange(first, int(number.max()) + 1), 2)
            light = light * (0.93 + 0.12 * tones[0][number - first]) + 0.018 * grain
            part.fill(floor, wood, light)
            gaps = part.band(wave(u) * (far * step), 0.003)
            ends = part.band(wave(3.0 / (far + 0.35) + tones[1][number - first]) * (far * 0.35), 0.003)
            part.fill(0.5 * np.maximum(gaps, ends) * floor, deep("brown", 0.5))
        case "tiles":
            v = wave((behind + 1.0) * 2.2 / (step * 5.0) / (far + 0.001)) - 0.25
            a = wave(0.5 * u) - 0.25
            depths = np.minimum(np.abs(a) * 2.0 * step * far, np.abs(v) * step * far) * np.sign(a * v)
            part.fill(floor, light_tile, light + 0.015 * part.mottle(seeds[0], 0.1, 0.05))
            part.fill(floor * part.cover(depths), dark_tile, light)
        case _:
            pile = 0.03 * (part.mottle(seeds[0], 0.014, 0.012, waves=12) + part.mottle(seeds[2], 0.1, 0.05))
            part.fill(floor, cloth, light + pile)


def _rug(board: Board, dice: Dice, place: Place) -> None:
    """A rug with a border: oval, or square and striped."""
    ground = place.bottom - place.horizon
    x, y = share(dice, 0.25, 0.75) * place.width, place.horizon + share(dice, 0.5, 0.7) * ground
    rx, ry, striped = share(dice, 0.3, 0.44), share(dice, 0.13, 0.19), dice.chance(500)
    middle, other, border = (pale(name, 0.55) for name in dice.shuffled(ALL)[:3])
    part = board.part(x - 1.2 * rx, y - ry, x + 1.2 * rx, y + ry)
    if part is None:
        return
    lean = (part.x - x) / (1.0 + 0.7 * (part.y - y))  # drawn in to the far side
    square, round_ = np.minimum(rx - np.abs(lean), ry - np.abs(part.y - y)), oval(lean, part.y - y, rx, ry)
    depth = square if striped else round_
    weave = 1.0 + 0.05 * np.sin(part.y * 420.0) * part.faded(0.0037)
    part.shape(depth, border, weave)
    inner = part.cover(depth - 0.03)
    part.fill(inner, middle, weave)
    if striped:
        part.fill(inner * part.cover((wave(lean / 0.13) - 0.3) * 0.13), other, weave)
    else:
        part.fill(part.band(depth - 0.05, 0.008), other, weave)
