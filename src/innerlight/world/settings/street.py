"""Street: a row of houses with lamps before them, a pavement, and a road with dashes down its middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from innerlight.world._dice import Dice
from innerlight.world.palette import Colour, mixed
from innerlight.world.settings._board import Board, wave
from innerlight.world.settings._chance import along, chances, seed_of, share
from innerlight.world.settings._place import Place
from innerlight.world.settings._sky import Hour, clouds, glow, hazy, sky
from innerlight.world.settings._tints import ALL, CHEERFUL, CREAM, GLASS, LAMPLIGHT, deep, pale
from innerlight.world.shapes import Array

HOURS = ("noon", "clear", "clear", "morning", "dusk", "pink", "gray", "teal", "lilac", "gold")
ROOFS: tuple[Colour, ...] = (
    (176, 84, 66),
    (146, 92, 72),
    (108, 112, 128),
    (92, 126, 132),
    (128, 98, 134),
    (196, 132, 84),
)
ASPHALTS: tuple[Colour, ...] = ((122, 124, 134), (134, 130, 128), (110, 118, 132), (142, 134, 142), (126, 132, 124))
PAVEMENTS: tuple[Colour, ...] = ((206, 202, 196), (214, 200, 180), (196, 200, 208), (214, 190, 172), (192, 198, 184))
IRON: Colour = (58, 60, 72)
STOREY = 0.115
PLOT = 0.24  # about the width of a house
_STONES = 0.92 + 0.16 * chances(7, np.arange(251), 1)[0]  # how light cobbles are


@dataclass(frozen=True)
class _House:
    """The walls of a house, and the luck that decides the rest."""

    left: float
    right: float
    top: float
    foot: float
    luck: Array  # (12,)

    def among(self, number: int, options: int) -> int:
        """Which of so many options its luck says."""
        return int(float(self.luck[number]) * options)


def street(board: Board, dice: Dice, place: Place) -> None:
    """A street in town."""
    hour, _ = sky(board, dice, HOURS, place, sun=200)
    clouds(board, dice, hour.cloud, place.horizon - 0.12)
    _far_roofs(board, dice, place, hour)
    walls = [pale(name, 0.42) for name in dice.shuffled(ALL)[:6]]
    for house in _houses(board, dice, place):
        _draw_house(board, house, walls)
    _ground(board, dice, place)
    _lamps(board, dice, place)


def _far_roofs(board: Board, dice: Dice, place: Place, hour: Hour) -> None:
    """A hazy skyline behind the houses."""
    step = 0.09
    luck = chances(seed_of(dice), np.floor(board.x[0] / step).astype(np.int64), 2)[:, None, :]
    top = place.horizon * (0.62 - 0.4 * luck[0]) + np.where(luck[1] > 0.6, 0.7 * wave(board.x / step + 0.5) * step, 0.0)
    part = board.level(0.15 * place.horizon, place.horizon)
    if part is not None:
        part.fill(part.cover(part.y - top), mixed((120, 132, 164), hazy(board, hour), 0.35))


def _houses(board: Board, dice: Dice, place: Place) -> list[_House]:
    """The houses that are seen, side by side."""
    left, _, right, _ = board.around(0.02)
    numbers = np.arange(int(left // PLOT) - 1, int(right // PLOT) + 2)
    luck = chances(seed_of(dice), numbers, 12)
    walls = ((numbers + 0.36 * luck[0]) * PLOT).tolist()
    tops = (place.horizon * (1.0 - (0.5 + 0.26 * luck[1]))).tolist()
    return [
        _House(walls[k], walls[k + 1], tops[k], place.horizon + 0.01, luck[:, k])
        for k in range(len(walls) - 1)
        if walls[k + 1] > left and walls[k] < right
    ]


def _draw_house(board: Board, house: _House, walls: list[Colour]) -> None:
    """Wall, roof, windows, and a door or a shop."""
    left, right, top, foot, luck = house.left, house.right, house.top, house.foot, house.luck
    wall, roof = walls[house.among(2, len(walls))], ROOFS[house.among(3, len(ROOFS))]
    trim = mixed(wall, CREAM, 0.65)
    middle, eave = (left + right) / 2, 0.012
    match house.among(4, 4):
        case 0 | 1:  # a gable to the street
            peak = top - 0.5 * (right - left) * (0.6 + 0.5 * float(luck[5]))
            board.box(left, top, right, foot, wall)
            board.polygon(((middle, peak), (right + eave, top + 0.012), (left - eave, top + 0.012)), roof)
            board.ellipse(middle, top - 0.3 * (top - peak), 0.016, 0.016, trim)
        case 2:  # a hipped roof
            board.box(right - 0.07, top - 0.1, right - 0.04, top, mixed(roof, IRON, 0.3))
            board.box(left, top, right, foot, wall)
            board.polygon(
                (
                    (left + 0.03, top - 0.06),
                    (right - 0.03, top - 0.06),
                    (right + eave, top + 0.012),
                    (left - eave, top + 0.012),
                ),
                roof,
            )
        case _:  # a flat roof with a cornice
            board.box(left, top, right, foot, wall)
            board.box(left - 0.006, top - 0.014, right + 0.006, top + 0.012, trim)
    part = board.part(left, top, right, foot)
    if part is None:
        return
    _bricks(part, house, wall)
    _windows(part, house, trim)
    door = CHEERFUL[house.among(6, len(CHEERFUL))]
    if luck[7] < 0.4:
        _shop(board, house, door, trim)
    else:
        _door(board, house, deep(door, 0.15), trim)


def _bricks(part: Board, house: _House, wall: Colour) -> None:
    """Courses of bricks on some walls, clapboards on others, a shade at the side away from the light."""
    shade = 1.0 - 0.1 * part.across(house.right - 0.018, house.right)
    if house.luck[8] < 0.6:
        step = 0.016 if house.luck[8] < 0.35 else 0.026
        courses = part.band(wave(part.y / step) * step, 0.0016)
        shade = shade * (1.0 - 0.11 * courses)
    part.shade(part.across(house.left, house.right) * (shade - 1.0) + 1.0)


def _windows(part: Board, house: _House, trim: Colour) -> None:
    """Rows of windows on the upper floors; at night some are lit."""
    wide = house.right - house.left
    columns = max(2, round(wide / 0.085))
    storeys = max(1, round((house.foot - house.top) / STOREY) - 1)
    high = (house.foot - house.top) / (storeys + 1)
    middles_x = house.left + wide * (np.arange(columns, dtype=np.float32) + 0.5) / columns
    middles_y = house.top + high * (np.arange(storeys, dtype=np.float32) + 0.52)
    half_x, half_y = 0.23 * wide / columns, 0.3 * high

    def panes(grow: float, shown: Array) -> Array:
        """Cover of the windows that are shown (storeys, columns), each grown to all sides."""
        across = part.cover(half_x + grow - np.abs(part.x - middles_x[:, None]))  # (columns, w)
        down = part.cover(half_y + grow - np.abs(part.y - middles_y[None, :]))  # (h, storeys)
        return down @ shown @ across

    every = np.ones((storeys, columns), np.float32)
    part.fill(panes(0.007, every), trim)
    part.fill(panes(0.0, every), GLASS if house.luck[10] < 0.5 else mixed(GLASS, IRON, 0.45))
    if part.style.dark:
        luck = chances(int(float(house.luck[9]) * 1e6), np.arange(columns * storeys), 1).reshape(storeys, columns)
        part.shine(panes(0.0, (luck < 0.5).astype(np.float32)), LAMPLIGHT)
    bars = part.band(part.x[None, 0] - middles_x[:, None], 0.003).max(0, keepdims=True)
    part.fill(bars * part.cover(half_y - np.abs(part.y - middles_y[None, :])).max(1, keepdims=True), trim)


def _door(board: Board, house: _House, colour: Colour, trim: Colour) -> None:
    """A front door with a pane and a knob."""
    x = house.left + (house.right - house.left) * (0.28 + 0.44 * float(house.luck[11]))
    top = house.foot - 0.082
    board.box(x - 0.031, top - 0.009, x + 0.031, house.foot, trim)
    board.box(x - 0.023, top, x + 0.023, house.foot, colour)
    board.box(x - 0.013, top + 0.01, x + 0.013, top + 0.032, GLASS)
    board.ellipse(x + 0.015, top + 0.048, 0.004, 0.004, (240, 208, 110))


def _shop(board: Board, house: _House, awning: str, trim: Colour) -> None:
    """A shop window under a striped awning."""
    left, right = house.left + 0.02, house.right - 0.02
    top, foot = house.foot - 0.092, house.foot
    board.box(left, top, right, foot, deep(awning, 0.35))
    board.box(left + 0.01, top + 0.02, right - 0.055, foot - 0.018, GLASS)
    board.lit(left + 0.01, top + 0.02, right - 0.055, foot - 0.018, mixed(LAMPLIGHT, deep(awning, 0.35), 0.2))
    part = board.part(left - 0.01, top - 0.016, right + 0.01, top + 0.03)
    if part is None:
        return
    step = 0.036
    hem = top + 0.018 + 0.01 * np.sqrt(np.maximum(1.0 - (4.0 * (wave((part.x - left) / step + 0.25) - 0.25)) ** 2, 0.0))
    depth = np.minimum(
        np.minimum(part.y - (top - 0.014), hem - part.y),
        (right - left) / 2 + 0.008 - np.abs(part.x - (left + right) / 2),
    )
    part.shape(depth, pale(awning, 0.1))
    stripes = part.cover((wave((part.x - left) / (2 * step)) - 0.25) * 2 * step)
    part.fill(stripes * part.cover(depth), CREAM)


def _ground(board: Board, dice: Dice, place: Place) -> None:
    """Pavement, kerb and road."""
    ground = place.bottom - place.horizon
    kerb, middle = place.horizon + share(dice, 0.15, 0.24) * ground, place.horizon + share(dice, 0.52, 0.62) * ground
    end = place.horizon + share(dice, 0.9, 1.05) * ground
    slabs, asphalt = dice.pick(PAVEMENTS), dice.pick(ASPHALTS)
    seeds = [seed_of(dice) for _ in range(3)]
    cobbled, crossed = dice.chance(220), dice.chance(350)
    crossing, shift = (share(dice, 0.1, 0.9) - 0.5) * place.width, share(dice, 0.0, 1.0)
    line = pale(dice.pick(("white", "white", "yellow")), 0.3)
    part = board.level(place.horizon)
    if part is None:
        return
    depth = part.y - place.horizon
    light = 1.0 + 0.025 * part.mottle(seeds[0], 0.016, 0.01) + 0.03 * part.mottle(seeds[1], 0.22, 0.05)
    part.fill(part.cover(depth), asphalt, light)
    lean = (part.x - place.width / 2) / (0.55 + depth)  # along the road, seen from the middle of the canvas
    if cobbled:
        _cobbles(part, depth, lean, seeds[2])
    dashes = part.cover((0.32 - wave(lean / 0.42 + shift)) * 0.42)
    if crossed:
        beside = np.abs(lean - crossing)
        dashes *= part.cover(beside - 0.21)
        stripes = part.cover((wave((lean - crossing) / 0.1) - 0.25) * 0.1) * part.cover(0.19 - beside)
        part.fill(0.8 * stripes * part.down(kerb + 0.035, end - 0.035), (240, 238, 230))
    part.fill(dashes * part.down(middle - 0.011, middle + 0.011), line)
    for top, foot in ((place.horizon, kerb), (end, end + 10.0)):
        _pavement(board, place, top, foot, slabs, seeds[2])


def _cobbles(part: Board, depth: Array, lean: Array, seed: int) -> None:
    """Courses of stones, each of its own gray, growing towards the viewer."""
    level = 14.0 * np.log(1.0 + 1.6 * depth)
    row = np.floor(level)
    along = lean / 0.075 + 0.5 * (row % 2)
    size = (0.55 + depth) * 0.075
    stones = np.floor(along).astype(np.int64) + (row.astype(np.int64) << 12)
    light = _STONES[(stones * 40503 + seed) % len(_STONES)]
    joint = np.maximum(
        part.band(wave(along) * size, 0.0035), part.band(wave(level) * (1.0 / 1.6 + depth) * (1.0 / 14.0), 0.003)
    )
    part.shade(light * (1.0 - 0.2 * joint))


def _pavement(board: Board, place: Place, top: float, foot: float, colour: Colour, seed: int) -> None:
    """Slabs between two y, with a kerb on the side of the road."""
    part = board.level(top - 0.02, foot + 0.04)
    if part is None:
        return
    edge = 0.018
    far = top > place.horizon  # the near side of the road: its kerb is at the top
    part.fill(part.down(top, foot), colour, 1.0 + 0.03 * part.mottle(seed, 0.05, 0.02))
    lean = (part.x - place.width / 2) / (0.55 + part.y - place.horizon)
    joints = part.band(wave(lean / 0.16) * 0.16, 0.003)
    rows = part.band(wave((part.y - top) / 0.075) * 0.075, 0.002)
    part.shade(1.0 - 0.16 * np.maximum(joints, rows) * part.down(top, foot))
    if far:
        part.fill(part.down(top, top + edge), mixed(colour, CREAM, 0.5))
        part.shade(1.0 - 0.2 * part.down(top - 0.01, top))
    else:
        part.fill(part.down(foot - edge, foot), mixed(colour, CREAM, 0.5))
        part.fill(part.down(foot, foot + 0.014), mixed(colour, IRON, 0.5))
    part.pencil(part.y - (top if far else foot))


def _lamps(board: Board, dice: Dice, place: Place) -> None:
    """Lamp posts at the kerb; at night they shine."""
    step = share(dice, 0.55, 0.75)
    x, _ = along(seed_of(dice), step, board.around(0.2), 1)
    foot = place.horizon + 0.1 * (place.bottom - place.horizon)
    top = foot - 0.3
    post = mixed(IRON, dice.pick(((58, 60, 72), (50, 92, 72), (44, 70, 120), (110, 60, 60))), 0.6)
    for lamp in x.tolist():
        if board.style.dark:
            glow(board, lamp, top, 0.2, LAMPLIGHT, 0.6)
        board.box(lamp - 0.007, top, lamp + 0.007, foot, post)
        board.box(lamp - 0.016, foot - 0.03, lamp + 0.016, foot, post)
        board.polygon(
            ((lamp - 0.024, top - 0.05), (lamp + 0.024, top - 0.05), (lamp + 0.014, top), (lamp - 0.014, top)),
            (255, 244, 200),
        )
        board.lit(lamp - 0.017, top - 0.045, lamp + 0.017, top, (255, 240, 180))
        board.polygon(((lamp, top - 0.078), (lamp + 0.031, top - 0.048), (lamp - 0.031, top - 0.048)), post)
