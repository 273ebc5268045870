"""From a seed to a scene: who is in it, and where they stand.

Things that belong together (one on, in, behind or holding another) form a group that is arranged first; groups then
go to places on the canvas. A draw that leaves the canvas, hides too much or breaks its relation is drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from innerlight.types import InputError
from innerlight.world._dice import Dice
from innerlight.world.figures import box_of, figure_of, ordinary_figure, place
from innerlight.world.looks import category_named, individual
from innerlight.world.relations import INVERSE, PLANAR, STRUCTURAL, UNNAMED_RELATIONS, holds, overlap
from innerlight.world.scene import SETTINGS, STYLES, UNIT, Look, Relation, Scene, Thing
from innerlight.world.shapes import Bounds, merged
from innerlight.world.things import CATEGORIES

SPANS = {1: (4500, 7500), 2: (3000, 4500), 3: (2200, 3200), 4: (2200, 3200)}
MOST_THINGS = 4
MARGIN = 120  # every box keeps this far inside the canvas
TRIES = 400

# What two things of a scene are to each other; "beside" is left or right, "stacked" above or below.
ARRANGEMENTS = (
    ("beside", 42), ("stacked", 24), ("on", 9), ("in", 7), ("behind", 7), ("holding", 7), ("headstand", 4),
)  # fmt: skip


def sample(
    seed: int,
    *,
    count: int | None = None,
    categories: Sequence[str] | None = None,
    looks: Sequence[Look] | None = None,
    among: Sequence[str] | None = None,
    arrangement: str | None = None,
    setting: str | None = None,
    style: str | None = None,
    width: int = UNIT,
    height: int = UNIT,
) -> Scene:
    """The scene number `seed`. What is given is kept: how many things, of which categories (or which individuals),
    drawn `among` which categories, how arranged, where and in what style; the seed decides the rest.
    """
    _check(count, categories, looks, arrangement, setting, style, width, height)
    dice = Dice("scene", seed)
    count = count or _count(dice, categories, looks)
    setting = setting or dice.pick(SETTINGS)
    style = style or dice.weighted(((STYLES[0], 70), (STYLES[1], 15), (STYLES[2], 15)))
    arrangement = arrangement or (dice.weighted(ARRANGEMENTS) if count > 1 else "beside")
    cast = _cast(seed, count, arrangement, categories, looks, among)
    if arrangement not in possible_arrangements([look.category for look in cast]):
        arrangement = "beside"
    frame = Scene(
        seed, width, height, setting, dice.whole(0, 999_999), dice.whole(2600, 4400) * height // UNIT, style, (), (), ()
    )
    for attempt in range(TRIES):
        # A crowd that will not fit is drawn smaller and smaller.
        scene = _arranged(frame, cast, arrangement, Dice("layout", seed, attempt), shrink=max(0, attempt - 60))
        if _sound(scene, arrangement):
            return _with_order(_with_planar_relation(scene, Dice("relation", seed)))
    raise InputError(
        f"seed {seed}: no layout of {[look.category for look in cast]} ({arrangement}) fits a canvas of {width} x "
        f"{height}; ask for fewer things, another arrangement or a canvas nearer to a square"
    )


def possible_arrangements(categories: Sequence[str]) -> tuple[str, ...]:
    """The arrangements that the first two of `categories` can take, subject first."""
    if len(categories) < 2:
        return ("beside",)
    subject, other = (ordinary_figure(category_named(name).name) for name in categories[:2])
    possible = ["beside", "stacked", "behind"]
    if other.support:
        possible += ["on", "headstand"]
    if other.opening:
        possible.append("in")
    if subject.hand and other.grip:
        possible.append("holding")
    return tuple(possible)


def _check(count, categories, looks, arrangement, setting, style, width, height) -> None:
    known = [name for name, _ in ARRANGEMENTS]
    for what, value, options in (
        ("arrangement", arrangement, known), ("setting", setting, SETTINGS), ("style", style, STYLES),
    ):  # fmt: skip
        if value is not None and value not in options:
            raise InputError(f"{what}: expected one of {', '.join(options)}, got {value!r}")
    given = [len(x) for x in (categories, looks) if x is not None] + ([count] if count is not None else [])
    if any(not 1 <= n <= MOST_THINGS for n in given) or len(set(given)) > 1:
        raise InputError(
            f"a scene holds 1 to {MOST_THINGS} things, and count, categories and looks must agree; got {given}"
        )
    if min(width, height) != UNIT or max(width, height) > 4 * UNIT:
        raise InputError(f"the canvas's shorter side is {UNIT}, the longer at most {4 * UNIT}; got {width} x {height}")


def _count(dice: Dice, categories: Sequence[str] | None, looks: Sequence[Look] | None) -> int:
    given = categories or looks
    return len(given) if given else dice.weighted(((1, 35), (2, 40), (3, 16), (4, 9)))


def _cast(
    seed: int,
    count: int,
    arrangement: str,
    categories: Sequence[str] | None,
    looks: Sequence[Look] | None,
    among: Sequence[str] | None,
) -> list[Look]:
    """The individuals of the scene; categories left open are such as can take the arrangement."""
    if looks:
        return list(looks)
    dice = Dice("cast", seed)
    pool = sorted(among or CATEGORIES)
    chosen = list(categories) if categories else [dice.pick(pool) for _ in range(count)]
    if not categories and count > 1:
        subjects, others = dice.shuffled(pool), dice.shuffled(pool)
        fitting = ((s, o) for s in subjects for o in others if arrangement in possible_arrangements((s, o)))
        chosen[:2] = next(fitting, chosen[:2])
        if dice.chance(60) and arrangement in possible_arrangements((chosen[0], chosen[0])):
            chosen[1] = chosen[0]  # a twin
    return [individual(f"{seed}/{number}", name) for number, name in enumerate(chosen)]


def _thing(look: Look, pose: str, sway: int, mirrored: bool, tilt: int, size: str, span: int) -> Thing:
    return Thing(look, pose, sway, mirrored, tilt, size, span, 0, 0, grounded=True)


def _draw_thing(look: Look, number: int, crowd: int, setting: str, dice: Dice, shrink: int) -> Thing:
    """A thing with its pose and size, not yet placed."""
    kind = CATEGORIES[look.category]
    size = dice.weighted((("small", 25), ("medium", 50), ("large", 25)))
    within = {"small": (0, 25), "medium": (38, 62), "large": (75, 100)}[size]
    low, high = SPANS[crowd]
    share = 45 * kind.size // 1000 + 55 * dice.whole(*within) // 100  # of the way from low to high, in per cent
    span = (low + (high - low) * share // 100) * max(100 - shrink // 4, 40) // 100
    floats = setting in kind.floats
    tilt = dice.whole(-25, 25) if kind.tilts and dice.chance(350) else 0
    thing = _thing(look, dice.pick(kind.poses), dice.whole(-1000, 1000), dice.chance(500), tilt, size, span)
    return replace(thing, grounded=not floats)


@dataclass(frozen=True)
class _Group:
    """Things arranged relative to one another; box around all of them."""

    things: tuple[tuple[int, Thing], ...]  # (number in the scene, thing)

    @property
    def box(self) -> Bounds:
        return merged([box_of(thing) for _, thing in self.things])

    def moved(self, x: int, y: int) -> _Group:
        """The group with the middle of its box's lower edge at (x, y)."""
        left, _, right, bottom = self.box
        dx, dy = x - round((left + right) / 2), y - round(bottom)
        return _Group(tuple((n, replace(t, x=t.x + dx, y=t.y + dy)) for n, t in self.things))


