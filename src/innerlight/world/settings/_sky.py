"""The sky over a setting: its hour, sun or moon, clouds, stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from innerlight.world._dice import Dice
from innerlight.world.palette import Colour, mixed
from innerlight.world.settings._board import Board, oval
from innerlight.world.settings._chance import seed_of, share, strewn
from innerlight.world.settings._place import Place
from innerlight.world.shapes import Array


@dataclass(frozen=True)
class Hour:
    """The colours of a sky: at its top, at the horizon, of its clouds, of its sun."""

    top: Colour
    low: Colour
    cloud: Colour = (252, 252, 250)
    sun: Colour = (255, 226, 120)


HOURS: dict[str, Hour] = {
    "noon": Hour((112, 176, 230), (204, 230, 244)),
    "clear": Hour((146, 200, 238), (226, 240, 244)),
    "morning": Hour((158, 204, 228), (254, 230, 190), (255, 246, 232), (255, 210, 96)),
    "dusk": Hour((140, 124, 186), (252, 186, 156), (250, 212, 206), (250, 136, 84)),
    "pink": Hour((226, 172, 200), (252, 226, 214), (255, 240, 240), (255, 150, 130)),
    "teal": Hour((112, 190, 192), (216, 240, 226), (248, 254, 248), (255, 240, 170)),
    "gray": Hour((166, 176, 188), (220, 224, 224), (240, 240, 240), (250, 244, 220)),
    "lilac": Hour((166, 152, 208), (232, 214, 234), (250, 240, 250), (255, 222, 170)),
    "winter": Hour((150, 178, 214), (218, 228, 240)),
    "gold": Hour((244, 196, 108), (254, 238, 190), (255, 248, 226), (252, 128, 64)),
}
NIGHTS: tuple[Hour, ...] = (
    Hour((14, 20, 54), (44, 60, 112)),
    Hour((22, 18, 56), (64, 52, 110)),
    Hour((10, 30, 56), (32, 78, 108)),
)
MOON: Colour = (250, 244, 212)


def sky(board: Board, dice: Dice, hours: tuple[str, ...], place: Place, sun: int = 300) -> tuple[Hour, float | None]:
    """Paint all of the board as air, with a sun `sun` times in a thousand; at night moon and stars.

    Returns its hour, and the x of what shines in it.
    """
    horizon = place.horizon
    hour = HOURS[dice.pick(hours)]
    night = dice.pick(NIGHTS)
    x, y = share(dice, 0.1, 0.9) * place.width, share(dice, 0.16, 0.42) * min(horizon, 0.6)
    radius, shines, stars = share(dice, 0.05, 0.075), dice.chance(sun), seed_of(dice)
    if board.style.dark:
        board.shine(1.0, board.between(night.top, night.low, -0.1, horizon))
        _stars(board, stars, horizon)
        _moon(board, x, y, radius)
        return night, x
    board.fill(1.0, board.between(hour.top, hour.low, -0.1, horizon))
    if shines:
        glow(board, x, y, 3.2 * radius, mixed(hour.sun, (255, 255, 255), 0.4), 0.5)
        board.ellipse(x, y, radius, radius, hour.sun)
    return hour, x if shines else None


def clouds(board: Board, dice: Dice, colour: Colour, low: float, step: float = 0.55, size: float = 0.11) -> None:
    """Clouds above y = `low`, one in every cell of the sky or none."""
    left, top, right, _ = board.around(2 * size)
    few = share(dice, 0.1, 0.7)
    spots = strewn(seed_of(dice), step, 0.6 * step, (left, top, right, low), 12)
    spots = spots.where((spots.chance[0] > few) & (spots.y < low))
    for x, y, luck in zip(spots.x.tolist(), spots.y.tolist(), spots.chance.T, strict=True):
        cloud(board, x, y, size * (0.7 + 0.6 * float(luck[1])), luck[2:].reshape(2, 5), colour)


def cloud(
    board: Board, x: float, y: float, size: float, luck: Array, colour: Colour, soft: float = 0.12, faint: float = 0.0
) -> None:
    """A cloud of five soft lobes over a flat foot, `size` to either side of x, its foot at y."""
    part = board.part(x - 1.15 * size, y - 0.9 * size, x + 1.15 * size, y + 0.3 * size)
    if part is None:
        return
    places = np.array((-0.68, -0.3, 0.08, 0.44, 0.74), np.float32) + 0.16 * (luck[0] - 0.5)
    radii = np.array((0.26, 0.42, 0.5, 0.36, 0.24), np.float32) * (0.85 + 0.3 * luck[1])
    u = (part.x - x)[None] * (1.0 / size) - places[:, None, None]
    v = (part.y - y)[None] * (1.0 / size) + (0.62 * radii)[:, None, None]
    across = u * (1.0 / radii)[:, None, None]
    down = v * (1.0 / radii)[:, None, None]
    depths = (1.0 - np.sqrt(across * across + down * down)) * radii[:, None, None]
    depth = depths.max(0)
    depth = np.minimum(depth, (y + 0.06 * size - part.y) * (0.6 / size))
    cover = np.clip(depth * (1.0 / max(soft, part.pixel / size)) + 0.5, 0.0, 1.0)
    light = 1.02 - 0.14 * np.clip((part.y - y) * (1.0 / size) + 0.5, 0.0, 1.0)
    part.fill((1.0 - faint) * cover, colour, light)
    part.pencil(depth * size)


def hazy(board: Board, hour: Hour) -> Colour:
    """What far things fade into."""
    return (150, 160, 190) if board.style.dark else hour.low


def sail(board: Board, x: float, y: float, size: float, colour: Colour, hull: Colour) -> None:
    """A far sailing boat that floats at y."""
    board.polygon(
        ((x - 0.05 * size, y - size), (x - 0.05 * size, y - 0.2 * size), (x - 0.5 * size, y - 0.2 * size)), colour
    )
    board.polygon(
        ((x + 0.03 * size, y - 0.85 * size), (x + 0.42 * size, y - 0.2 * size), (x + 0.03 * size, y - 0.2 * size)),
        colour,
    )
    board.polygon(
        (
            (x - 0.5 * size, y - 0.16 * size),
            (x + 0.5 * size, y - 0.16 * size),
            (x + 0.34 * size, y),
            (x - 0.34 * size, y),
        ),
        hull,
    )


def _stars(board: Board, seed: int, horizon: float) -> None:
    left, top, right, bottom = board.around(0.01)
    spots = strewn(seed, 0.13, 0.11, (left, top, right, min(horizon, bottom)), 2)
    spots = spots.where(spots.chance[0] > 0.25)
    board.discs(spots.x, spots.y, 0.003 + 0.005 * spots.chance[1] ** 3, (244, 240, 220), glows=True)


def _moon(board: Board, x: float, y: float, radius: float) -> None:
    glow(board, x, y, 3.5 * radius, (150, 166, 214), 0.45)
    part = board.part(x - radius, y - radius, x + radius, y + radius)
    if part is not None:
        u, v = part.x - x, part.y - y
        whole = oval(u, v, radius, radius)
        part.shine(part.cover(whole), MOON)
        shadow = oval(u + 0.45 * radius, v + 0.2 * radius, 0.85 * radius, 0.85 * radius)
        part.shine(0.3 * part.cover(np.minimum(whole, shadow)), (190, 184, 170))


def glow(board: Board, x: float, y: float, reach: float, colour: Colour, strength: float) -> None:
    """A soft round light."""
    part = board.part(x - reach, y - reach, x + reach, y + reach)
    if part is not None:
        near = np.maximum(oval(part.x - x, part.y - y, reach, reach) * (1.0 / reach), 0.0)
        part.shine(strength * near * near, colour)
