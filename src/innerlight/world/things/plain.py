"""Plain shapes."""

from __future__ import annotations

from innerlight.world.sketch import Sketch
from innerlight.world.things._outlines import arc, polar
from innerlight.world.things._registry import Build, category


@category(
    "shape",
    size=350,
    poses=("frontal", "turned"),
    proportions=("width", "height", "depth"),
    tilts=True,
)
def cube(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A block with rounded edges: its face in the colour, its top paler, its side darker."""
    wide, high = 0.62 * build["width"] ** 0.5, 1.2 * build["height"] ** 0.5
    depth = build["depth"] * (1 + 0.1 * sway)
    # From the near upper corner: to the left along the face, to the right along the side.
    (left, up), (right, back) = ((-0.98, -0.24), (0.84, -0.3)) if pose == "turned" else ((-1.24, 0.0), (0.42, -0.36))
    left, right, back = left * wide / 0.62, right * depth, back * depth
    near, top = -(left + right) / 2, -0.45 - back / 4
    a, b, c = (near, top), (near + left, top + up), (near + right, top + back)
    d = (near + left + right, top + up + back)
    s.layer("light")
    s.polygon("top", [a, b, d, c], 0.03, key="face_top")
    s.point("corner_back", d[0], d[1])
    s.support((b[0] + d[0]) / 2 + 0.1, (a[0] + c[0]) / 2 - 0.1, (a[1] + d[1]) / 2)
    s.layer("shade")
    s.polygon("side", [a, c, (c[0], c[1] + high), (a[0], a[1] + high)], 0.03, key="face_side")
    s.point("corner_right_upper", *c)
    s.point("corner_right_lower", c[0], c[1] + high)
    s.layer("main", coat=True)
    s.coat((a[0] + b[0]) / 2, (a[1] + b[1] + high) / 2, -left / 2, high / 2)
    s.polygon("face", [b, a, (a[0], a[1] + high), (b[0], b[1] + high)], 0.03, key="face_front")
    s.point("corner_left_upper", *b)
    s.point("corner_left_lower", b[0], b[1] + high)
    s.point("corner_near_upper", *a)
    s.point("corner_near_lower", a[0], a[1] + high)


@category(
    "shape",
    size=300,
    poses=("round", "squashed"),
    proportions=("width", "band", "cap"),
    tilts=True,
)
def ball(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A toy ball with a curved band and a cap; squashed, it is about to bounce."""
    wide, high = (0.98, 0.66) if pose == "squashed" else (0.85, 0.85)
    wide *= build["width"] ** 0.5
    with s.at(0.0, 0.0, -16 + 10 * sway if pose == "round" else 4 * sway):
        s.layer("main", coat=True)
        s.coat(0.0, -0.28 * high, 0.85 * wide, 0.5)
        s.ellipse("body", 0.0, 0.0, wide, high)
        s.point("side_left", -0.85 * wide, 0.0)
        s.grip(-0.9 * wide, 0.0)
        s.point("side_right", 0.85 * wide, 0.0)
        s.point("base", 0.0, 0.85 * high)
        low, thick = 0.35 * high, 0.12 * build["band"]
        lower = arc(0.0, 0.0, 0.99 * wide, low + thick, 0, 180, 8)
        upper = arc(0.0, 0.0, 0.99 * wide, low - thick, 180, 0, 8)
        s.layer("accent")
        s.polygon("rim", [*lower, *upper[1:-1]], key="band")
        s.point("band", 0.0, low)
        s.layer("accent")
        s.ellipse("top", 0.0, -0.82 * high, 0.3 * build["cap"], 0.13 * high, key="cap")
        s.point("top", 0.0, -0.82 * high)
    s.layer("gleam", outline=False)
    s.ellipse("body", -0.4 * wide, -0.5 * high, 0.15, 0.09, -35, key="gleam")


@category(
    "shape",
    size=300,
    poses=("standing", "dancing"),
    proportions=("arm", "leg", "head", "face"),
    colours=(("yellow", 5), ("orange", 1)),
    tilts=True,
)
def star(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """Five rounded points and a smile; dancing, it throws up its arms and kicks a leg."""
    angles = {"top": 0, "right": 72, "left": -72, "foot_right": 144, "foot_left": -144}
    if pose == "dancing":
        angles = {"top": 8, "right": 50, "left": -62, "foot_right": 122, "foot_left": -160}
    reach = {"top": build["head"], "right": build["arm"], "left": build["arm"]}
    s.layer("main", coat=True, blend=0.12)
    s.coat(0.0, 0.0, 0.62, 0.6)
    s.ellipse("body", 0.0, 0.0, 0.42, 0.42)
    for name, angle in angles.items():
        tip = polar(0.9 * reach.get(name, build["leg"]), angle + 5 * sway * (1 if "right" in name else -1))
        s.limb("point", (0.0, 0.0), tip, 0.4, 0.07, key=f"point_{name}")
        s.point(f"point_{name}", *tip)
        if name == "left":
            s.grip(*tip)
    size = build["face"]
    s.layer("light")
    s.ellipse("face", 0.0, 0.02, 0.38 * size, 0.3 * size)
    s.layer("ink", outline=False)
    for side, sign in (("left", -1), ("right", 1)):
        s.ellipse("eye", 0.15 * sign * size, -0.06, 0.055 * size, 0.08 * size, key=f"eye_{side}")
        s.point(f"eye_{side}", 0.15 * sign * size, -0.06)
    s.curve("mouth", (-0.12 * size, 0.12), (0.0, 0.12 + 0.16 * size), (0.12 * size, 0.12), 0.026, key="mouth")
    s.layer("blush", outline=False)
    for side, sign in (("left", -1), ("right", 1)):
        s.ellipse("face", 0.28 * sign * size, 0.1, 0.07, 0.045, key=f"cheek_{side}")
