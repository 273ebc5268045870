"""Who is in a scene, and what the first two of them can be to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from innerlight.types import InputError
from innerlight.world._checks import one_of, seed_of, whole
from innerlight.world._dice import Dice
from innerlight.world.figures import ordinary_figure
from innerlight.world.looks import category_named, individual
from innerlight.world.scene import SETTINGS, STYLES, UNIT, Look
from innerlight.world.things import CATEGORIES

MOST_THINGS = 4
WIDEST = 4  # times as long as the shorter side

# "beside" is left or right, "stacked" above or below; weights are how often a seed draws each.
ARRANGEMENTS = (
    ("beside", 42), ("stacked", 24), ("on", 9), ("in", 7), ("behind", 7), ("holding", 7), ("headstand", 4),
)  # fmt: skip
TWINS = 60  # per mille of scenes in which the second thing is of the first one's class
MIRRORED_TWINS = 500  # per mille of those in which it is its mirror image


@dataclass(frozen=True)
class Wishes:
    """What the caller of `sample` wants; None is left to the seed."""

    seed: int | str
    count: int | None
    categories: Sequence[str] | None
    looks: Sequence[Look] | None
    among: Sequence[str] | None
    arrangement: str | None
    setting: str | None
    style: str | None
    shape: tuple[int, int]

    def checked(self) -> Wishes:
        """These wishes, if they can be granted."""
        seed_of(self.seed)
        for name, options in (("setting", SETTINGS), ("style", STYLES), ("arrangement", dict(ARRANGEMENTS))):
            if getattr(self, name) is not None:
                one_of(name, getattr(self, name), options)
        if self.count is not None:
            whole("count", self.count, 1, MOST_THINGS)
        self._check_cast()
        self._check_shape()
        return self

    @property
    def number(self) -> int | None:
        """How many things, if that was said."""
        given = self.categories if self.categories is not None else self.looks
        return len(given) if given is not None else self.count

    @property
    def canvas(self) -> tuple[int, int]:
        """Width and height of the canvas that has the wanted shape."""
        height, width = self.shape
        shorter = min(height, width)
        return UNIT * width // shorter, UNIT * height // shorter

    def _check_cast(self) -> None:
        if self.categories is not None and self.looks is not None:
            raise InputError("a cast is given by categories or by looks, not by both; give one")
        for name, given in (("categories", self.categories), ("looks", self.looks), ("among", self.among)):
            if given is None:
                continue
            kind = Look if name == "looks" else str
            if isinstance(given, str) or not all(isinstance(item, kind) for item in given):
                raise InputError(f"{name}: expected a list of {kind.__name__}, got {given!r:.80}")
            if not given or (name != "among" and len(given) > MOST_THINGS):
                raise InputError(f"{name}: expected 1 to {MOST_THINGS} things, got {len(given)}")
        for category in (*(self.categories or ()), *(self.among or ())):
            category_named(category)
        if self.count is not None and self.number != self.count:
            raise InputError(f"count is {self.count}, but {self.number} things are named; they must agree")
        if self.arrangement and self.number == 1:
            raise InputError(f"{self.arrangement!r} takes two things; ask for a count of at least 2")

    def _check_shape(self) -> None:
        if not (isinstance(self.shape, tuple) and len(self.shape) == 2):
            raise InputError(f"shape: expected (height, width), got {self.shape!r}")
        height, width = (whole("shape", side, 1, 1_000_000) for side in self.shape)
        if max(height, width) > WIDEST * min(height, width):
            raise InputError(f"shape: one side is at most {WIDEST} times the other, got {height} x {width}")


def cast_of(wishes: Wishes, count: int, arrangement: str) -> list[Look]:
    """The individuals of the scene; categories left open are such as can take the arrangement."""
    if wishes.looks:
        return list(wishes.looks)
    dice = Dice("cast", wishes.seed)
    pool = sorted(wishes.among or CATEGORIES)
    chosen = list(wishes.categories or [dice.pick(pool) for _ in range(count)])
    twins = mirrored = False
    if not wishes.categories and count > 1:
        subjects, others = dice.shuffled(pool), dice.shuffled(pool)
        fitting = ((s, o) for s in subjects for o in others if arrangement in possible_arrangements((s, o)))
        chosen[:2] = next(fitting, chosen[:2])
        twins = dice.chance(TWINS) and arrangement in possible_arrangements((chosen[0], chosen[0]))
        mirrored = twins and dice.chance(MIRRORED_TWINS)
    if twins:
        chosen[1] = chosen[0]
    cast = [individual(f"{wishes.seed}/{number}", name) for number, name in enumerate(chosen)]
    if mirrored:
        cast[1] = cast[0]
    return cast


def possible_arrangements(categories: Sequence[str]) -> tuple[str, ...]:
    """The arrangements that the first two of `categories` can take, subject first."""
    if len(categories) < 2:
        return ()
    subject, other = (ordinary_figure(category_named(name).name) for name in categories[:2])
    possible = ["beside", "stacked", "behind"]
    if other.support:
        possible += ["on", "headstand"]
    if other.opening:
        possible.append("in")
    if subject.hand and other.grip:
        possible.append("holding")
    return tuple(possible)
