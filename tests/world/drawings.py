"""Every category in every extreme: what the tests of drawings look at."""

from __future__ import annotations

from functools import cache

from innerlight.world.draw import Render, render
from innerlight.world.scene import Look, Scene, Thing
from innerlight.world.sketch import Figure, Sketch
from innerlight.world.things import CATEGORIES, Build

POSES = [(name, pose) for name in CATEGORIES for pose in CATEGORIES[name].poses]


def builds(name: str) -> list[dict[str, float]]:
    """The ordinary individual, then the extreme ones: all small, all large, by turns, one proportion at a time."""
    proportions = CATEGORIES[name].proportions
    uniform = [dict.fromkeys(proportions, share) for share in (1.0, 0.82, 1.18)]
    by_turns = [{part: (0.82, 1.18)[(k + odd) % 2] for k, part in enumerate(proportions)} for odd in (0, 1)]
    return uniform + by_turns + [{part: share} for part in proportions for share in (0.82, 1.18)]


@cache
def figures(name: str, pose: str) -> tuple[Figure, ...]:
    """Every extreme individual in every extreme sway; the ordinary one at rest comes first."""
    drawn = []
    for shares in builds(name):
        for sway in (0.0, -1.0, 1.0):
            sketch = Sketch()
            CATEGORIES[name].draw(sketch, pose, Build(shares), sway)
            drawn.append(sketch.figure())
    return tuple(drawn)


@cache
def portrait(name: str, pose: str, build: int) -> Render:
    """A plain individual, alone and large."""
    shares = (build,) * len(CATEGORIES[name].proportions)
    look = Look(name, "red", "white", "blue", "plain", 170, 0, "none", (), shares)
    thing = Thing(look, pose, 0, False, 0, "medium", 9000, 5000, 9500, grounded=False)
    return render(Scene(0, 10_000, 10_000, "sky", 0, 4000, "photo", (thing,), (0,), ()), 96)
