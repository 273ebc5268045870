"""From a seed to a scene: where everything stands.

Things that belong together (one on, in, behind or holding another) form a group that is arranged first; groups then
go to places on the canvas. A draw that leaves the canvas, hides too much or breaks its relation is drawn again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import combinations, permutations

from innerlight.types import InputError
from innerlight.world._dice import Dice
from innerlight.world.casting import ARRANGEMENTS, Wishes, cast_of, possible_arrangements
from innerlight.world.figures import box_of, figure_of, place
from innerlight.world.relations import PLANAR, STRUCTURAL, UNNAMED_RELATIONS, holds, overlap
from innerlight.world.scene import SETTINGS, STYLES, Look, Relation, Scene, Thing
from innerlight.world.shapes import Bounds, merged
from innerlight.world.things import CATEGORIES, Category

SPANS = {1: (4500, 7500), 2: (3000, 4500), 3: (2200, 3200), 4: (2200, 3200)}
SIZES = {"small": (0, 25), "medium": (38, 62), "large": (75, 100)}  # per cent of the way through the span's band
MARGIN = 120  # every box keeps this far inside the canvas
TRIES = 400
PATIENCE = 60  # draws before a crowd is drawn smaller and smaller
STRANGERS_OVERLAP = 0.18  # of the smaller box: touching and a little occlusion, but nobody disappears
BEHIND_OVERLAP = (0.12, 0.6)  # clearly behind, and still to be recognised


def sample(
    seed: int | str,
    *,
    count: int | None = None,
    categories: Sequence[str] | None = None,
    looks: Sequence[Look] | None = None,
    among: Sequence[str] | None = None,
    arrangement: str | None = None,
    setting: str | None = None,
    style: str | None = None,
    shape: tuple[int, int] = (1, 1),
) -> Scene:
    """The scene number `seed`. What is given is kept: how many things, of which categories (or which individuals),
    drawn `among` which categories, how the first two are arranged, where, in what style, for pictures of which
    `shape` (height, width; only the ratio counts). The seed decides the rest.
    """
    wishes = Wishes(seed, count, categories, looks, among, arrangement, setting, style, shape).checked()
    dice = Dice("scene", seed)
    drawn = dice.weighted(((1, 35), (2, 40), (3, 16), (4, 9)))
    count = wishes.number or (max(drawn, 2) if arrangement else drawn)
    setting = setting or dice.pick(SETTINGS)
    style = style or dice.weighted(((STYLES[0], 70), (STYLES[1], 15), (STYLES[2], 15)))
    drawn_arrangement = dice.weighted(ARRANGEMENTS)
    cast = cast_of(wishes, count, arrangement or drawn_arrangement)
    arrangement = _arrangement(cast, arrangement, drawn_arrangement)
    width, height = wishes.canvas
    horizon = dice.whole(2600, 4400) * height // 10_000
    frame = Scene(seed, width, height, setting, dice.whole(0, 999_999), horizon, style, (), (), ())
    for attempt in range(TRIES):
        scene = _arranged(frame, cast, arrangement, Dice("layout", seed, attempt), max(0, attempt - PATIENCE))
        if _sound(scene, arrangement, strict=wishes.arrangement is not None or count == 2):
            return _with_order(
                _with_planar_relation(scene, Dice("relation", seed), asked=wishes.arrangement is not None)
            )
    raise InputError(
        f"seed {seed}: no layout of {[look.category for look in cast]} ({arrangement}) fits a canvas of {width} x "
        f"{height}; ask for fewer things, another arrangement or a shape nearer to a square"
    )


@cache
def fingerprint() -> str:
    """A name for the world as it is drawn from seeds: another one means other scenes for the same seeds."""
    text = json.dumps([asdict(sample(seed)) for seed in range(40)], sort_keys=True)
    return "world:" + hashlib.sha256(text.encode()).hexdigest()[:12]


def span_of(kind: Category, crowd: int, per_cent: int) -> int:
    """The span of a thing among `crowd`: between the band's ends by nature and by `per_cent` of its size."""
    low, high = SPANS[crowd]
    return low + (high - low) * (45 * kind.size // 1000 + 55 * per_cent // 100) // 100


def _arrangement(cast: Sequence[Look], wanted: str | None, drawn: str) -> str:
    """What is wanted, or refused; what was drawn, if it can be."""
    possible = possible_arrangements([look.category for look in cast])
    if wanted is None:
        return drawn if drawn in possible else "beside"
    if wanted not in possible:
        pair = " and ".join(look.category for look in cast[:2])
        raise InputError(f"arrangement: {pair} can be {', '.join(possible)}; got {wanted!r}")
    return wanted


@dataclass(frozen=True)
class _Group:
    """Things arranged relative to one another."""

    things: tuple[tuple[int, Thing], ...]  # (number in the scene, thing)

    @property
    def box(self) -> Bounds:
        return merged([box_of(thing) for _, thing in self.things])

    def moved(self, x: int, y: int) -> _Group:
        """The group with the middle of its box's lower edge at (x, y)."""
        left, _, right, bottom = self.box
        dx, dy = x - _whole((left + right) / 2), y - _whole(bottom)
        return _Group(tuple((n, replace(t, x=t.x + dx, y=t.y + dy)) for n, t in self.things))


def _arranged(frame: Scene, cast: list[Look], arrangement: str, dice: Dice, shrink: int) -> Scene:
    """One draw: it may turn out unsound."""
    things = [_draw_thing(look, len(cast), frame.setting, dice, shrink) for look in cast]
    if len(cast) > 1 and cast[0] == cast[1]:  # mirrored twins
        things[1] = replace(things[0], mirrored=not things[0].mirrored)
    groups: list[_Group] = []
    relations: tuple[Relation, ...] = ()
    rest = list(enumerate(things))
    if arrangement in STRUCTURAL + UNNAMED_RELATIONS:
        groups.append(_Group(tuple(enumerate(_pair(arrangement, things[0], things[1], dice)))))
        relations, rest = (Relation(0, arrangement, 1),), rest[2:]
    groups += [_Group((numbered,)) for numbered in rest]
    placed = dict(pair for group in _spread_out(frame, groups, arrangement, dice) for pair in group.things)
    return replace(frame, things=tuple(placed[k] for k in range(len(cast))), relations=relations)


def _draw_thing(look: Look, crowd: int, setting: str, dice: Dice, shrink: int) -> Thing:
    """A thing with its pose and size, not yet placed."""
    kind = CATEGORIES[look.category]
    size = dice.weighted((("small", 25), ("medium", 50), ("large", 25)))
    span = span_of(kind, crowd, dice.whole(*SIZES[size])) * max(100 - shrink // 4, 40) // 100
    return Thing(
        look=look,
        pose=dice.pick(kind.poses),
        sway=dice.whole(-1000, 1000),
        mirrored=dice.chance(500),
        tilt=dice.whole(-25, 25) if kind.tilts and dice.chance(350) else 0,
        size=size,
        span=span,
        x=0,
        y=0,
        grounded=setting not in kind.floats,
    )


def _pair(arrangement: str, subject: Thing, other: Thing, dice: Dice) -> tuple[Thing, Thing]:
    """The two things of a group, in their relation."""
    match arrangement:
        case "on":
            other = _plain(other)
            return _on_top(replace(subject, tilt=0), other, dice), other
        case "headstand":
            other = _plain(other)
            return _on_top(replace(subject, tilt=180), other, dice), other
        case "in":
            other = _plain(other)
            return _inside(replace(subject, tilt=0), other), other
        case "holding":
            subject = _plain(subject)
            return subject, _held(subject, _plain(other), dice)
    left, _, right, _ = box_of(other)  # behind
    side = dice.pick((-1, 1)) * dice.whole(300, 550)
    return replace(subject, x=_whole((right - left) * side / 1000), y=-dice.whole(150, 600)), other


def _plain(thing: Thing) -> Thing:
    """Upright in its plain pose: the one that surely has a back to stand on, a rim, a hand."""
    return replace(thing, tilt=0, pose=CATEGORIES[thing.look.category].poses[0])


def _on_top(subject: Thing, other: Thing, dice: Dice) -> Thing:
    figure = figure_of(other)
    assert figure.support is not None
    left, right, height = figure.support
    share = dice.whole(350, 650) / 1000
    x, y = place(other, figure).point(left + (right - left) * share, height)
    return replace(subject, x=_whole(x), y=_whole(y) + 40, grounded=False)


def _inside(subject: Thing, other: Thing) -> Thing:
    """Its lower third (or as much as the container is deep) hidden by the front, and hardly wider than the rim."""
    figure = figure_of(other)
    assert figure.opening is not None
    left, right, height = figure.opening
    frame = place(other, figure)
    (x0, y), (x1, _) = frame.point(left, height), frame.point(right, height)
    box = box_of(subject)
    room = min(1.0, 1.3 * abs(x1 - x0) / (box[2] - box[0]))
    subject = replace(subject, span=max(math.floor(subject.span * room + 1e-6), 900))
    box, (_, _, _, floor) = box_of(subject), box_of(other)
    depth = min(0.33 * (box[3] - box[1]), 0.9 * (floor - y))
    return replace(subject, x=_whole((x0 + x1) / 2), y=_whole(y + depth), grounded=False)


def _held(subject: Thing, other: Thing, dice: Dice) -> Thing:
    holder, held = figure_of(subject), figure_of(other)
    assert holder.hand is not None
    assert held.grip is not None
    other = replace(other, span=other.span * dice.whole(60, 80) // 100)
    hx, hy = place(subject, holder).point(*holder.hand)
    gx, gy = place(other, held).point(*held.grip)
    return replace(other, x=other.x + _whole(hx - gx), y=other.y + _whole(hy - gy), grounded=False)


def _spread_out(frame: Scene, groups: list[_Group], arrangement: str, dice: Dice) -> list[_Group]:
    """Groups at their places: columns or rows of the canvas, jittered, on the ground or in the air."""
    places = dice.shuffled(_places(len(groups), arrangement, dice))
    return [_settle(frame, group, place, dice) for group, place in zip(groups, places, strict=True)]


def _places(count: int, arrangement: str, dice: Dice) -> list[tuple[int, int]]:
    """(x, y) per mille of the canvas for the middle of each group."""
    if count == 1:
        return [(dice.whole(420, 580), dice.whole(450, 600))]
    if count == 2:
        a, b = dice.whole(230, 300), dice.whole(700, 770)
        if arrangement == "stacked":
            return [(dice.whole(400, 600), a), (dice.whole(400, 600), b)]
        y = dice.whole(450, 650)
        return [(a, y), (b, y + dice.whole(-60, 60))]
    if count == 3 and dice.chance(400):
        return [(x, dice.whole(420, 720)) for x in (180, 500, 820)]
    corners = [(270, 300), (730, 300), (270, 740), (730, 740)]
    if count == 3:
        pair, odd = dice.pick([((0, 1), (500, 740)), ((2, 3), (500, 300))])
        return [*(corners[k] for k in pair), odd]
    return corners


def _settle(frame: Scene, group: _Group, where: tuple[int, int], dice: Dice) -> _Group:
    left, top, right, bottom = group.box
    x = frame.width * where[0] // 1000 + dice.whole(-500, 500)
    middle = frame.height * where[1] // 1000 + dice.whole(-400, 400)
    half_width, half_height = _whole((right - left) / 2), _whole((bottom - top) / 2)
    x = _clamped(x, MARGIN + half_width, frame.width - MARGIN - half_width)
    highest = MARGIN + 2 * half_height
    if any(thing.grounded for _, thing in group.things) and frame.setting != "sky":
        highest = max(highest, frame.horizon + frame.height // 30)
    return group.moved(x, _clamped(middle + half_height, highest, frame.height - MARGIN))


def _clamped(value: int, low: int, high: int) -> int:
    return max(low, min(value, high)) if low <= high else (low + high) // 2


def _sound(scene: Scene, arrangement: str, *, strict: bool) -> bool:
    """All inside the canvas, nobody hidden by strangers, and the arrangement holds (planar ones only if `strict`)."""
    boxes = [box_of(thing) for thing in scene.things]
    if any(left < 0 or top < 0 or right > scene.width or bottom > scene.height for left, top, right, bottom in boxes):
        return False
    related = {frozenset((r.subject, r.object)) for r in scene.relations}
    strangers = (pair for pair in combinations(range(len(boxes)), 2) if frozenset(pair) not in related)
    if any(overlap(boxes[one], boxes[other]) > STRANGERS_OVERLAP for one, other in strangers):
        return False
    if arrangement == "behind" and not BEHIND_OVERLAP[0] <= overlap(boxes[0], boxes[1]) <= BEHIND_OVERLAP[1]:
        return False
    if any(not holds(r.name, boxes[r.subject], boxes[r.object]) for r in scene.relations):
        return False
    if strict and len(boxes) > 1 and arrangement in ("beside", "stacked"):
        return any(holds(name, boxes[0], boxes[1]) for name in (PLANAR[:2] if arrangement == "beside" else PLANAR[2:]))
    return True


def _with_planar_relation(scene: Scene, dice: Dice, *, asked: bool) -> Scene:
    """Without a built-in relation, one that the boxes show is the scene's, seen from either end; if an arrangement was
    asked for, one of the first two things.
    """
    if scene.relations:
        return scene
    boxes = [box_of(thing) for thing in scene.things]
    everyone = range(2 if asked else len(boxes))
    shown = [
        Relation(one, name, other)
        for one, other in permutations(everyone, 2)
        for name in PLANAR
        if holds(name, boxes[one], boxes[other])
    ]
    return replace(scene, relations=(dice.pick(shown),)) if shown else scene


def _with_order(scene: Scene) -> Scene:
    """Farther things first: the lower a thing stands the nearer it is; structure comes before that."""
    depth = {number: float(thing.y) for number, thing in enumerate(scene.things)}
    for relation in scene.relations:
        if relation.name == "behind":
            depth[relation.subject] = depth[relation.object] - 0.5
        elif relation.name in ("on", "headstand"):
            depth[relation.subject] = depth[relation.object] + 0.5
        elif relation.name == "holding":
            depth[relation.object] = depth[relation.subject] + 0.5
    return replace(scene, order=tuple(sorted(depth, key=lambda number: (depth[number], number))))


def _whole(value: float) -> int:
    """The nearest whole number. Halves go up even when sine and cosine are a last bit off, as they are elsewhere."""
    return math.floor(value + 0.5 + 1e-6)
