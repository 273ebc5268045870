"""Animals on four legs: one body, six characters. Their shapes share keys, so that a dog's ear matches a cat's."""

from __future__ import annotations

from dataclasses import replace

from innerlight.world.sketch import Sketch
from innerlight.world.things._anatomy import STANCES, Form, Rig, Stance, Step, eyes
from innerlight.world.things._registry import Build, category


def _long_face(s: Sketch, *, muzzle: str, line: str) -> None:
    """A face in profile, from the skull (in the layer begun) to a small smile."""
    s.ellipse("head", 0.0, 0.0, 0.16, 0.145)
    s.limb("head", (0.06, 0.0), (0.34, 0.02), 0.12, 0.09, key="snout")
    s.layer(muzzle, outline=False)
    s.ellipse("muzzle", 0.355, 0.02, 0.09, 0.09)
    s.point("nose", 0.38, 0.025)
    s.layer(line, outline=False)
    s.ellipse("nose", 0.39, -0.02, 0.018, 0.022, key="nostril")
    s.curve("mouth", (0.42, 0.065), (0.36, 0.1), (0.28, 0.06), 0.009, pieces=2)
    eyes(s, 0.056, near=(0.08, -0.035))
    s.hand(0.4, 0.08)


def _tufted_tail(s: Sketch, rig: Rig, tuft: str) -> None:
    """A thin tail that hangs down, a tuft at its end."""
    s.layer("main")
    with s.at(*rig.tail):
        s.curve("tail", (0.06, 0.0), (-0.1, 0.0), (-0.12, 0.3), 0.034, 0.028)
        s.layer(tuft)
        s.ellipse("tail", -0.12, 0.35, 0.046, 0.09, key="tuft")
        s.point("tail_tip", -0.12, 0.37)


_CAT = Form(
    hip=(-0.27, 0.0), shoulder=(0.25, 0.0), rump=(0.2, 0.2), chest=(0.18, 0.18), barrel=0.16,
    leg=0.5, back_leg=(0.14, 0.075, 0.055), front_leg=(0.1, 0.065, 0.055), foot=(0.085, 0.055),
    neck_base=(0.28, -0.06), neck=0.36, neck_turn=-62, neck_girth=(0.15, 0.15), tail=(-0.4, -0.06),
)  # fmt: skip


