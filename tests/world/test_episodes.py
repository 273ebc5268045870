"""Folds, episodes, individuals and those easily mistaken for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from innerlight.types import InputError
from innerlight.world.captions import word_for
from innerlight.world.draw import render
from innerlight.world.episodes import FOLDS, episode, fold, outside, search
from innerlight.world.layout import sample
from innerlight.world.looks import distractors, individual
from innerlight.world.things import CATEGORIES


def test_folds_part_the_categories_evenly():
    folds = [fold(number) for number in range(FOLDS)]
    assert sorted(name for names in folds for name in names) == sorted(CATEGORIES)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    for number, names in enumerate(folds):
        assert not set(names) & set(outside(number))
        assert {CATEGORIES[name].kind for name in names} >= {"animal", "object"}


def test_episodes_hold_their_category_in_every_scene():
    for seed in range(8):
        drawn = episode(seed, seed % FOLDS, shots=3, queries=2)
        assert drawn == episode(seed, seed % FOLDS, shots=3, queries=2)
        assert drawn.category in fold(seed % FOLDS)
        assert (len(drawn.support), len(drawn.query)) == (3, 2)
        for scene in (*drawn.support, *drawn.query):
            names = [thing.look.category for thing in scene.things]
            assert names.count(drawn.category) == 1
            assert len(names) > 1
    assert len({s.seed for k in range(8) for s in episode(k, 0).support}) == 8


def test_a_search_has_others_of_the_class_in_every_scene():
    for seed in range(6):
        task = search(seed, positives=2, negatives=3)
        for scene in (task.reference, *task.positives):
            assert scene.things[0].look == task.look
            assert {thing.look.category for thing in scene.things} == {task.look.category}
            assert len(scene.things) == 2
        for scene in task.negatives:
            assert task.look not in [thing.look for thing in scene.things]
            assert {thing.look.category for thing in scene.things} == {task.look.category}


def test_near_distractors_are_alike_in_every_word():
    look = individual(5, "cat")
    others = distractors(look, 20, seed=1)
    assert len({*others, look}) == 21
    scene = sample(0, looks=[look])
    for other in others:
        twin = sample(0, looks=[other])
        for role in ("noun", "colour", "pattern"):
            assert word_for(scene.things[0], role) == word_for(twin.things[0], role)
        assert replace(other, patch=look.patch, marks=look.marks, build=look.build) == look
    assert len({other.colour for other in distractors(look, 30, seed=1, near=False)}) > 3


def test_individuals_persist_and_differ_in_pixels():
    look = individual(9, "dog")
    assert look == individual(9, "dog")
    scene = sample(4, looks=[look])
    picture = render(scene).picture
    for other in distractors(look, 5, seed=2):
        changed = render(sample(4, looks=[other])).picture
        assert (np.abs(picture.astype(int) - changed.astype(int)).max(axis=2) > 30).sum() > 40


def test_impossible_episodes_are_refused():
    with pytest.raises(InputError, match="0 to 3"):
        fold(4)
    with pytest.raises(InputError, match="shots"):
        episode(0, 0, shots=0)
