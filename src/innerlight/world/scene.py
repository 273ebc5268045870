"""What a scene is, down to the last whole number: things with their looks, a setting, a style, relations."""

from __future__ import annotations

from dataclasses import dataclass

UNIT = 10_000  # the canvas's shorter side; every length of a scene is a whole number of these

SETTINGS = ("grass", "sand", "water", "street", "room", "sky", "snow")
STYLES = ("photo", "drawing", "night")
MARKS = ("spot", "ring", "bar", "cross", "diamond", "heart", "crescent")
PATCHES = ("none", "front", "back", "belly", "saddle")


@dataclass(frozen=True)
class Mark:
    """A small emblem at (a, b), per mille of the coat's ellipse; size per mille of the ellipse's shorter radius."""

    kind: str
    colour: str
    a: int
    b: int
    size: int
    turn: int  # degrees


@dataclass(frozen=True)
class Look:
    """An individual: what stays the same from scene to scene, finer than words can say."""

    category: str
    colour: str
    second: str  # of the pattern
    accent: str  # of trimmings: a roof, a saddle, a wheel
    pattern: str
    period: int  # of the pattern, per mille of the thing's span
    phase: int  # of the pattern, per mille of a period
    patch: str  # a part of the coat in the accent colour
    marks: tuple[Mark, ...]
    build: tuple[int, ...]  # proportions, per mille, in the category's order


@dataclass(frozen=True)
class Thing:
    """An individual in a scene. Its box stands centred on (x, y), the middle of the box's lower edge."""

    look: Look
    pose: str
    sway: int  # -1000 to 1000: small movements within a pose
    mirrored: bool  # faces left
    tilt: int  # degrees, clockwise
    size: str
    span: int  # longer side of its upright box
    x: int
    y: int
    grounded: bool  # casts a shadow at its foot


@dataclass(frozen=True)
class Relation:
    """Thing number `subject` is `name` thing number `object`."""

    subject: int
    name: str
    object: int


@dataclass(frozen=True)
class Scene:
    """Everything there is to draw, in whole numbers and names: equal scenes are equal everywhere."""

    seed: int | str
    width: int
    height: int
    setting: str
    decor: int  # seed of the setting's details
    horizon: int
    style: str
    things: tuple[Thing, ...]
    order: tuple[int, ...]  # things from back to front
    relations: tuple[Relation, ...]
