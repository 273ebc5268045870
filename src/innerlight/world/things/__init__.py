"""The categories of the world, one drawing function each."""

from innerlight.world.things import animals, buildings, furniture, outdoors, plain, quadrupeds, tableware, vehicles
from innerlight.world.things._registry import CATEGORIES, Build, Category

__all__ = [
    "CATEGORIES",
    "Build",
    "Category",
    "animals",
    "buildings",
    "furniture",
    "outdoors",
    "plain",
    "quadrupeds",
    "tableware",
    "vehicles",
]