def _arranged(frame: Scene, cast: list[Look], arrangement: str, dice: Dice, shrink: int) -> Scene:
    """One draw: it may turn out unsound."""
    things = [_draw_thing(look, k, len(cast), frame.setting, dice, shrink) for k, look in enumerate(cast)]
    groups, relations = [], ()
    rest = list(enumerate(things))
    if arrangement in STRUCTURAL + UNNAMED_RELATIONS:
        groups.append(_Group(tuple(enumerate(_pair(arrangement, things[0], things[1], dice)))))
        relations, rest = (Relation(0, arrangement, 1),), rest[2:]
    groups += [_Group((numbered,)) for numbered in rest]
    placed = dict(pair for group in _spread_out(frame, groups, arrangement, dice) for pair in group.things)
    return replace(frame, things=tuple(placed[k] for k in range(len(cast))), relations=relations)


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
    return replace(subject, x=round((right - left) * side / 1000), y=-dice.whole(150, 600)), other


def _plain(thing: Thing) -> Thing:
    """Upright in its plain pose: the one that surely has a back to stand on, a rim, a hand."""
    return replace(thing, tilt=0, pose=CATEGORIES[thing.look.category].poses[0])


def _on_top(subject: Thing, other: Thing, dice: Dice) -> Thing:
    figure = figure_of(other)
    assert figure.support is not None
    left, right, height = figure.support
    share = dice.whole(350, 650) / 1000
    x, y = place(other, figure).point(left + (right - left) * share, height)
    return replace(subject, x=round(x), y=round(y) + 40, grounded=False)


