"""What stands about in a room."""

from __future__ import annotations

from innerlight.world.shapes import Point
from innerlight.world.sketch import Sketch
from innerlight.world.things._outlines import arc, polar
from innerlight.world.things._registry import Build, category

_SIDES = (("left", -1), ("right", 1))


@category(
    "object",
    size=550,
    poses=("upright", "frontal"),
    proportions=("back", "seat", "leg", "width"),
    colours=(("brown", 3), ("red", 3), ("white", 2), ("yellow", 1), ("green", 1), ("blue", 1)),
    tilts=True,
)
def chair(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A wooden chair with a broad back rest, seen from the corner or from the front."""
    wide, deep = 0.5 * build["width"], 0.55 * build["seat"]
    high, leg, lean = 1.05 * build["back"], 0.72 * build["leg"], 0.05 + 0.03 * sway
    # The corners of the seat; its back edge is the left one of the corner view, the far one of the frontal view.
    if pose == "frontal":
        back_left, back_right = (-0.85 * wide, -0.08), (0.85 * wide, -0.08)
        front_left, front_right = (-1.1 * wide, 0.5 * deep - 0.08), (1.1 * wide, 0.5 * deep - 0.08)
        lean = 0.0
    else:
        back_left, back_right = (-wide - 0.02, 0.12), (0.05, -0.14)
        front_left, front_right = (deep - wide, 0.12 + 0.4 * deep), (0.05 + deep, 0.4 * deep - 0.14)
    _chair_legs(s, "shade", {"back_left": back_left, "back_right": back_right}, leg)
    _chair_back(s, back_left, back_right, high, lean)
    _chair_legs(s, "main", {"front_left": front_left, "front_right": front_right}, leg)
    s.layer("main", coat=True)
    s.polygon("seat", [back_left, back_right, front_right, front_left], 0.05)
    middle = [sum(xs) / 4 for xs in zip(back_left, back_right, front_right, front_left, strict=True)]
    s.point("seat", *middle)
    s.support(middle[0] - 0.3, middle[0] + 0.3, middle[1] + 0.03)


def _chair_legs(s: Sketch, paint: str, feet: dict[str, Point], length: float) -> None:
    s.layer(paint)
    for name, (x, y) in feet.items():
        s.limb("leg", (x, y), (x, y + length), 0.075, 0.055, key=f"leg_{name}")
        s.point(f"foot_{name}", x, y + length)


def _chair_back(s: Sketch, left: Point, right: Point, height: float, lean: float) -> None:
    """Two posts that lean back a little and a panel between them."""
    (x0, y0), (x1, y1) = left, right
    top_left, top_right = (x0 - lean, y0 - height), (x1 - lean, y1 - height)
    s.layer("main")
    s.limb("back", left, top_left, 0.06, key="post_left")
    s.limb("back", right, top_right, 0.06, key="post_right")
    s.layer("main", coat=True)
    drop = 0.62 * height
    s.coat((x0 + x1) / 2 - lean, (y0 + y1) / 2 - 0.7 * height, (x1 - x0) / 2, 0.3 * height)
    s.polygon(
        "back",
        [top_left, top_right, (x1 - 0.4 * lean, y1 - height + drop), (x0 - 0.4 * lean, y0 - height + drop)],
        0.07,
    )
    s.point("back_left", *top_left)
    s.point("back_right", *top_right)


@category(
    "object",
    size=600,
    poses=("bare", "laid"),
    proportions=("width", "top", "leg", "apron"),
    colours=(("brown", 4), ("white", 3), ("red", 1), ("blue", 1), ("green", 1)),
)
def table(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A broad table seen a little from above, bare or under a cloth with a scalloped hem."""
    wide, deep, foot = 0.95 * build["width"], 0.4 * build["top"], 0.78 * build["leg"]
    far = wide - 0.22
    s.layer("shade")
    for side, sign in _SIDES:
        x = sign * (far - 0.06)
        s.limb("leg", (x, -deep + 0.1), (x, foot - 0.75 * deep), 0.065, 0.05, key=f"leg_back_{side}")
        s.point(f"foot_back_{side}", x, foot - 0.75 * deep)
    s.layer("main")
    for side, sign in _SIDES:
        x = sign * (wide - 0.1)
        s.limb("leg", (x, 0.05), (x, foot), 0.085, 0.06, key=f"leg_front_{side}")
        s.point(f"foot_front_{side}", x, foot)
    laid = pose == "laid"
    s.layer("main", coat=True)
    if laid:
        hem = _scalloped_hem(wide, 0.38 * build["apron"], 0.03 * sway)
        s.polygon("side", [(-wide, 0.0), (wide, 0.0), *hem], 0.04, key="apron")
    else:
        s.box("side", 0.0, 0.1, wide - 0.1, 0.1 * build["apron"], key="apron")
    s.layer("main", coat=True)
    s.coat(0.0, 0.1 if laid else -deep / 2, 0.8 * wide, 0.4 if laid else 0.45 * deep)
    s.polygon("top", [(-far, -deep), (far, -deep), (wide, 0.0), (-wide, 0.0)], 0.045)
    for side, sign in _SIDES:
        s.point(f"corner_front_{side}", sign * wide, 0.0)
        s.point(f"corner_back_{side}", sign * far, -deep)
    s.support(-0.6 * wide, 0.6 * wide, -0.45 * deep)


def _scalloped_hem(half: float, drop: float, swing: float) -> list[Point]:
    """Corners from right to left along the lower edge of a hanging cloth."""
    scallops = [arc(half * x, drop, 0.25 * half, 0.1, 0, 180, 4)[1:] for x in (0.75, 0.25, -0.25, -0.75)]
    return [(half + swing, drop)] + [(x + swing, y) for scallop in scallops for x, y in scallop]


@category(
    "object",
    size=300,
    poses=("upright", "ringing"),
    proportions=("face", "bell", "foot", "hand"),
    colours=(("red", 3), ("yellow", 3), ("blue", 2), ("green", 1), ("pink", 1)),
    tilts=True,
)
def clock(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """An alarm clock with two bells; ringing, it hops and the bells fly up."""
    ringing = pose == "ringing"
    case, face = 0.72, 0.47 * build["face"] ** 0.5
    with s.at(0.0, 0.1, 9 + 4 * sway if ringing else 0):
        _bells(s, 0.3 * build["bell"], lift=0.1 if ringing else 0.0)
        s.layer("shade")
        for side, sign in _SIDES:
            tip = polar(case + 0.22 * build["foot"], 180 - 36 * sign)
            s.limb("leg", polar(case - 0.1, 180 - 36 * sign), tip, 0.11, 0.075, key=f"foot_{side}")
            s.point(f"foot_{side}", *tip)
        s.layer("main", coat=True)
        s.coat(0.0, 0.36, 1.2, 0.4)
        s.ellipse("body", 0.0, 0.0, case, case)
        s.layer("light")
        s.ellipse("face", 0.0, 0.0, face, face)
        for hour in (12, 3, 6, 9):
            s.point(f"hour_{hour}", *polar(0.88 * face, 30 * hour))
        s.layer("ink", outline=False)
        for hour in range(1, 13):
            outer = 0.88 * face
            inner, girth = (0.72 * face, 0.022) if hour % 3 == 0 else (0.8 * face, 0.014)
            s.limb("face", polar(inner, 30 * hour), polar(outer, 30 * hour), girth, key=f"tick.{hour}")
        hour, minute = (210, 0) if ringing else (302, 62)
        long, short = 0.66 * face * build["hand"], 0.44 * face * build["hand"]
        s.limb("hand", (0.0, 0.0), polar(short, hour + 25 * sway), 0.036, 0.026, key="hand_hour")
        s.point("hand_hour", *polar(short, hour + 25 * sway))
        s.limb("hand", (0.0, 0.0), polar(long, minute + 40 * sway), 0.03, 0.018, key="hand_minute")
        s.point("hand_minute", *polar(long, minute + 40 * sway))
        s.ellipse("hand", 0.0, 0.0, 0.05, 0.05, key="pin")


def _bells(s: Sketch, size: float, lift: float) -> None:
    """Two domes, a hammer between them, a handle over all."""
    s.layer("ink", outline=False)
    s.limb("bell", (0.0, -0.7), (0.6 * lift, -0.92), 0.035, key="hammer")
    s.layer("accent")
    s.ellipse("handle", 0.0, -0.8 - lift, 0.32, 0.34, clip=(0.0, 1.0, 0.0), hollow=0.05)
    s.grip(0.0, -1.14 - lift)
    for side, sign in _SIDES:
        with s.at(*polar(0.78 + lift, 38 * sign), (38 + 60 * lift) * sign):
            s.layer("dark")
            s.limb("bell", (0.0, 0.12), (0.0, -0.05), 0.04, key=f"stem_{side}")
            s.layer("main", coat=True)
            s.ellipse("bell", 0.0, 0.0, 1.05 * size, size, key=f"bell_{side}", clip=(0.0, 1.0, 0.1))
            s.point(f"bell_{side}", 0.0, -0.5 * size)
