"""Buildings. Walls wear the colour and the pattern, roofs and flags the accent."""

from __future__ import annotations

from innerlight.world.sketch import Sketch
from innerlight.world.things._outlines import arc
from innerlight.world.things._registry import Build, category

_SIDES = (("left", -1), ("right", 1))


@category(
    "object",
    size=900,
    poses=("closed", "open", "shuttered"),
    proportions=("roof", "wall", "door", "window", "chimney"),
    colours=(("red", 3), ("yellow", 3), ("white", 3), ("orange", 2), ("brown", 2), ("blue", 1)),
)
def house(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """The gable of a cottage: pitched roof, chimney, two windows with shutters, a round one, a door in the middle."""
    half, apex = 0.8 * build["wall"], -0.7 * build["roof"]
    _chimney(s, 0.55 * half, 0.5 * apex, apex - 0.16 * build["chimney"] ** 3)
    s.layer("main", coat=True)
    s.coat(0.0, 0.77, 1.2 * half, 0.42)
    s.polygon("wall", [(-half, 1.0), (-half, 0.0), (0.0, apex), (half, 0.0), (half, 1.0)], 0.02)
    s.point("wall_left", -0.92 * half, 0.85)
    s.point("wall_right", 0.92 * half, 0.85)
    s.layer("accent")
    for side, sign in _SIDES:
        tip = sign * 1.17 * half
        s.limb("roof", (0.0, apex - 0.05), (tip, -0.17 * apex - 0.05), 0.068, key=f"roof_{side}")
        s.point(f"roof_{side}", tip, -0.17 * apex - 0.05)
        if side == "left":
            s.point("roof_top", 0.0, apex - 0.05)
    s.layer("shade")
    s.box("base", 0.0, 0.98, half + 0.05, 0.05, 0.03)
    _round_window(s, 0.3 * apex, 0.13 * build["window"])
    for side, sign in _SIDES:
        _shuttered_window(s, side, sign * 0.6 * half, 0.36, build["window"], pose == "shuttered", sway)
    _house_door(s, 0.17 * build["door"], 1.0 - 0.56 * build["door"], ajar=0.22 + 0.05 * sway if pose == "open" else 0.0)


def _chimney(s: Sketch, x: float, foot: float, top: float) -> None:
    s.layer("shade")
    s.box("roof", x, (foot + top) / 2, 0.1, (foot - top) / 2, key="chimney")
    s.box("roof", x, top, 0.14, 0.045, 0.02, key="chimney_top")
    s.point("chimney", x, top)


def _round_window(s: Sketch, y: float, radius: float) -> None:
    s.layer("cream")
    s.ellipse("window", 0.0, y, radius + 0.04, radius + 0.04, key="frame_attic")
    s.layer("glass", outline=False)
    s.ellipse("window", 0.0, y, radius, radius, key="window_attic")
    s.point("window_attic", 0.0, y)


def _shuttered_window(s: Sketch, side: str, x: float, y: float, size: float, shut: bool, sway: float) -> None:
    wide, high = 0.13 * size, 0.17 * size
    s.layer("cream")
    s.box("window", x, y, wide + 0.03, high + 0.03, 0.02, key=f"frame_{side}")
    s.layer("glass", outline=False)
    s.box("window", x, y, wide, high, key=f"window_{side}")
    s.point(f"window_{side}", x + 0.5 * wide, y - 0.5 * high)
    s.layer("cream", outline=False)
    s.box("window", x, y, 0.016, high, key=f"bar_upright_{side}")
    s.box("window", x, y, wide, 0.016, key=f"bar_level_{side}")
    s.layer("shade")
    for leaf, sign in _SIDES:
        offset, width = (0.5 * wide + 0.01, 0.5 * wide + 0.01) if shut else (wide + 0.075, 0.045 + 0.01 * sway)
        s.box("window", x + sign * offset, y, width, high + 0.03, 0.02, key=f"shutter_{leaf}_{side}")


def _house_door(s: Sketch, half: float, top: float, ajar: float) -> None:
    """A leaf hinged on the left; `ajar` is how far its free edge has come round, 0 when closed."""
    s.layer("hollow")
    s.box("door", 0.0, (top + 1.0) / 2, half, (1.0 - top) / 2, 0.04, key="doorway")
    # Ajar, the leaf is mirrored about its hinge, so that its free edge stays its free edge.
    width, nearer = (ajar, 0.06) if ajar else (2 * half, 0.0)
    with s.at(-half, 0.0, mirror=ajar > 0):
        s.layer("accent")
        s.polygon("door", [(0.0, top), (width, top - nearer), (width, 1.0 + nearer), (0.0, 1.0)], 0.02)
        s.point("door", width / 2, top + 0.15)
        s.layer("cream")
        s.ellipse("handle", 0.82 * width, 0.5 * top + 0.53, 0.035, 0.035, key="knob")


@category(
    "object",
    size=1000,
    poses=("closed", "open"),
    proportions=("tower", "keep", "roof", "gate"),
    colours=(("gray", 5), ("white", 2), ("brown", 2), ("yellow", 1), ("pink", 1), ("purple", 1)),
)
def castle(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A wall with a gate between two towers with pointed roofs, a keep behind it, flags on all of them."""
    keep_top, tower_top = -0.66 * build["keep"], 0.25 - 0.5 * build["tower"]
    _flag(s, "keep", 0.0, keep_top - 0.1, sway, behind=True)
    s.layer("shade", behind=True)
    s.box("tower", 0.0, 0.2 + keep_top / 2, 0.3, 0.2 - keep_top / 2, key="tower_keep")
    s.point("tower_keep", 0.0, keep_top + 0.12)
    for number, x in enumerate((-0.24, 0.0, 0.24)):
        s.box("tower", x, keep_top - 0.03, 0.075, 0.1, 0.015, key=f"merlon_keep.{number}")
    s.layer("hollow", outline=False, behind=True)
    s.limb("window", (0.0, keep_top + 0.24), (0.0, keep_top + 0.34), 0.055, key="window_keep")
    s.layer("main", coat=True)
    s.coat(0.0, 0.42, 1.0, 0.45)
    s.box("wall", 0.0, 0.55, 0.65, 0.45)
    s.point("wall_left", -0.45, 0.3)
    s.point("wall_right", 0.45, 0.3)
    for number, x in enumerate((-0.42, -0.14, 0.14, 0.42)):
        s.box("wall", x, 0.08, 0.08, 0.1, 0.015, key=f"merlon_wall.{number}")
    s.opening(-0.5, 0.5, 0.12)
    s.support(-0.45, 0.45, -0.01)
    for side, sign in _SIDES:
        _tower(s, side, sign * 0.78, tower_top, 0.55 * build["roof"], sway)
    _gate(s, 0.24 * build["gate"], lowered=pose == "open")


def _flag(s: Sketch, name: str, x: float, foot: float, sway: float, behind: bool = False) -> None:
    """A pennant on a pole; the wind that lifts it is `sway`."""
    top = foot - 0.3
    s.layer("ink", outline=False, behind=behind)
    s.limb("flag", (x, foot + 0.08), (x, top), 0.016, key=f"pole_{name}")
    s.layer("accent", behind=behind)
    s.polygon("flag", [(x, top), (x + 0.26, top + 0.1 + 0.05 * sway), (x, top + 0.19)], 0.01, key=f"flag_{name}")
    s.point(f"flag_{name}", x + 0.06, top + 0.1)


def _tower(s: Sketch, side: str, x: float, top: float, roof: float, sway: float) -> None:
    _flag(s, side, x, top - roof, sway)
    s.layer("main", coat=True)
    s.box("tower", x, (1.0 + top) / 2, 0.21, (1.0 - top) / 2, key=f"tower_{side}")
    s.point(f"tower_{side}", x, 0.85)
    s.layer("shade")
    s.box("tower", x, top + 0.05, 0.25, 0.06, 0.02, key=f"rim_{side}")
    s.layer("accent")
    s.polygon("roof", [(x - 0.27, top), (x, top - roof), (x + 0.27, top)], 0.02, key=f"roof_{side}")
    s.point(f"roof_{side}", x, top - 0.8 * roof)
    s.layer("hollow", outline=False)
    s.limb("window", (x, top + 0.26), (x, top + 0.38), 0.06, key=f"window_{side}")


def _gate(s: Sketch, half: float, lowered: bool) -> None:
    """An arch of stone; its door is a bridge that closes it or lies before it."""
    rise = 1.1 * half
    arch = [(half, 0.0), *arc(0.0, -rise, half, half, 0, -180, 6), (-half, 0.0)]
    plank = [(half, 0.0), (half + 0.12, -0.16), (-half - 0.12, -0.16), (-half, 0.0)]
    with s.at(0.0, 1.0):
        s.layer("shade")
        s.polygon("door", arch, 0.05, key="arch")
        s.layer("hollow", outline=False)
        s.polygon("door", arch, key="doorway")
    # Lowered, the door is turned over about its foot.
    with s.at(0.0, 1.0, 180 if lowered else 0, mirror=lowered):
        s.layer("wood")
        s.polygon("door", plank if lowered else arch, 0.0 if lowered else -0.02)
        s.point("door", 0.0, -0.08)
        s.layer("ink", outline=False)
        for number, x in enumerate((-0.33 * half, 0.33 * half)):
            end = (1.3 * x, -0.15) if lowered else (x, -rise - 0.8 * half)
            s.limb("door", (x, -0.02), end, 0.012, key=f"plank.{number}")