def _inside(subject: Thing, other: Thing) -> Thing:
    """So that its lower two fifths are hidden by the container's front, and it fits between the rims."""
    figure = figure_of(other)
    assert figure.opening is not None
    left, right, height = figure.opening
    frame = place(other, figure)
    (x0, y), (x1, _) = frame.point(left, height), frame.point(right, height)
    box = box_of(subject)
    room = min(1.0, 1.05 * abs(x1 - x0) / (box[2] - box[0]))
    subject = replace(subject, span=max(int(subject.span * room), 900))
    box = box_of(subject)
    return replace(subject, x=round((x0 + x1) / 2), y=round(y + 0.4 * (box[3] - box[1])), grounded=False)


def _held(subject: Thing, other: Thing, dice: Dice) -> Thing:
    holder, held = figure_of(subject), figure_of(other)
    assert holder.hand is not None
    assert held.grip is not None
    other = replace(other, span=other.span * dice.whole(60, 80) // 100)
    hx, hy = place(subject, holder).point(*holder.hand)
    gx, gy = place(other, held).point(*held.grip)
    return replace(other, x=other.x + round(hx - gx), y=other.y + round(hy - gy), grounded=False)


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
    half_width, half_height = round((right - left) / 2), round((bottom - top) / 2)
    x = _clamped(x, MARGIN + half_width, frame.width - MARGIN - half_width)
    highest = MARGIN + 2 * half_height
    if any(thing.grounded for _, thing in group.things) and frame.setting != "sky":
        highest = max(highest, frame.horizon + frame.height // 30)
    return group.moved(x, _clamped(middle + half_height, highest, frame.height - MARGIN))


def _clamped(value: int, low: int, high: int) -> int:
    return max(low, min(value, high)) if low <= high else (low + high) // 2


def _sound(scene: Scene, arrangement: str) -> bool:
    """All inside the canvas, nobody hidden by strangers, and the relation holds."""
    boxes = [box_of(thing) for thing in scene.things]
    inside = all(
        left >= 0 and top >= 0 and right <= scene.width and bottom <= scene.height for left, top, right, bottom in boxes
    )
    if not inside:
        return False
    related = {frozenset((r.subject, r.object)) for r in scene.relations}
    for pair in combinations(range(len(boxes)), 2):
        most = 0.18 if frozenset(pair) not in related else 0.6 if arrangement == "behind" else 1.0
        if overlap(*(boxes[number] for number in pair)) > most:
            return False
    for relation in scene.relations:
        if not holds(relation.name, boxes[relation.subject], boxes[relation.object]):
            return False
        if relation.name == "behind" and overlap(boxes[relation.subject], boxes[relation.object]) < 0.12:
            return False
    if len(boxes) == 2 and arrangement in ("beside", "stacked"):
        return any(holds(name, *boxes) for name in (PLANAR[:2] if arrangement == "beside" else PLANAR[2:]))
    return True


def _with_planar_relation(scene: Scene, dice: Dice) -> Scene:
    """Without a built-in relation, one that the boxes show is the scene's relation, seen from either end."""
    if scene.relations:
        return scene
    boxes = [box_of(thing) for thing in scene.things]
    shown = [
        Relation(one, name, other)
        for one in range(len(boxes))
        for other in range(len(boxes))
        for name in PLANAR
        if one != other and holds(name, boxes[one], boxes[other])
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


def inverse(relation: Relation) -> Relation | None:
    """The same fact told of the other thing; None where language has no such word here."""
    name = INVERSE.get(relation.name)
    return None if name is None else Relation(relation.object, name, relation.subject)
