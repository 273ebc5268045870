"""Vehicles, driving to the right."""

from __future__ import annotations

from innerlight.world.sketch import Sketch
from innerlight.world.things._outlines import polar
from innerlight.world.things._registry import Build, category


@category(
    "object",
    size=750,
    poses=("closed", "open"),
    proportions=("wheel", "cabin", "hood", "body"),
    colours=(("red", 4), ("blue", 3), ("yellow", 2), ("green", 2), ("black", 1), ("white", 1), ("gray", 1)),
)
def car(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A small round car; open, it is one whose roof is folded away."""
    wheel, cabin = 0.215 * build["wheel"], 0.5 * build["cabin"]
    floor, shift = 0.44 * build["body"], 0.12 * (1 - build["hood"])
    with s.at(0.0, 0.0, 1.5 * sway):  # it nods on its springs
        with s.at(shift, 0.0):
            _cabin(s, cabin, folded=pose == "open")
        _car_body(s, floor, shift)
    s.support(shift - 0.42, shift + 0.05, -0.02 if pose == "open" else -cabin - 0.04)
    s.opening(shift - 0.55, shift + 0.3, 0.04)
    for side, x in (("back", -0.56), ("front", 0.58)):
        _car_wheel(s, side, x, floor + 0.03, wheel)


def _car_body(s: Sketch, floor: float, shift: float) -> None:
    s.layer("main", coat=True, blend=0.1)
    s.coat(-0.02, 0.17, 0.72, 0.27)
    s.box("body", 0.0, floor / 2 + 0.06, 1.0, floor / 2 - 0.02, 0.17)
    s.point("body_front", 0.8, floor / 2)
    s.point("body_back", -0.85, floor / 2)
    s.ellipse("body", 0.55, 0.16, 0.4, 0.16, key="hood")
    s.ellipse("body", -0.62, 0.14, 0.32, 0.15, key="boot")
    s.layer("main", coat=True)
    s.box("door", shift - 0.1, floor / 2 + 0.04, 0.28, floor / 2 - 0.04, 0.06)
    s.layer("cream")
    s.limb("handle", (shift - 0.3, 0.13), (shift - 0.18, 0.13), 0.022)
    s.point("handle", shift - 0.24, 0.13)
    s.layer("accent")
    s.limb("base", (0.86, floor), (1.0, floor), 0.05, key="bumper_front")
    s.limb("base", (-1.0, floor), (-0.86, floor), 0.05, key="bumper_back")
    s.layer("cream")
    s.ellipse("lamp", 0.92, 0.2, 0.075, 0.1, key="lamp_front")
    s.point("lamp_front", 0.92, 0.2)
    s.layer("beak")
    s.ellipse("lamp", -0.96, 0.22, 0.045, 0.08, key="lamp_back")
    s.point("lamp_back", -0.96, 0.22)


def _cabin(s: Sketch, height: float, folded: bool) -> None:
    """Roof, glass and seats, all behind whoever rides along."""
    if folded:
        roof = [(-0.86, -0.06), (-0.8, -0.17), (-0.6, -0.16), (-0.52, 0.06), (-0.84, 0.06)]
        back = [(-0.34, -0.01), (0.2, -0.01), (0.2, 0.06), (-0.34, 0.06)]
        front = [(0.16, -0.8 * height), (0.24, -0.8 * height), (0.44, 0.06), (0.32, 0.06)]
    else:
        roof = [(-0.72, 0.06), (-0.56, -height), (0.12, -height), (0.46, 0.06)]
        back = [(-0.58, 0.06), (-0.48, 0.11 - height), (-0.2, 0.11 - height), (-0.2, 0.06)]
        front = [(-0.08, 0.06), (-0.08, 0.11 - height), (0.07, 0.11 - height), (0.31, 0.06)]
    s.layer("shade" if folded else "main", coat=not folded, behind=True)
    s.polygon("roof", roof, 0.05)
    s.point("roof", (roof[1][0] + roof[2][0]) / 2, roof[1][1] + 0.02)
    s.layer("glass", behind=True)
    s.polygon("window", back, 0.01, key="window_back")
    s.point("window_back", -0.3, 0.02)
    s.polygon("window", front, 0.01, key="window_front")
    s.point("window_front", front[2][0] - 0.08, 0.01)
    s.layer("shade", behind=True)
    for side, x in (("back", -0.42), ("front", 0.02)):
        s.box("seat", x, -0.06, 0.07, 0.16, 0.06, -8, key=f"seat_{side}")
    s.layer("ink", outline=False, behind=True)
    s.limb("handle", (0.16, -0.1), (0.22, 0.02), 0.02, key="steering")


def _car_wheel(s: Sketch, side: str, x: float, y: float, radius: float) -> None:
    s.layer("main", coat=True)
    s.ellipse("body", x, y, radius + 0.06, radius + 0.06, key=f"fender_{side}", clip=(0.0, 1.0, 0.25))
    s.layer("rubber")
    s.ellipse("wheel", x, y, radius, radius, key=f"wheel_{side}")
    s.point(f"wheel_{side}", x, y)
    s.layer("accent", outline=False)
    s.ellipse("wheel", x, y, 0.5 * radius, 0.5 * radius, key=f"hub_{side}")


@category(
    "object",
    size=650,
    poses=("standing", "rearing"),
    proportions=("wheel", "frame", "seat", "handle"),
    colours=(("red", 3), ("blue", 3), ("green", 2), ("black", 1), ("yellow", 1)),
    patterns=(),
)
def bicycle(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """Two spoked wheels, a diamond frame, saddle, handlebars and pedals; rearing, it stands on its back wheel."""
    wheel, high = 0.42 * build["wheel"], 0.62 * build["frame"]
    bracket, cluster, head, fork = (0.48, 0.06), (0.32, -high), (0.92, -high - 0.04), (1.16, 0.0)
    crank = 65 + 40 * sway
    with s.at(-0.58, 0.5, -32 if pose == "rearing" else 0):
        _pedal(s, "far", bracket, crank + 180)
        for side, x in (("back", 0.0), ("front", fork[0])):
            _bicycle_wheel(s, side, x, wheel, 30 * sway)
        s.layer("accent")
        s.limb(
            "seat", (cluster[0] - 0.13, -high - 0.24 * build["seat"]), (0.42, -high - 0.22 * build["seat"]), 0.065, 0.04
        )
        s.point("seat", 0.3, -high - 0.23 * build["seat"])
        s.layer("main")
        s.limb("frame", (0.29, -high - 0.18 * build["seat"]), bracket, 0.045, key="tube_seat")
        s.limb("frame", cluster, (0.0, 0.0), 0.035, key="stay_upper")
        s.limb("frame", bracket, (0.0, 0.0), 0.04, key="stay_lower")
        s.point("hub_back", 0.0, 0.0)
        s.limb("frame", cluster, head, 0.05, key="tube_top")
        s.limb("frame", bracket, head, 0.055, key="tube_down")
        s.limb("frame", (0.86, -high - 0.24), fork, 0.045, key="fork")
        s.point("hub_front", *fork)
        s.coat(0.62, -0.5 * high, 0.3, 0.3)
        _handlebars(s, 0.86, -high - 0.24, build["handle"])
        s.layer("accent")
        s.ellipse("frame", *bracket, 0.11, 0.11, key="chainring")
        s.point("pedals", *bracket)
        _pedal(s, "near", bracket, crank)


def _bicycle_wheel(s: Sketch, side: str, x: float, radius: float, turn: float) -> None:
    s.layer("metal", outline=False)
    for number in range(4):
        dx, dy = polar(radius, 45 * number + turn)
        s.limb("wheel", (x - dx, -dy), (x + dx, dy), 0.011, key=f"spoke_{side}.{number}")
    s.layer("main")
    s.ring("wheel", x, 0.0, radius, 0.055, key=f"wheel_{side}")
    s.point(f"wheel_{side}", x, radius)


def _handlebars(s: Sketch, x: float, y: float, size: float) -> None:
    s.layer("metal")
    s.path("handle", [(x, y), (x - 0.02, y - 0.1), (x + 0.16 * size, y - 0.14)], 0.035, key="handlebar")
    s.layer("accent")
    s.limb("handle", (x + 0.16 * size, y - 0.14), (x + 0.26 * size, y - 0.08), 0.045, key="grip")
    s.point("handle", x + 0.2 * size, y - 0.12)


def _pedal(s: Sketch, side: str, bracket: tuple[float, float], angle: float) -> None:
    dx, dy = polar(0.22, angle)
    x, y = bracket[0] + dx, bracket[1] + dy
    s.layer("dark")
    s.limb("frame", bracket, (x, y), 0.026, key=f"crank_{side}")
    s.layer("rubber")
    s.limb("frame", (x - 0.07, y), (x + 0.07, y), 0.035, key=f"pedal_{side}")
