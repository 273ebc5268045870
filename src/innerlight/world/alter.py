"""Altered pairs: the same scene with one thing about it changed, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from innerlight.types import Caption, InputError
from innerlight.world._dice import Dice
from innerlight.world.captions import caption
from innerlight.world.figures import box_of, figure_of
from innerlight.world.looks import individual
from innerlight.world.palette import COLOURS, NAMED_COLOURS, NAMED_PATTERNS, contrast
from innerlight.world.relations import NAMED_RELATIONS, PLANAR, holds
from innerlight.world.scene import SETTINGS, STYLES, Scene, Thing
from innerlight.world.things import CATEGORIES

CHANGES = ("colour", "pattern", "pose", "thing", "setting", "style")


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
        role = "noun" if self.change == "thing" else self.change
        say = [(self.thing, role)]
        return tuple(caption(s, length, variant=variant, say=say) for s in (self.before, self.after))  # type: ignore[return-value]


def alterable(scene: Scene, change: str) -> tuple[int, ...]:
    """The things of `scene` in which `change` can be made without moving any other."""
    if change not in CHANGES[:4]:
        raise InputError(f"change: expected one of {', '.join(CHANGES[:4])} for a thing, got {change!r}")
    bound = {number for r in scene.relations if r.name not in PLANAR for number in (r.subject, r.object)}
    fits = {
        "colour": lambda number, thing: True,
        "pattern": lambda number, thing: len(CATEGORIES[thing.look.category].patterns) > 1,
        "pose": lambda number, thing: number not in bound and len(CATEGORIES[thing.look.category].poses) > 1,
        "thing": lambda number, thing: number not in bound,
    }[change]
    return tuple(number for number, thing in enumerate(scene.things) if fits(number, thing))


def alter(scene: Scene, change: str, seed: int = 0, *, thing: int | None = None, to: str | None = None) -> Altered:
    """Make one `change`: of `thing` (or one the seed picks), to the value `to` (or one the seed picks)."""
    dice = Dice("alter", scene.seed, change, seed)
    if change in ("setting", "style"):
        old = getattr(scene, change)
        new = _new_value(dice, change, [v for v in (SETTINGS if change == "setting" else STYLES) if v != old], to)
        return Altered(scene, replace(scene, **{change: new}), change, None, old, new)
    possible = alterable(scene, change)
    if thing is None and possible:
        thing = dice.pick(possible)
    if thing not in possible:
        raise InputError(
            f"the {change} of thing {thing} cannot change alone in this scene; it can for things {list(possible)}"
        )
    assert thing is not None
    before = scene.things[thing]
    old, options = _values(before, change)
    new = _new_value(dice, change, options, to)
    after = _changed(before, change, new)
    things = (*scene.things[:thing], _kept_inside(after, scene), *scene.things[thing + 1 :])
    altered = replace(scene, things=things)
    return Altered(scene, replace(altered, relations=_still_true(altered)), change, thing, old, new)


def _new_value(dice: Dice, change: str, options: list[str], to: str | None) -> str:
    if to is not None and to not in options:
        raise InputError(f"{change}: expected one of {', '.join(options)}, got {to!r}")
    return to or dice.pick(options)


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
        case "pose":
            return thing.pose, [p for p in kind.poses if p != thing.pose]
    return look.category, [name for name in sorted(CATEGORIES) if name != look.category]


def _changed(thing: Thing, change: str, new: str) -> Thing:
    match change:
        case "colour" | "pattern":
            return replace(thing, look=replace(thing.look, **{change: new}))
        case "pose":  # the individual keeps its scale, so its box may grow
            posed = replace(thing, pose=new)
            return replace(posed, span=round(thing.span * figure_of(posed).span / figure_of(thing).span))
    kind = CATEGORIES[new]
    other = individual(f"{thing.look}", new)
    look = replace(
        thing.look, category=new, build=other.build, pattern=thing.look.pattern if kind.patterns else "plain"
    )
    return replace(thing, look=look, pose=kind.poses[0], tilt=thing.tilt if kind.tilts else 0)


def _kept_inside(thing: Thing, scene: Scene) -> Thing:
    """Smaller, if that is what it takes to stay on the canvas."""
    left, top, right, bottom = box_of(thing)
    room_aside = 2 * min(thing.x, scene.width - thing.x) / (right - left)
    room_above = thing.y / (bottom - top)
    return replace(thing, span=int(thing.span * min(1.0, room_aside, room_above)))


def _still_true(scene: Scene):
    boxes = [box_of(thing) for thing in scene.things]
    return tuple(
        r for r in scene.relations if r.name not in NAMED_RELATIONS or holds(r.name, boxes[r.subject], boxes[r.object])
    )
