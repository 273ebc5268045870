"""Altered pairs differ where they should, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerlight.types import InputError
from innerlight.world import truth
from innerlight.world.alter import CHANGES, alter, alterable
from innerlight.world.draw import render
from innerlight.world.figures import box_of
from innerlight.world.sample import sample

SEEDS = st.integers(0, 99_999)


@given(seed=SEEDS, change=st.sampled_from(CHANGES[:4]), side=st.sampled_from([64, 128, 200]))
def test_only_the_altered_thing_and_its_shadow_change(seed: int, change: str, side: int):
    scene = sample(seed)
    if not alterable(scene, change):
        return
    pair = alter(scene, change, seed)
    before, after = (render(s, side, side) for s in (pair.before, pair.after))
    assert pair.thing is not None
    allowed = np.zeros((side, side), bool)
    for drawn in (before, after):
        allowed |= truth.footprint(drawn, pair.thing) | truth.shadow(drawn, pair.thing)
    differs = (before.picture != after.picture).any(axis=2)
    assert not (differs & ~allowed).any()
    assert differs.any() or not (truth.instances(before) == pair.thing + 1).any()


@given(seed=SEEDS, name=st.sampled_from(["apple", "house", "mug", "elephant", "ball"]))
def test_a_footprint_is_the_mask_and_little_more(seed: int, name: str):
    drawn = render(sample(seed, categories=[name]), 256, 256)
    mask, reached = truth.instances(drawn) == 1, truth.footprint(drawn, 0)
    assert not (mask & ~reached).any()
    assert reached.sum() < 1.2 * mask.sum()


@given(seed=SEEDS, change=st.sampled_from(["setting", "style"]))
def test_another_setting_or_style_moves_nothing(seed: int, change: str):
    pair = alter(sample(seed), change, seed)
    before, after = render(pair.before), render(pair.after)
    assert (before.owners == after.owners).all()
    assert (before.picture != after.picture).any(axis=2).mean() > 0.2
    assert (pair.old, pair.new) == (getattr(pair.before, change), getattr(pair.after, change))


@given(seed=SEEDS, change=st.sampled_from(CHANGES[:4]))
def test_one_value_changes_and_the_captions_say_it(seed: int, change: str):
    scene = sample(seed)
    if not alterable(scene, change):
        return
    pair = alter(scene, change, seed)
    assert pair.thing is not None
    assert pair.old != pair.new
    for number, (old, new) in enumerate(zip(pair.before.things, pair.after.things, strict=True)):
        assert (old == new) == (number != pair.thing)
    before, after = pair.captions("medium")
    role = "noun" if change == "thing" else change
    said = after.words(pair.thing, role)
    assert said or change in ("pose",), "the plain pose has no word"
    if change == "colour" and before.words(pair.thing, role):
        assert before.text.replace(pair.old, "X", 1).split() != after.text.split()


@given(seed=SEEDS, change=st.sampled_from(["pose", "thing"]))
def test_what_changes_shape_stays_on_the_canvas(seed: int, change: str):
    scene = sample(seed)
    for thing in alterable(scene, change):
        left, top, right, bottom = box_of(alter(scene, change, seed, thing=thing).after.things[thing])
        assert left >= -2 and top >= -2 and right <= scene.width + 2 and bottom <= scene.height + 2  # noqa: PT018


def test_a_giraffe_with_a_zebras_coat():
    scene = sample(8, categories=["giraffe"])
    striped = alter(alter(scene, "pattern", to="striped").after, "colour", to="white").after
    assert (striped.things[0].look.pattern, striped.things[0].look.colour) == ("striped", "white")
    assert striped.things[0].span == scene.things[0].span


def test_what_cannot_change_alone_is_refused():
    scene = sample(5, categories=["frog", "mug"], arrangement="in")
    with pytest.raises(InputError, match="cannot change alone"):
        alter(scene, "pose", thing=0)
    with pytest.raises(InputError, match="expected one of"):
        alter(scene, "smell")
    with pytest.raises(InputError, match="expected one of"):
        alter(scene, "colour", to="plaid")
