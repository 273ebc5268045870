"""Animals with wings, fins and long jumps."""

from __future__ import annotations

import math

from innerlight.world.shapes import Point, similarity
from innerlight.world.sketch import Sketch
from innerlight.world.things._anatomy import eyes
from innerlight.world.things._registry import EVERYWHERE, Build, category

_BIRD_TURNS = {"standing": 0.0, "flying": -6.0, "pecking": 44.0}


@category(
    "animal", size=250, poses=("standing", "flying", "pecking"),
    proportions=("head", "wing", "tail", "beak"),
    colours=(("red", 3), ("blue", 3), ("yellow", 3), ("brown", 2), ("black", 1), ("white", 1)),
)  # fmt: skip
def bird(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A round songbird: a beak, a pale breast, a wing at its side, thin legs."""
    flies = pose == "flying"
    s.layer("beak")
    for side, x in (("far", 0.12), ("near", -0.06)):
        foot_x, foot_y = (x - 0.3, 0.34) if flies else (x + 0.02, 0.64)
        s.limb("leg", (x, 0.26), (foot_x, foot_y), 0.03, key=f"leg_back_{side}.0")
        s.limb("leg", (foot_x - 0.06, foot_y), (foot_x + 0.12, foot_y), 0.03, key=f"leg_back_{side}.1")
        s.point(f"paw_back_{side}", foot_x + 0.06, foot_y)
    with s.at(0.0, 0.0, _BIRD_TURNS[pose] + 4 * sway):
        _bird_wing(s, "far", flies, build["wing"], sway)
        s.layer("dark", blend=0.03)
        with s.at(-0.34, 0.02, 8 * sway, build["tail"]):
            s.limb("tail", (0.0, 0.04), (-0.36, 0.1), 0.1, 0.07, key="tail.1")
            s.limb("tail", (0.0, 0.0), (-0.42, -0.02), 0.1, 0.07, key="tail.0")
            s.point("tail_tip", -0.42, -0.02)
        s.layer("beak")
        with s.at(0.28, -0.28, 0.0, build["head"]):
            s.polygon("beak", [(0.2, -0.02), (0.22 + 0.22 * build["beak"], 0.06), (0.18, 0.12)], 0.02)
            s.point("nose", 0.32, 0.055)
            s.hand(0.2 + 0.22 * build["beak"], 0.06)
        s.layer("main", coat=True, blend=0.12)
        s.coat(-0.04, 0.04, 0.42, 0.34)
        s.ellipse("body", 0.0, 0.03, 0.45, 0.36, -14)
        s.point("back", -0.26, 0.0 if flies else -0.14)
        with s.at(0.28, -0.28, 0.0, build["head"]):
            s.ellipse("head", 0.0, 0.0, 0.27, 0.26)
        s.layer("light", coat=True, outline=False)
        s.ellipse("body", 0.2, 0.15, 0.22, 0.18, -42, key="breast")
        with s.at(0.28, -0.28, 0.0, build["head"]):
            s.layer("main", outline=False)
            s.ellipse("head", 0.02, 0.01, 0.225, 0.22, key="face")
            s.point("head", -0.1, -0.08)
            s.layer("blush", outline=False)
            s.ellipse("head", 0.07, 0.12, 0.06, 0.045, key="cheek")
            eyes(s, 0.08, near=(0.1, -0.03))
        _bird_wing(s, "near", flies, build["wing"], sway)


def _bird_wing(s: Sketch, side: str, flies: bool, length: float, sway: float) -> None:
    """A wing of three feathers, folded along the back or raised."""
    near = side == "near"
    if flies:
        x, y, turn, size = (-0.02, -0.1, 46 + 12 * sway, 1.45) if near else (0.08, -0.2, 92 + 12 * sway, 1.3)
    else:
        x, y, turn, size = (0.06, 0.0, -8 + 3 * sway, 1.0) if near else (0.08, -0.1, 2, 0.9)
    s.layer("main" if near else "shade", coat=near, blend=0.04)
    with s.at(x, y, turn, size * length):
        s.limb("wing", (0.0, 0.0), (-0.5, 0.0), 0.15, 0.07, key=f"wing_{side}.0")
        s.point(f"wing_{side}", -0.48, 0.0)
        s.limb("wing", (0.0, 0.04), (-0.43, 0.13), 0.14, 0.07, key=f"wing_{side}.1")
        s.limb("wing", (0.0, 0.08), (-0.3, 0.22), 0.12, 0.07, key=f"wing_{side}.2")


# How a fish points, and how far its tail bends.
_FISH_TURNS = {"swimming": (0.0, 0.0), "jumping": (-38.0, -26.0), "diving": (34.0, 22.0)}


@category(
    "animal", size=250, poses=("swimming", "jumping", "diving"),
    proportions=("head", "fin", "tail", "body"),
    colours=(("orange", 4), ("blue", 3), ("yellow", 2), ("red", 2), ("gray", 2)),
    floats=("water", "sky"), tilts=True,
)  # fmt: skip
def fish(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A side view: a fan of a tail, fins, a round eye, a small smile."""
    turn, bend = _FISH_TURNS[pose]
    deep = 0.36 * build["body"]
    with s.at(0.0, 0.0, turn):
        s.layer("accent")
        with s.at(-0.02, 0.05 - deep, 0.0, build["fin"]):
            s.polygon("fin", [(-0.3, 0.1), (-0.26, -0.12), (0.1, -0.08), (0.22, 0.08)], 0.07, key="fin_back")
            s.point("fin_back", -0.2, -0.1)
        with s.at(-0.06, deep - 0.06, 0.0, build["fin"]):
            s.polygon("fin", [(-0.1, 0.0), (-0.16, 0.14), (0.06, 0.03)], 0.05, key="fin_belly")
            s.point("fin_belly", -0.14, 0.13)
        s.layer("main", coat=True, blend=0.1)
        s.coat(-0.06, 0.0, 0.44, 0.3)
        s.ellipse("body", -0.03, 0.0, 0.5, deep)
        s.point("back", -0.1, -0.6 * deep)
        s.ellipse("head", 0.24, 0.01, 0.28 * build["head"], 0.27 * build["head"])
        with s.at(-0.42, 0.0, bend + 12 * sway, build["tail"]):
            fan = [(0.06, -0.06), (-0.34, -0.27), (-0.26, 0.0), (-0.34, 0.27), (0.06, 0.06)]
            s.polygon("tail", fan, 0.06, key="tail.0")
            s.point("tail_tip", -0.33, -0.25)
        with s.at(0.24, 0.01, 0.0, build["head"]):
            s.layer("main", outline=False)
            s.ellipse("head", 0.01, 0.0, 0.245, 0.235, key="face")
            s.point("nose", 0.2, 0.01)
            s.layer("shade", outline=False)
            s.ellipse("head", -0.02, 0.0, 0.24, 0.25, key="gill", hollow=0.014, clip=(1.0, 0.0, -0.35))
            s.layer("light", outline=False)
            s.ellipse("muzzle", 0.155, 0.1, 0.08, 0.07, -40)
            eyes(s, 0.095, near=(0.08, -0.06))
            s.layer("ink", outline=False)
            s.curve("mouth", (0.24, 0.08), (0.2, 0.15), (0.11, 0.13), 0.013, pieces=3)
            s.hand(0.25, 0.09)
        s.layer("accent")
        with s.at(-0.08, 0.1, 14 * sway + bend, build["fin"]):
            s.limb("fin", (0.06, 0.0), (-0.18, 0.05), 0.035, 0.085, key="fin_near")
            s.point("fin_near", -0.18, 0.05)


# Where each leg of a frog goes: joint, knee, foot.
_FROG_LEGS: dict[str, dict[str, tuple[Point, Point, Point]]] = {
    "sitting": {
        "back_far": ((0.26, 0.42), (0.56, 0.3), (0.5, 0.66)),
        "front_far": ((0.2, 0.22), (0.27, 0.44), (0.24, 0.68)),
        "back_near": ((-0.24, 0.42), (-0.54, 0.3), (-0.5, 0.66)),
        "front_near": ((-0.16, 0.22), (-0.22, 0.44), (-0.18, 0.68)),
    },
    "jumping": {
        "back_far": ((-0.24, 0.3), (-0.4, 0.62), (-0.78, 0.72)),
        "front_far": ((0.32, 0.02), (0.56, 0.16), (0.74, 0.06)),
        "back_near": ((-0.34, 0.22), (-0.64, 0.36), (-0.94, 0.6)),
        "front_near": ((0.16, 0.1), (0.3, 0.34), (0.5, 0.36)),
    },
}
_FROG_LEGS["waving"] = _FROG_LEGS["sitting"] | {"front_near": ((-0.26, 0.2), (-0.56, 0.12), (-0.66, -0.2))}


@category(
    "animal", size=200, poses=("sitting", "jumping", "waving"),
    proportions=("head", "eye", "leg", "mouth"),
    colours=(("green", 8), ("brown", 1), ("yellow", 1), ("blue", 1)),
)  # fmt: skip
def frog(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """Big eyes on top of a wide smiling head, folded legs, long toes."""
    jumps = pose == "jumping"
    behind = ("back_far", "front_far") if jumps else ("back_far", "back_near")
    for name in behind:
        _frog_leg(s, name, pose, build["leg"], sway)
    s.layer("main", coat=True)
    with s.at(0.0, 0.2, -30.0 if jumps else 0.0):
        s.coat(0.0, 0.0, 0.42, 0.36)
        rx, ry = (0.52, 0.28) if jumps else (0.36, 0.4)
        s.ellipse("body", 0.0, 0.08, rx, ry)
        s.point("back", -0.6 * rx, -0.1)
        s.layer("light", coat=True, outline=False)
        s.ellipse("body", 0.02, 0.18, 0.7 * rx, 0.6 * ry, key="belly")
    for name in ("back_near", "front_near") if jumps else ("front_far", "front_near"):
        _frog_leg(s, name, pose, build["leg"], sway)
    s.hand(*_FROG_LEGS[pose]["front_near"][2])
    with s.at(0.36 if jumps else 0.02, -0.16, (-12.0 if jumps else 0.0) + 5 * sway, build["head"]):
        high, wide = -0.2 - 0.04 * build["eye"], 0.26 * build["mouth"]
        s.layer("main", blend=0.05)
        s.ellipse("head", 0.0, 0.0, 0.46, 0.27)
        s.point("nose", 0.03, -0.02)
        s.ellipse("head", -0.23, high, 0.15 * build["eye"], 0.15 * build["eye"], key="eyelid_near")
        s.ellipse("head", 0.25, high, 0.15 * build["eye"], 0.15 * build["eye"], key="eyelid_far")
        eyes(s, 0.11 * build["eye"], near=(-0.22, high - 0.01), far=(0.26, high - 0.01))
        s.layer("light", outline=False)
        s.ellipse("muzzle", 0.03, 0.12, 0.3, 0.11)
        s.layer("blush", outline=False)
        s.ellipse("head", -0.32, 0.06, 0.07, 0.05, key="cheek_near")
        s.ellipse("head", 0.37, 0.06, 0.06, 0.05, key="cheek_far")
        s.layer("ink", outline=False)
        s.curve("mouth", (0.03 - wide, 0.04), (0.03, 0.24), (0.03 + wide, 0.04), 0.016)
        s.ellipse("nose", -0.02, -0.05, 0.014, 0.014, key="nostril_near")
        s.ellipse("nose", 0.08, -0.05, 0.014, 0.014, key="nostril_far")


def _frog_leg(s: Sketch, name: str, pose: str, girth: float, sway: float) -> None:
    """A leg of two parts with a webbed foot, in a layer of its own."""
    joint, knee, (foot_x, foot_y) = _FROG_LEGS[pose][name]
    lifted = foot_y < 0.65
    foot = foot_x + 0.06 * sway * lifted, foot_y
    far = pose == "jumping" and name.endswith("far")
    thigh, shin = (0.15, 0.09) if name.startswith("back") else (0.09, 0.065)
    s.layer("shade" if far else "main", coat=not far, blend=0.04)
    s.limb("leg", joint, knee, thigh * girth, shin * girth, key=f"leg_{name}.0")
    s.limb("leg", knee, foot, shin * girth, 0.055 * girth, key=f"leg_{name}.1")
    hangs = math.degrees(math.atan2(knee[0] - foot[0], foot[1] - knee[1])) if lifted else 0.0
    with s.at(*foot, hangs, girth):
        web = [(-0.05, -0.05), (0.05, -0.05), (0.15, 0.03), (0.05, 0.01), (0.0, 0.05), (-0.05, 0.01), (-0.15, 0.03)]
        s.polygon("leg", web, 0.03, key=f"leg_{name}.2")
        s.point(f"paw_{name}", 0.0, -0.01)


@category(
    "animal", size=200, poses=("open", "resting"),
    proportions=("wing", "body", "antenna", "head"),
    colours=(("orange", 3), ("blue", 3), ("yellow", 2), ("purple", 1), ("pink", 1), ("white", 1)),
    floats=EVERYWHERE, tilts=True,
)  # fmt: skip
def butterfly(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """Four patterned wings with dark rims, a slim body, two curled antennae."""
    opened = pose == "open"
    with s.at(0.0, 0.0, (18.0 if opened else 58.0) + 4 * sway):
        if opened:
            _wings(s, "far", 6 * sway, build["wing"], mirror=True)
            _wings(s, "near", 6 * sway, build["wing"], mirror=False)
        else:
            _wings(s, "far", -24 + 8 * sway, build["wing"], mirror=True)
            _wings(s, "near", 6 - 4 * sway, build["wing"], mirror=True)
        s.layer("ink")
        s.limb("body", (0.0, -0.16), (0.0, 0.36 * build["body"]), 0.07, 0.045)
        s.point("back", 0.0, 0.0)
        s.ellipse("head", 0.0, -0.25, 0.09 * build["head"], 0.09 * build["head"])
        s.point("head", 0.0, -0.25)
        reach = -0.3 - 0.26 * build["antenna"]
        s.layer("ink", outline=False)
        s.curve("antenna", (0.03, -0.3), (0.08, reach), (0.22, reach), 0.016, pieces=3, key="antenna_near")
        s.curve("antenna", (-0.03, -0.3), (-0.08, reach), (-0.22, reach), 0.016, pieces=3, key="antenna_far")
        s.ellipse("antenna", 0.22, reach, 0.035, 0.035, key="antenna_near.tip")
        s.point("antenna_near", 0.22, reach)
        s.ellipse("antenna", -0.22, reach, 0.035, 0.035, key="antenna_far.tip")
        s.point("antenna_far", -0.22, reach)
        s.hand(0.0, 0.34)


def _wings(s: Sketch, side: str, turn: float, size: float, *, mirror: bool) -> None:
    """The fore and hind wing of one side."""
    with s.at(0.0, 0.0, -turn if mirror else turn, mirror=mirror):
        if side == "near":
            s.coat(0.44, -0.06, 0.34, 0.4)
        for name, x, y, rx, ry, lean in (("back", 0.34, 0.3, 0.32, 0.26, 40), ("front", 0.46, -0.24, 0.46, 0.3, -36)):
            x, y, rx, ry = x * size, y * size, rx * size, ry * size
            tip = similarity(x, y, turn=lean).point(0.88 * rx, 0.0)
            s.layer("dark")
            s.ellipse("wing", x, y, rx, ry, lean, key=f"wing_{name}_{side}.rim")
            s.layer("main", coat=True, outline=False)
            s.ellipse("wing", 0.93 * x, 0.93 * y, 0.86 * rx, 0.84 * ry, lean, key=f"wing_{name}_{side}")
            s.point(f"wing_{name}_{side}", x, y)
            s.layer("cream", outline=False)
            s.ellipse("wing", *tip, 0.035, 0.035, key=f"wing_{name}_{side}.spot")