@category(
    "animal", size=400, poses=("standing", "walking", "sitting", "jumping"),
    proportions=("head", "ear", "leg", "tail"),
    colours=(("orange", 4), ("gray", 3), ("black", 3), ("white", 2), ("brown", 2)),
)  # fmt: skip
def cat(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A round face turned to us, pointed ears with pink inside, whiskers, a long curling tail."""
    rig = Rig(_CAT, STANCES[pose], build, sway)
    rig.far_legs(s)
    s.layer("main", coat=True, blend=0.1)
    with s.at(*rig.tail, build["tail"]):
        s.path("tail", [(0.04, 0.04), (-0.22, 0.02), (-0.36, -0.2), (-0.31, -0.46), (-0.48, -0.61)], 0.07, 0.06)
        s.point("tail_tip", -0.48, -0.62)
    rig.body(s)
    with s.at(*rig.head, build["head"]):
        tip = -0.19 - 0.2 * build["ear"]
        s.layer("main", blend=0.04)
        s.limb("ear", (-0.14, -0.09), (-0.25, tip), 0.16, 0.025, key="ear_near")
        s.point("ear_near", -0.25, tip)
        s.limb("ear", (0.16, -0.09), (0.27, tip), 0.16, 0.025, key="ear_far")
        s.point("ear_far", 0.27, tip)
        s.ellipse("head", 0.0, 0.0, 0.3, 0.25)
        s.ellipse("head", 0.01, 0.07, 0.33, 0.18, key="cheeks")
        s.layer("blush", outline=False)
        s.polygon("ear", [(-0.22, -0.17), (-0.235, tip + 0.07), (-0.09, -0.21)], 0.015, key="ear_near.inside")
        s.polygon("ear", [(0.24, -0.17), (0.255, tip + 0.07), (0.11, -0.21)], 0.015, key="ear_far.inside")
        s.layer("light", outline=False)
        s.ellipse("muzzle", 0.04, 0.12, 0.17, 0.085)
        eyes(s, 0.075, near=(-0.11, -0.02), far=(0.17, -0.02))
        s.layer("blush", outline=False)
        s.polygon("nose", [(0.0, 0.06), (0.08, 0.06), (0.04, 0.1)], 0.012)
        s.point("nose", 0.04, 0.075)
        s.layer("ink", outline=False)
        s.curve("mouth", (-0.05, 0.13), (0.04, 0.21), (0.13, 0.13), 0.009, pieces=3)
        s.limb("muzzle", (-0.16, 0.1), (-0.4, 0.06), 0.005, key="whisker_near.0")
        s.limb("muzzle", (-0.15, 0.14), (-0.38, 0.18), 0.005, key="whisker_near.1")
        s.limb("muzzle", (0.24, 0.1), (0.46, 0.06), 0.005, key="whisker_far.0")
        s.limb("muzzle", (0.23, 0.14), (0.44, 0.18), 0.005, key="whisker_far.1")
        s.hand(0.04, 0.16)


_DOG = Form(
    hip=(-0.3, 0.0), shoulder=(0.3, 0.0), rump=(0.2, 0.2), chest=(0.22, 0.23), barrel=0.19,
    leg=0.56, back_leg=(0.16, 0.08, 0.06), front_leg=(0.12, 0.075, 0.065), foot=(0.095, 0.055),
    neck_base=(0.36, -0.08), neck=0.42, neck_turn=-58, neck_girth=(0.17, 0.14), tail=(-0.44, -0.1),
)  # fmt: skip


@category(
    "animal", size=500, poses=("standing", "walking", "sitting", "jumping"),
    proportions=("head", "ear", "leg", "tail", "neck"),
    colours=(("brown", 4), ("white", 3), ("black", 3), ("gray", 1), ("orange", 2), ("yellow", 1)),
)  # fmt: skip
def dog(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A snout with a big nose, floppy ears, a lifted tail, a collar."""
    rig = Rig(_DOG, STANCES[pose], build, sway)
    rig.far_legs(s)
    s.layer("main", coat=True)
    with s.at(*rig.tail, build["tail"]):
        s.curve("tail", (0.05, 0.03), (-0.2, -0.02), (-0.26, -0.32), 0.075, 0.045)
        s.point("tail_tip", -0.255, -0.3)
    rig.body(s)
    rig.support(s)
    s.layer("accent")
    with s.at(*rig.neck_base, rig.neck_turn):
        s.limb("neck", (0.13, -0.14), (0.13, 0.15), 0.045, key="collar")
    with s.at(*rig.head, 1.12 * build["head"]):
        s.layer("dark")
        s.limb("ear", (0.09, -0.18), (0.2, -0.17), 0.05, 0.055, key="ear_far.root")
        s.limb("ear", (0.2, -0.17), (0.23, -0.08), 0.055, 0.06, key="ear_far")
        s.point("ear_far", 0.25, -0.09)
        s.layer("main", blend=0.06)
        s.ellipse("head", 0.0, -0.01, 0.24, 0.24)
        s.limb("head", (0.06, 0.07), (0.28, 0.08), 0.13, 0.105, key="snout")
        s.layer("light", outline=False)
        s.ellipse("muzzle", 0.245, 0.095, 0.135, 0.088)
        eyes(s, 0.055, near=(0.0, -0.05), far=(0.15, -0.06))
        s.layer("nose", outline=False)
        s.ellipse("nose", 0.36, 0.03, 0.065, 0.052)
        s.point("nose", 0.37, 0.03)
        s.layer("ink", outline=False)
        s.curve("mouth", (0.35, 0.12), (0.25, 0.2), (0.13, 0.13), 0.012, pieces=3)
        s.hand(0.27, 0.16)
        s.layer("dark", blend=0.03)
        droop = 0.18 * build["ear"]
        s.limb("ear", (-0.1, -0.17), (-0.2, -0.04), 0.06, 0.085, key="ear_near.root")
        s.limb("ear", (-0.2, -0.04), (-0.19, droop), 0.085, 0.075, key="ear_near")
        s.point("ear_near", -0.19, 0.9 * droop)


_HORSE = Form(
    hip=(-0.32, -0.02), shoulder=(0.3, 0.02), rump=(0.23, 0.23), chest=(0.21, 0.24), barrel=0.21,
    leg=0.74, back_leg=(0.15, 0.07, 0.052), front_leg=(0.12, 0.066, 0.052), foot=(0.068, 0.06), hoof="dark",
    neck_base=(0.34, -0.1), neck=0.58, neck_turn=-58, neck_girth=(0.2, 0.13), tail=(-0.51, -0.12), head_turn=42,
    neck_spot=(0.45, 0.4),
)  # fmt: skip


@category(
    "animal", size=850, poses=("standing", "walking", "jumping", "lying"),
    proportions=("head", "neck", "leg", "tail", "mane"),
    colours=(("brown", 5), ("white", 3), ("black", 3), ("gray", 2), ("orange", 1)),
)  # fmt: skip
def horse(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A long face in profile, a flowing mane and tail."""
    rig = Rig(_HORSE, STANCES[pose], build, sway)
    rig.far_legs(s)
    s.layer("dark", blend=0.08)
    with s.at(*rig.tail, build["tail"]):
        s.curve("tail", (0.04, 0.04), (-0.22, -0.1), (-0.2, 0.26), 0.06, 0.1, pieces=3)
        s.limb("tail", (-0.2, 0.26), (-0.28, 0.54), 0.1, 0.03, key="tail.3")
        s.point("tail_tip", -0.26, 0.48)
    rig.body(s)
    rig.support(s)
    s.layer("dark", blend=0.05)
    with s.at(*rig.neck_base, rig.neck_turn):
        length = 0.26 * build["mane"]
        for lock in range(4):
            root = 0.12 + lock * rig.neck_length / 3.9
            s.limb("mane", (root, -0.14), (root - length, -0.02), 0.085, 0.04, key=f"mane.{lock}")
    with s.at(*rig.head, 1.15 * build["head"]):
        s.layer("main", blend=0.05)
        s.limb("ear", (-0.05, -0.1), (-0.09, -0.27), 0.072, 0.02, key="ear_near")
        s.point("ear_near", -0.085, -0.24)
        _long_face(s, muzzle="light", line="ink")
        s.layer("dark", blend=0.03)
        s.limb("mane", (-0.1, -0.13), (0.1, -0.12), 0.05, 0.02, key="forelock")


_ZEBRA = replace(
    _HORSE, leg=0.64, barrel=0.23, rump=(0.25, 0.25), chest=(0.23, 0.26), neck=0.48, neck_girth=(0.21, 0.14),
    hoof="ink",
)  # fmt: skip

# The stripes of its face, from the rim inwards.
_ZEBRA_FACE = (
    ((0.06, -0.135), (0.13, -0.11)), ((0.2, -0.1), (0.2, -0.01)),
    ((-0.02, 0.14), (-0.01, 0.05)), ((0.09, 0.12), (0.11, 0.05)),
)  # fmt: skip


@category(
    "animal", size=800, poses=("standing", "walking", "jumping", "lying"),
    proportions=("head", "neck", "leg", "ear"),
    colours=(("white", 12), ("yellow", 1), ("pink", 1), ("orange", 1), ("blue", 1)),
    patterns=(("striped", 1),),
)  # fmt: skip
def zebra(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A stocky striped horse with an upright brush of a mane and a tuft on its tail."""
    rig = Rig(_ZEBRA, STANCES[pose], build, sway)
    rig.far_legs(s)
    _tufted_tail(s, rig, "second")
    s.layer("second")
    with s.at(*rig.neck_base, rig.neck_turn):
        length = rig.neck_length
        crest = [(-0.1, -0.2), (-0.06, -0.27), (0.1, -0.31), (length, -0.28)]
        s.polygon("mane", [*crest, (length + 0.14, -0.2), (length + 0.1, 0.0)], 0.03, key="mane.0")
    rig.body(s)
    rig.support(s)
    with s.at(*rig.head, 1.15 * build["head"]):
        s.layer("main", blend=0.05)
        length = 0.16 * build["ear"]
        s.limb("ear", (-0.06, -0.1), (-0.1, -0.08 - length), 0.055, 0.055, key="ear_near")
        s.point("ear_near", -0.1, -0.07 - length)
        _long_face(s, muzzle="second", line="main")
        s.layer("second", outline=False)
        for number, (top, foot) in enumerate(_ZEBRA_FACE):
            s.limb("head", top, foot, 0.019, 0.009, key=f"stripe.{number}")


_GIRAFFE = Form(
    hip=(-0.24, 0.02), shoulder=(0.22, -0.06), rump=(0.18, 0.18), chest=(0.18, 0.22), barrel=0.17,
    leg=0.78, back_leg=(0.12, 0.06, 0.045), front_leg=(0.1, 0.06, 0.045), foot=(0.065, 0.05), hoof="dark",
    neck_base=(0.26, -0.14), neck=0.86, neck_turn=-72, neck_girth=(0.15, 0.08), tail=(-0.45, -0.04), head_turn=24,
    neck_spot=(0.4, 0.0),
)  # fmt: skip


@category(
    "animal", size=1000, poses=("standing", "walking", "lying"),
    proportions=("head", "neck", "leg", "ear"),
    colours=(("yellow", 5), ("orange", 4), ("brown", 1), ("white", 1)),
    patterns=(("patched", 8), ("plain", 1), ("striped", 1), ("dotted", 1), ("checkered", 1)),
)  # fmt: skip
def giraffe(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """A very long neck, two knobbed horns, long legs."""
    rig = Rig(_GIRAFFE, STANCES[pose], build, sway)
    rig.far_legs(s)
    _tufted_tail(s, rig, "dark")
    s.layer("dark")
    with s.at(*rig.neck_base, rig.neck_turn):
        s.limb("mane", (0.1, -0.13), (rig.neck_length, -0.07), 0.03, key="mane.0")
    rig.body(s)
    with s.at(*rig.head, build["head"]):
        s.layer("main")
        s.limb("horn", (0.06, -0.08), (0.07, -0.3), 0.03, key="horn_far")
        s.limb("horn", (-0.04, -0.08), (-0.06, -0.3), 0.03, key="horn_near")
        s.layer("dark")
        s.ellipse("horn", 0.07, -0.31, 0.052, 0.052, key="horn_far.tip")
        s.ellipse("horn", -0.06, -0.31, 0.052, 0.052, key="horn_near.tip")
        s.layer("main", blend=0.05)
        length = 0.16 * build["ear"]
        s.limb("ear", (-0.1, -0.08), (-0.1 - length, -0.12), 0.055, 0.055, key="ear_near")
        s.point("ear_near", -0.09 - length, -0.12)
        _long_face(s, muzzle="light", line="ink")


_ELEPHANT = Form(
    hip=(-0.3, 0.0), shoulder=(0.24, 0.0), rump=(0.32, 0.31), chest=(0.3, 0.31), barrel=0.31,
    leg=0.68, back_leg=(0.18, 0.13, 0.12), front_leg=(0.17, 0.13, 0.12), foot=(0.14, 0.07),
    neck_base=(0.36, -0.1), neck=0.24, neck_turn=-40, neck_girth=(0.25, 0.24), tail=(-0.56, -0.12), slack=1.01,
)  # fmt: skip

_ELEPHANT_STANCES = STANCES | {
    "walking": Stance(
        Step(-0.5, 0, -0.5), Step(0.2, 0.1, -0.5), Step(0.55, 0.2, 0.6), Step(-0.1, 0, 0.3), head=-6, tail=10,
    ),
    "sitting": replace(STANCES["sitting"], tail=48),
}  # fmt: skip


@category(
    "animal", size=1000, poses=("standing", "walking", "sitting"),
    proportions=("head", "ear", "leg", "trunk"),
    colours=(("gray", 8), ("blue", 1), ("pink", 1), ("brown", 1)),
)  # fmt: skip
def elephant(s: Sketch, pose: str, build: Build, sway: float) -> None:
    """Big ears, a long trunk, tusks, legs like columns."""
    rig = Rig(_ELEPHANT, _ELEPHANT_STANCES[pose], build, sway)
    rig.far_legs(s)
    _tufted_tail(s, rig, "dark")
    rig.body(s)
    rig.support(s)
    with s.at(*rig.head, 0.94 * build["head"]):
        reach = build["trunk"]
        s.layer("main", blend=0.06)
        s.ellipse("head", 0.0, 0.0, 0.28, 0.29)
        trunk = [(0.16, 0.08), (0.3, 0.24), (0.34, 0.42 * reach), (0.42, 0.54 * reach), (0.56, 0.5 * reach)]
        s.path("trunk", trunk, 0.15, 0.06)
        s.point("nose", 0.55, 0.5 * reach)
        s.hand(0.58, 0.48 * reach)
        s.layer("bone")
        s.limb("horn", (0.16, 0.24), (0.34, 0.32), 0.045, 0.02, key="tusk")
        eyes(s, 0.06, near=(0.12, -0.06))
        s.layer("main")
        with s.at(-0.18, -0.06, 12 + 8 * sway, build["ear"]):
            s.limb("ear", (0.0, 0.0), (0.0, 0.2), 0.25, 0.2, key="ear_near")
            s.layer("light", outline=False)
            s.limb("ear", (0.0, 0.02), (0.0, 0.2), 0.165, 0.13, key="ear_near.inside")
            s.point("ear_near", 0.0, 0.24)
