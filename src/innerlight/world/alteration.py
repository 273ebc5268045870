"""Altered pairs: the same scene with one thing about it changed, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from innerlight.types import Caption, InputError
from innerlight.world._checks import one_of
from innerlight.world._dice import Dice
from innerlight.world.captions import caption
from innerlight.world.figures import box_of, figure_of
from innerlight.world.layout import SIZES, span_of
from innerlight.world.looks import individual
from innerlight.world.palette import COLOURS, NAMED_COLOURS, NAMED_PATTERNS, contrast
from innerlight.world.relations import NAMED_RELATIONS, PLANAR, holds
from innerlight.world.scene import SETTINGS, STYLES, Relation, Scene, Thing
from innerlight.world.things import CATEGORIES

OF_A_THING = ("colour", "pattern", "size", "pose", "thing")
CHANGES = (*OF_A_THING, "setting", "style")


@dataclass(frozen=True)
class Altered:
    """A scene before and after one change; thing is None where the whole picture changed."""

    before: Scene
    after: Scene
    change: str
    thing: int | None
    old: str
    new: str

    def captions(self, length: str | None = None, *, variant: int = 0) -> tuple[Caption, Caption]:
        """Both scenes in the same words, but for the changed one, which is said."""
        say = [(self.thing, "noun" if self.change == "thing" else self.change)]
        before, after = (caption(scene, length, variant=variant, say=say) for scene in (self.before, self.after))
        return before, after


def alterable(scene: Scene, change: str) -> tuple[int, ...]:
    """The things of `scene` in which `change` can be made without moving any other."""
    one_of("change", change, OF_A_THING)
    bound = _bound(scene)
    fits: dict[str, Callable[[int, Thing], bool]] = {
        "colour": lambda number, thing: True,
        "pattern": lambda number, thing: len(CATEGORIES[thing.look.category].patterns) > 1,
        "size": lambda number, thing: number not in bound,
        "pose": lambda number, thing: number not in bound and len(CATEGORIES[thing.look.category].poses) > 1,
        "thing": lambda number, thing: number not in bound,
    }
    return tuple(number for number, thing in enumerate(scene.things) if fits[change](number, thing))


def alter(scene: Scene, change: str, seed: int = 0, *, thing: int | None = None, to: str | None = None) -> Altered:
    """Make one `change`: of `thing` (or one the seed picks), to the value `to` (or one the seed picks)."""
    one_of("change", change, CHANGES)
    dice = Dice("alter", scene.seed, change, seed)
    if change in OF_A_THING:
        return _altered_thing(scene, change, dice, thing, to)
    if thing is not None:
        raise InputError(f"the {change} belongs to the whole picture, not to thing {thing}; leave `thing` out")
    options = _settings(scene) if change == "setting" else [style for style in STYLES if style != scene.style]
    old, new = getattr(scene, change), _new_value(dice, change, options, to)
    after = replace(scene, **{change: new})
    if change == "setting":
        after = replace(after, things=tuple(_footed(after, number, t) for number, t in enumerate(after.things)))
    return Altered(scene, after, change, None, old, new)


def _altered_thing(scene: Scene, change: str, dice: Dice, thing: int | None, to: str | None) -> Altered:
    possible = alterable(scene, change)
    if not possible:
        raise InputError(
            f"no thing of this scene can change its {change} alone: they hold or carry one another, or know no other"
        )
    thing = dice.pick(possible) if thing is None else thing
    if thing not in possible:
        raise InputError(f"the {change} of thing {thing!r} cannot change alone; that of {list(possible)} can")
    before = scene.things[thing]
    old, options = _values(before, change)
    new = _new_value(dice, change, options, to)
    after = _changed(scene, thing, change, new)
    things = (*scene.things[:thing], _footed(scene, thing, _kept_inside(after, scene)), *scene.things[thing + 1 :])
    altered = replace(scene, things=things)
    return Altered(scene, replace(altered, relations=_still_true(altered)), change, thing, old, new)


def _bound(scene: Scene) -> set[int]:
    """Things that hold, carry, hide or contain another, or are held and so on."""
    return {number for r in scene.relations if r.name not in PLANAR for number in (r.subject, r.object)}


def _settings(scene: Scene) -> list[str]:
    """Other settings in which everything that needs ground under it has some."""

    def stands(setting: str) -> bool:
        return setting == "sky" or all(
            setting in CATEGORIES[thing.look.category].floats or thing.y >= scene.horizon or number in _carried(scene)
            for number, thing in enumerate(scene.things)
        )

    return [setting for setting in SETTINGS if setting != scene.setting and stands(setting)]


def _carried(scene: Scene) -> set[int]:
    """Things whose feet are on, in or held by another."""
    subjects = {r.subject for r in scene.relations if r.name in ("on", "in", "headstand")}
    return subjects | {r.object for r in scene.relations if r.name == "holding"}


def _footed(scene: Scene, number: int, thing: Thing) -> Thing:
    """With a shadow at its foot, or without one, as setting and category want it."""
    floats = scene.setting in CATEGORIES[thing.look.category].floats
    return replace(thing, grounded=not floats and number not in _carried(scene))


def _new_value(dice: Dice, change: str, options: list[str], to: str | None) -> str:
    if not options:
        raise InputError(f"nothing in this scene leaves the {change} another value; change something else")
    return dice.pick(options) if to is None else one_of(change, to, options)


def _values(thing: Thing, change: str) -> tuple[str, list[str]]:
    """The value before, and those it can become."""
    look, kind = thing.look, CATEGORIES[thing.look.category]
    match change:
        case "colour":
            others = [look.second, *(mark.colour for mark in look.marks)]
            free = [c for c in NAMED_COLOURS if c != look.colour]
            clear = [c for c in free if all(contrast(COLOURS[c], COLOURS[o]) > 180 for o in others)]
            return look.colour, clear or free
        case "pattern":
            return look.pattern, [p for p in NAMED_PATTERNS if p != look.pattern]
        case "size":
            return thing.size, [size for size in SIZES if size != thing.size]
        case "pose":
            return thing.pose, [p for p in kind.poses if p != thing.pose]
    return look.category, [name for name in sorted(CATEGORIES) if name != look.category]


def _changed(scene: Scene, number: int, change: str, new: str) -> Thing:
    thing = scene.things[number]
    match change:
        case "colour" | "pattern":
            return replace(thing, look=replace(thing.look, **{change: new}))
        case "size":
            low, high = SIZES[new]
            span = span_of(CATEGORIES[thing.look.category], len(scene.things), (low + high) // 2)
            return replace(thing, size=new, span=span)
        case "pose":  # the individual keeps its scale, so its box may grow
            posed = replace(thing, pose=new)
            return replace(posed, span=math.floor(thing.span * figure_of(posed).span / figure_of(thing).span + 1e-6))
    kind = CATEGORIES[new]
    build = individual(f"alter/{scene.seed}/{number}/{new}", new).build
    look = replace(thing.look, category=new, build=build, pattern=thing.look.pattern if kind.patterns else "plain")
    return replace(thing, look=look, pose=kind.poses[0], tilt=thing.tilt if kind.tilts else 0)


def _kept_inside(thing: Thing, scene: Scene) -> Thing:
    """Smaller, if that is what it takes to stay on the canvas."""
    left, top, right, bottom = box_of(thing)
    room_aside = 2 * min(thing.x, scene.width - thing.x) / (right - left)
    room_above = thing.y / (bottom - top)
    return replace(thing, span=math.floor(thing.span * min(1.0, room_aside, room_above) + 1e-6))


def _still_true(scene: Scene) -> tuple[Relation, ...]:
    """The relations, but for those that the boxes no longer show."""
    boxes = [box_of(thing) for thing in scene.things]
    return tuple(
        r for r in scene.relations if r.name not in NAMED_RELATIONS or holds(r.name, boxes[r.subject], boxes[r.object])
    )
