"""Individuals: drawn from a seed, and the others of their class that are easily mistaken for them."""

from __future__ import annotations

from dataclasses import replace

from innerlight.types import NotFoundError
from innerlight.world._checks import seed_of, whole
from innerlight.world._dice import Dice
from innerlight.world.palette import COLOURS, NAMED_COLOURS, UNNAMED_COLOURS, UNNAMED_PATTERNS, contrast
from innerlight.world.scene import MARKS, PATCHES, Look, Mark
from innerlight.world.things import CATEGORIES, Category

# Per mille. A missing colour word must not give away an unnamed colour: see the rule in captions.py.
UNNAMED_COLOUR = 60
UNNAMED_PATTERN = 50
NATURAL_COLOUR = 500

_PERIOD = (150, 210)  # of patterns, per mille of the span
_NATURAL_PERIOD = {"zebra": (105, 135), "giraffe": (95, 125)}
_NATURAL_SECOND = {"zebra": {"white": "black"}, "giraffe": {"yellow": "brown", "orange": "brown"}}


def individual(seed: int | str, category: str | None = None) -> Look:
    """The individual number `seed`: of `category`, or of one that the seed decides."""
    seed_of(seed)
    dice = Dice("individual", seed)
    kind = category_named(category or dice.pick(sorted(CATEGORIES)))
    colour = _colour(dice, kind)
    second = _NATURAL_SECOND.get(kind.name, {}).get(colour) or _contrasting(dice, [colour], 230)
    accent = _contrasting(dice, [colour, second], 130)
    pattern = _pattern(dice, kind)
    return Look(
        category=kind.name,
        colour=colour,
        second=second,
        accent=accent,
        pattern=pattern,
        period=dice.whole(*_NATURAL_PERIOD.get(kind.name, _PERIOD)),
        phase=dice.whole(0, 999),
        patch=dice.pick(PATCHES[1:]) if pattern == "plain" and dice.chance(300) else "none",
        marks=_marks(dice, colour),
        build=tuple(dice.whole(830, 1170) for _ in kind.proportions),
    )


def distractors(look: Look, count: int, seed: int | str, *, near: bool = True) -> list[Look]:
    """Others of the same class: `near`, alike in everything but a patch, marks and build, which have no words."""
    whole("count", count, 0, 1_000_000)
    others = []
    for number in range(count):
        other = individual(f"{seed}/distractor/{number}", look.category)
        if near:
            dice = Dice("distractor", seed, number)
            patch = dice.pick([p for p in PATCHES if p != look.patch]) if look.pattern == "plain" else "none"
            other = replace(look, patch=patch, marks=_marks(dice, look.colour), build=other.build)
        others.append(other)
    return others


def category_named(name: str) -> Category:
    """The category called `name`."""
    if name not in CATEGORIES:
        raise NotFoundError(
            f"expected a category of the world, got {name!r}; there are: {', '.join(sorted(CATEGORIES))}"
        )
    return CATEGORIES[name]


def _colour(dice: Dice, kind: Category) -> str:
    if dice.chance(UNNAMED_COLOUR):
        return dice.pick(sorted(UNNAMED_COLOURS))
    if kind.colours and dice.chance(NATURAL_COLOUR):
        return dice.weighted(kind.colours)
    return dice.pick(sorted(NAMED_COLOURS))


def _pattern(dice: Dice, kind: Category) -> str:
    if not kind.patterns:
        return "plain"
    if len(kind.patterns) > 1 and dice.chance(UNNAMED_PATTERN):
        return dice.pick(UNNAMED_PATTERNS)
    return dice.weighted(kind.patterns)


def _contrasting(dice: Dice, colours: list[str], least: float) -> str:
    """A colour that stands out from all `colours`."""
    return dice.pick([c for c in COLOURS if all(contrast(COLOURS[c], COLOURS[o]) > least for o in colours)])


def _marks(dice: Dice, colour: str) -> tuple[Mark, ...]:
    """None, one or two emblems apart from each other on the coat."""
    count = dice.weighted(((0, 4), (1, 4), (2, 2)))
    sides = dice.shuffled((-1, 1))
    return tuple(
        Mark(
            kind=dice.pick(MARKS),
            colour=_contrasting(dice, [colour], 230),
            a=sides[k] * dice.whole(250, 500),
            b=dice.whole(-250, 250),
            size=dice.whole(300, 420),
            turn=dice.whole(-20, 20),
        )
        for k in range(count)
    )
