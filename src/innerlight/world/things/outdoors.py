"""What grows, flies or is carried out of doors."""

from __future__ import annotations

from innerlight.world.shapes import Point
from innerlight.world.sketch import Sketch
from innerlight.world.things._outlines import arc, polar
from innerlight.world.things._registry import EVERYWHERE, Build, category


@category(
    "object",
    size=350,
    poses=("upright", "windblown"),
    proportions=("width", "height", "knot", "rope"),
    colours=(("red", 4), ("blue", 2), ("yellow", 2), ("green", 1), ("pink", 1), ("purple", 1)),
    floats=EVERYWHERE,
    tilts=True,
)
def balloon(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """An egg of air on a curling string; the wind takes it to the right."""
    wide, high, length = 0.54 * build["width"], 0.58 * build["height"], 0.75 * build["rope"]
    blown = pose == "windblown"
    knot = 1.1 * high
    end = (0.16 * length, knot + length) if blown else (0.06, knot + length)
    with s.at(0.0, 0.0, (34 if blown else 0) + 5 * sway):
        s.layer("ink", outline=False)
        middle, bend = ((-0.02, knot + 0.45 * length), 0.1) if blown else ((0.02, knot + 0.5 * length), 0.2)
        s.curve("rope", (0.0, knot), (-bend, knot + 0.25 * length), middle, 0.018, key="string_upper")
        s.curve("rope", middle, (bend, knot + 0.75 * length), end, 0.018, key="string_lower")
        s.point("string_end", *end)
        s.grip(*end)
        s.layer("main")
        size = 0.11 * build["knot"]
        s.polygon("base", [(0.0, knot - 0.06), (size, knot + size), (-size, knot + size)], 0.02, key="knot")
        s.point("knot", 0.0, knot + 0.5 * size)
        s.layer("main", coat=True, blend=0.3)
        s.coat(0.0, 0.0, 0.8 * wide, 0.8 * high)
        s.ellipse("body", 0.0, 0.5 * high, 0.52 * wide, 0.6 * high, key="body_lower")
        s.ellipse("body", 0.0, -0.1, wide, high)
        s.point("top", 0.0, -0.1 - 0.85 * high)
        s.point("side_left", -0.85 * wide, -0.1)
        s.point("side_right", 0.85 * wide, -0.1)
        s.layer("gleam", outline=False)
        s.ellipse("body", -0.5 * wide, -0.1 - 0.45 * high, 0.075, 0.15, 34, key="gleam")


@category(
    "object",
    size=500,
    poses=("open", "closed"),
    proportions=("width", "canopy", "shaft", "handle"),
    colours=(("red", 3), ("blue", 2), ("yellow", 2), ("black", 2), ("purple", 1), ("pink", 1)),
    tilts=True,
)
def umbrella(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A scalloped canopy of four panels over a shaft with a crook; closed, the panels hang in folds."""
    closed = pose == "closed"
    wide = (0.28 if closed else 1.0) * build["width"]
    top = -0.75 * build["canopy"] - (0.2 if closed else 0.0)
    hem = 0.42 if closed else 0.02
    foot = 0.62 + 0.3 * build["shaft"] ** 2
    crook = 0.16 * build["handle"]
    s.layer("metal")
    s.limb("stem", (0.0, top - 0.14), (0.0, foot), 0.035, key="shaft")
    s.point("tip", 0.0, top - 0.12)
    s.layer("accent")
    hook = arc(crook, foot, crook, crook, 180, -10, 5)
    s.path("handle", [(0.0, foot - 0.3), *hook], 0.06)
    s.point("handle", *hook[-1])
    s.grip(0.0, foot - 0.12)
    s.coat(0.0, (top + hem) / 2, 0.75 * wide, 0.3 if not closed else 0.5)
    for name, left, right in _PANELS:
        s.layer("main", coat=True)
        s.polygon("canopy", _panel(left * wide, right * wide, top, hem, sway), 0.012, key=f"canopy_{name}")
        s.point(f"canopy_{name}", (left + right) / 2 * wide, hem - 0.2)


_PANELS = (("left", -1.0, -0.5), ("right", 0.5, 1.0), ("inner_left", -0.5, 0.0), ("inner_right", 0.0, 0.5))


def _panel(left: float, right: float, top: float, hem: float, sway: float) -> list[Point]:
    """Corners of the panel between two ribs, each a quarter of an ellipse from the top; its hem sags upwards."""
    ribs = []
    for x in (left, right):
        ribs.append(arc(0.0, hem, abs(x), hem - top, -90, 0 if x > 0 else -180, 5) if x else [(0.0, top), (0.0, hem)])
    middle = ((left + right) / 2 + 0.02 * sway, hem - 0.1)
    quarter = (0.75 * left + 0.25 * right, hem - 0.08), (0.25 * left + 0.75 * right, hem - 0.08)
    return [*ribs[1], quarter[1], middle, quarter[0], *reversed(ribs[0][1:])]


@category(
    "object",
    size=900,
    poses=("upright", "windblown"),
    proportions=("crown", "stem", "width", "fruit"),
    colours=(("green", 10), ("orange", 2), ("yellow", 1), ("pink", 1)),
)
def tree(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A stout trunk under a crown of round lobes with a few fruits; the wind bends it to the right."""
    wide, girth = 0.95 * build["width"], 0.13 * build["stem"]
    lean = 0.3 + 0.08 * sway if pose == "windblown" else 0.04 * sway
    fork = (0.4 * lean, 0.25)
    s.layer("wood", blend=0.06)
    s.limb("stem", (0.0, 0.98), fork, 1.15 * girth, 0.85 * girth, key="trunk")
    s.point("trunk", 0.0, 0.85)
    s.limb("stem", (-0.06, 0.95), (-0.24, 1.05), 0.07, 0.04, key="root_left")
    s.point("root_left", -0.24, 1.05)
    s.limb("stem", (0.06, 0.95), (0.24, 1.05), 0.07, 0.04, key="root_right")
    s.point("root_right", 0.24, 1.05)
    s.limb("stem", fork, (lean + 0.28, -0.1), 0.07, 0.05, key="branch_right")
    s.limb("stem", fork, (lean - 0.26, -0.08), 0.07, 0.05, key="branch_left")
    with s.at(lean, -0.3, 22 * lean, build["crown"]):
        s.layer("shade", blend=0.05)
        for side, sign in (("left", -1), ("right", 1)):
            s.ellipse("crown", 0.36 * sign * wide, 0.3, 0.3 * wide, 0.2, key=f"crown_under_{side}")
        s.layer("main", coat=True, blend=0.06)
        s.coat(0.0, -0.1, 0.75 * wide, 0.5)
        for name, (x, y, rx, ry) in _LOBES.items():
            s.ellipse("crown", x * wide, y, rx * wide, ry, key=f"crown_{name}")
            if name in ("top", "left", "right"):
                s.point(f"crown_{name}", 1.25 * x * wide, 1.4 * y)
        s.layer("accent")
        for number, (x, y) in enumerate(((-0.56, 0.1), (-0.3, -0.32), (0.02, 0.06), (0.24, -0.42), (0.56, 0.04))):
            s.ellipse("fruit", x * wide, y, 0.085 * build["fruit"], 0.085 * build["fruit"], key=f"fruit.{number}")


_LOBES = {  # of a crown one unit wide to either side: x, y, half width, half height
    "middle": (0.0, -0.02, 0.62, 0.42),
    "upper_left": (-0.42, -0.3, 0.34, 0.3),
    "upper_right": (0.44, -0.3, 0.34, 0.29),
    "top": (0.02, -0.5, 0.38, 0.3),
    "left": (-0.64, 0.06, 0.34, 0.28),
    "right": (0.66, 0.04, 0.34, 0.28),
}


@category(
    "object",
    size=200,
    poses=("whole", "bitten"),
    proportions=("width", "stem", "leaf", "base"),
    colours=(("red", 6), ("green", 3), ("yellow", 2)),
    tilts=True,
)
def apple(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """Broad shoulders with a dimple, a stem and one leaf; bitten, its flesh shows on the right."""
    wide, base = 0.98 * build["width"], build["base"]

    def grown(corners: list[Point]) -> list[Point]:
        return [(wide * x * (1 + (base - 1) * max(y, 0.0)), y) for x, y in corners]

    right = [polar(radius, angle) for angle, radius in _APPLE_SIDE]
    left = [(-x, y) for x, y in reversed(right[1:-1])]
    if pose == "bitten":
        right[3:8] = arc(0.79, -0.39, 0.51, 0.51, 202, 100, 7)
    s.layer("cream")
    s.polygon("body", grown([(0.2, -0.1), *arc(0.86, -0.44, 0.31, 0.31, 184, 110, 6)]), 0.03, key="flesh")
    s.layer("main", coat=True)
    s.coat(0.0, 0.1, 0.75 * wide, 0.5)
    s.polygon("body", grown([*right, *left]), 0.15)
    s.point("body_left", -0.8 * wide, 0.0)
    s.point("body_right", 0.4 * wide, 0.5)
    s.point("base", 0.0, 0.75)
    s.layer("dark", outline=False)
    s.ellipse("body", 0.0, -0.46, 0.2, 0.07, key="dimple")
    s.point("dimple", 0.0, -0.46)
    s.layer("wood")
    tip = (0.12 + 0.03 * sway, -0.5 - 0.42 * build["stem"])
    s.curve("stem", (0.0, -0.45), (0.0, -0.75), tip, 0.045, 0.06, pieces=3)
    s.point("stem_tip", *tip)
    s.grip(*tip)
    s.layer("leaf")
    with s.at(0.06, -0.66, -22 + 12 * sway):
        length = 0.46 * build["leaf"]
        s.polygon(
            "leaf",
            [(0.0, 0.0), (0.3 * length, -0.14), (0.7 * length, -0.13), (length, 0.0), (0.5 * length, 0.1)],
            0.025,
        )
        s.point("leaf_tip", 0.9 * length, 0.0)
    s.layer("gleam", outline=False)
    s.ellipse("body", -0.52 * wide, -0.3, 0.09, 0.16, 35, key="gleam")


_APPLE_SIDE = (  # from the dimple down the right side to the base: angle, radius
    (0, 0.34), (10, 0.42), (20, 0.555), (32, 0.67), (45, 0.72), (58, 0.73), (72, 0.725), (86, 0.715), (100, 0.71),
    (114, 0.71), (128, 0.715), (142, 0.735), (154, 0.755), (164, 0.755), (173, 0.72), (180, 0.68),
)  # fmt: skip
