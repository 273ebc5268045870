"""What a category is, and the decorator that registers its drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from innerlight.world.scene import SETTINGS
from innerlight.world.sketch import Sketch

Weights = tuple[tuple[str, int], ...]
Draw = Callable[[Sketch, str, "Build", float], None]


@dataclass(frozen=True)
class Build:
    """Proportions of an individual: `build["ear"]` is 1.0 for the ordinary one."""

    shares: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        return self.shares.get(name, 1.0)


@dataclass(frozen=True)
class Category:
    """A kind of thing: how large it is by nature, how it can stand, what it usually wears, how it is drawn.

    `draw(sketch, pose, build, sway)` puts it down facing right, its foot or keel lowest; sway is -1 to 1.
    """

    name: str
    draw: Draw
    kind: str  # "animal", "object" or "shape"
    size: int  # natural size, per mille of the largest
    poses: tuple[str, ...]  # the first is the plain one, which captions leave unsaid
    proportions: tuple[str, ...]  # what `build` can ask for
    colours: Weights  # natural colours; any other is possible, but rarer
    patterns: Weights  # natural patterns; empty: too thin to wear one
    floats: tuple[str, ...]  # settings in which it hovers or swims rather than stands
    tilts: bool  # may be drawn leaning


CATEGORIES: dict[str, Category] = {}

ORDINARY: Weights = (("plain", 40), ("striped", 15), ("dotted", 15), ("checkered", 15), ("patched", 15))
EVERYWHERE = SETTINGS  # floats wherever it is


def category(
    kind: str,
    *,
    size: int,
    poses: tuple[str, ...] = ("upright",),
    proportions: tuple[str, ...] = (),
    colours: Weights = (),
    patterns: Weights = ORDINARY,
    floats: tuple[str, ...] = ("sky",),
    tilts: bool = False,
) -> Callable[[Draw], Draw]:
    """Register the decorated function as the drawing of the category that bears its name."""

    def register(draw: Draw) -> Draw:
        name = draw.__name__
        CATEGORIES[name] = Category(name, draw, kind, size, poses, proportions, colours, patterns, floats, tilts)
        return draw

    return register
