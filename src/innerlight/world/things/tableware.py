"""What one drinks from."""

from __future__ import annotations

import math

from innerlight.world.sketch import Sketch
from innerlight.world.things._outlines import arc
from innerlight.world.things._registry import Build, category


@category(
    "object",
    size=300,
    poses=("upright", "steaming"),
    proportions=("width", "height", "handle", "base"),
    colours=(("white", 4), ("blue", 3), ("red", 2), ("yellow", 1), ("green", 1)),
    tilts=True,
)
def mug(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A round mug with a big handle; its rim is an ellipse that others look out of."""
    wide, top, rim = 0.62 * build["width"], 0.75 - 1.2 * build["height"], 0.17
    foot = wide * (0.55 + 0.25 * build["base"])
    # Of a cold mug the steam stays inside, behind its wall.
    _steam(s, *((top - 0.05, 0.6) if pose == "steaming" else (top + 0.45, 0.06)), sway)
    s.layer("light", behind=True)
    s.ellipse("rim", 0.0, top, wide, rim)
    s.layer("hollow", outline=False, behind=True)
    s.ellipse("rim", 0.0, top + 0.015, wide - 0.08, rim - 0.05, key="hollow")
    s.point("inside", 0.0, top)
    s.opening(-wide + 0.05, wide - 0.05, top + 0.05)
    middle, size = (top + 0.75) / 2, 0.3 * build["handle"]
    s.layer("main")
    s.ellipse("handle", wide + 0.05, middle - 0.03, size, size * 1.05, hollow=0.085)
    s.point("handle", wide + 0.05 + size, middle - 0.03)
    s.grip(wide + 0.05 + size, middle - 0.03)
    s.layer("main", coat=True)
    s.coat(0.0, middle + 0.1, 0.85 * wide, 0.45)
    # The upper edge sags like the near half of the rim.
    s.polygon("body", [*arc(0.0, top, wide, rim, 180, 0, 8), *arc(0.0, 0.68, foot, 0.12, 20, 160, 6)], 0.012)
    s.point("rim_left", -0.92 * wide, top + 0.2)
    s.point("rim_right", 0.92 * wide, top + 0.2)
    s.point("base_left", -0.85 * foot, 0.66)
    s.point("base_right", 0.85 * foot, 0.66)
    s.layer("light", outline=False)
    s.curve(
        "body", (-0.8 * wide, top + 0.3), (-0.78 * wide, 0.3), (-0.72 * wide, 0.4), 0.03, 0.02, pieces=2, key="gleam"
    )


def _steam(s: Sketch, foot: float, height: float, sway: float) -> None:
    bend, pieces = 0.075 + 0.02 * sway, 8
    for side, x, share in (("left", -0.2, 0.8), ("right", 0.2, 1.0)):
        along = [k / pieces for k in range(pieces + 1)]
        wave = [(x + bend * math.sin(2 * math.pi * t), foot - share * height * t) for t in along]
        s.layer("gleam", behind=True)
        s.path("top", wave, 0.06, 0.03, key=f"steam_{side}")


@category(
    "object",
    size=350,
    poses=("closed", "open", "pouring"),
    proportions=("body", "spout", "handle", "lid"),
    colours=(("white", 3), ("blue", 3), ("red", 2), ("green", 1), ("pink", 1), ("yellow", 1)),
    tilts=True,
)
def teapot(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A big-bellied pot with a curved spout and a knob on its lid."""
    pouring = pose == "pouring"
    wide, high = 0.64 * build["body"], 0.52
    spout = 0.62 + 0.36 * build["spout"]
    with s.at(0.0, 0.2, 24 + 4 * sway if pouring else 0):
        _stream(s, spout, pouring)
        s.layer("main")
        loop = 0.33 * build["handle"]
        s.ellipse("handle", 0.02 - wide, -0.03, loop, 0.29, hollow=0.075)
        s.point("handle", 0.02 - wide - loop, -0.03)
        s.grip(0.02 - wide - loop, -0.03)
        s.layer("main", coat=True, blend=0.1)
        s.coat(0.0, 0.05, 0.8 * wide, 0.42)
        s.ellipse("body", 0.0, 0.05, wide, high)
        s.point("body_left", -0.8 * wide, 0.1)
        s.point("body_right", 0.8 * wide, 0.1)
        elbow = (spout - 0.06, -0.16)
        s.curve("spout", (0.5 * wide, 0.25), (wide + 0.08, 0.2), elbow, 0.2, 0.11, pieces=6, key="spout_lower")
        s.limb("spout", elbow, (spout + 0.05, -0.36), 0.11, 0.075)
        s.point("spout", spout, -0.34)
        s.layer("shade")
        s.box("base", 0.0, 0.56, 0.55 * wide, 0.05, 0.04)
        s.point("base", 0.0, 0.56)
        s.layer("hollow")
        s.ellipse("rim", 0.0, -0.42, 0.54 * wide, 0.08)
        lift, turn = (0.26, 16 + 8 * sway) if pose == "open" else (0.0, 0.0)
        _lid(s, 0.6 * wide, lift, turn, build["lid"])
        s.layer("gleam", outline=False)
        s.ellipse("body", -0.5 * wide, -0.16, 0.06, 0.13, 32, key="gleam")


def _lid(s: Sketch, half: float, lift: float, turn: float, size: float) -> None:
    with s.at(0.0, -0.4 - lift, turn):
        s.layer("accent")
        s.ellipse("lid", 0.0, -0.2 * size - 0.06, 0.085 * size, 0.085 * size, key="knob")
        s.point("knob", 0.0, -0.2 * size - 0.06)
        s.layer("main")
        s.ellipse("lid", 0.0, 0.0, half, 0.22 * size, clip=(0.0, 1.0, 0.0))
        s.box("lid", 0.0, 0.02, half + 0.02, 0.045, 0.04, key="lid_rim")
        s.point("lid", 0.0, 0.02)


def _stream(s: Sketch, spout: float, pouring: bool) -> None:
    """What leaves the spout, or waits inside it, in the turned coordinates of the pot."""
    bend, end = ((0.22, -0.3), (0.34, 0.25)) if pouring else ((-0.04, -0.28), (-0.06, -0.2))
    s.layer("glass")
    s.curve("spout", (spout, -0.34), (spout + bend[0], bend[1]), (spout + end[0], end[1]), 0.05, 0.04, key="stream")
