"""Class folds, few-shot episodes and retrieval sets, all from a seed."""

from __future__ import annotations

from dataclasses import dataclass

from innerlight.world._checks import whole
from innerlight.world._dice import Dice
from innerlight.world.layout import sample
from innerlight.world.looks import distractors, individual
from innerlight.world.scene import Look, Scene
from innerlight.world.things import CATEGORIES

FOLDS = 4
MOST_SCENES = 1_000  # of one episode or search


@dataclass(frozen=True)
class Episode:
    """Few-shot segmentation: learn `category` from the support scenes, find it in the query scenes."""

    category: str
    support: tuple[Scene, ...]
    query: tuple[Scene, ...]


@dataclass(frozen=True)
class Search:
    """Retrieval of an individual: it is thing 0 of the reference and of every positive scene.

    Every scene, the negatives too, holds at least one other of its class.
    """

    look: Look
    reference: Scene
    positives: tuple[Scene, ...]
    negatives: tuple[Scene, ...]


def fold(number: int) -> tuple[str, ...]:
    """The categories of one of four folds; animals, objects and shapes are spread over all."""
    whole("fold", number, 0, FOLDS - 1)
    ordered = sorted(CATEGORIES, key=lambda name: (CATEGORIES[name].kind, name))
    return tuple(ordered[number::FOLDS])


def outside(number: int) -> tuple[str, ...]:
    """The categories of the other folds: what a learner may have seen before."""
    return tuple(name for name in sorted(CATEGORIES) if name not in fold(number))


def episode(seed: int, fold_number: int, *, shots: int = 1, queries: int = 1) -> Episode:
    """The episode number `seed` of a fold: its category never stands alone, so that it has to be told apart."""
    whole("shots", shots, 1, MOST_SCENES)
    whole("queries", queries, 1, MOST_SCENES)
    dice = Dice("episode", seed, fold_number)
    category = dice.pick(fold(fold_number))
    scenes = []
    for number in range(shots + queries):
        others = dice.shuffled([name for name in sorted(CATEGORIES) if name != category])
        cast = [category, *others[: dice.whole(1, 2)]]
        scenes.append(sample(f"episode/{seed}/{fold_number}/{number}", categories=cast))
    return Episode(category, tuple(scenes[:shots]), tuple(scenes[shots:]))


def search(
    seed: int, *, category: str | None = None, positives: int = 3, negatives: int = 6, near: bool = True
) -> Search:
    """The retrieval task number `seed`; `near` distractors differ in marks and build alone."""
    whole("positives", positives, 1, MOST_SCENES)
    whole("negatives", negatives, 0, MOST_SCENES)
    look = individual(f"search/{seed}", category)
    strangers = distractors(look, 1 + positives + 2 * negatives, seed, near=near)
    casts = [(look, strangers[k]) for k in range(1 + positives)]
    casts += [tuple(strangers[1 + positives + 2 * k :][:2]) for k in range(negatives)]
    scenes = tuple(sample(f"search/{seed}/{k}", looks=cast) for k, cast in enumerate(casts))
    return Search(look, scenes[0], scenes[1 : 1 + positives], scenes[1 + positives :])
