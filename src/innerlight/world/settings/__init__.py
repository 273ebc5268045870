"""Settings: the ground and sky behind the things."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from innerlight.world._dice import Dice
from innerlight.world.palette import Colour
from innerlight.world.scene import UNIT, Scene
from innerlight.world.settings._board import Board
from innerlight.world.settings._place import Place
from innerlight.world.settings.air import air
from innerlight.world.settings.grass import grass
from innerlight.world.settings.room import room
from innerlight.world.settings.sand import sand
from innerlight.world.settings.snow import snow
from innerlight.world.settings.street import street
from innerlight.world.settings.water import water
from innerlight.world.shapes import Array, Frame
from innerlight.world.styles import LOOKS

SHADOWS: dict[str, Colour] = {
    "grass": (34, 62, 44),
    "sand": (84, 66, 60),
    "water": (24, 64, 104),
    "street": (44, 42, 52),
    "room": (58, 42, 40),
    "sky": (90, 108, 160),
    "snow": (76, 92, 140),
}
_PAINTERS: dict[str, Callable[[Board, Dice, Place], None]] = {
    "grass": grass,
    "sand": sand,
    "water": water,
    "street": street,
    "room": room,
    "sky": air,
    "snow": snow,
}


def paint(scene: Scene, x: Array, y: Array, canvas: Frame) -> Array:
    """The setting (3, h, w), 0..255, at pixels x (1, w), y (h, 1); its details are decided by the decor alone."""
    pixel = 1.0 / (canvas.ux * UNIT)
    board = Board(
        np.zeros((3, y.shape[0], x.shape[1]), np.float32),
        (x - canvas.ox) * np.float32(pixel),
        (y - canvas.oy) * np.float32(pixel),
        pixel,
        LOOKS[scene.style],
    )
    place = Place(scene.width / UNIT, scene.horizon / UNIT, scene.height / UNIT)
    _PAINTERS[scene.setting](board, Dice("setting", scene.setting, scene.decor), place)
    if board.style.pencil:
        board.hatch()
    return np.clip(board.canvas, 0.0, 255.0, out=board.canvas)
