"""Altered pairs differ where they should, and nowhere else."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerlight.types import Caption, InputError
from innerlight.world import truth
from innerlight.world.alteration import OF_A_THING, Altered, alter, alterable
from innerlight.world.draw import render
from innerlight.world.figures import box_of
from innerlight.world.layout import sample
from innerlight.world.relations import PLANAR
from innerlight.world.things import CATEGORIES

SEEDS = st.integers(0, 99_999)


@given(seed=SEEDS, change=st.sampled_from(OF_A_THING), side=st.sampled_from([64, 128, 200]))
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


@given(seed=SEEDS, change=st.sampled_from(OF_A_THING))
def test_one_value_of_one_thing_changes(seed: int, change: str):
    scene = sample(seed)
    if not alterable(scene, change):
        return
    pair = alter(scene, change, seed)
    assert pair.thing is not None
    assert pair.old != pair.new
    for number, (old, new) in enumerate(zip(pair.before.things, pair.after.things, strict=True)):
        assert (old == new) == (number != pair.thing)
    names = {"thing": {"look", "pose", "tilt", "span", "grounded"}, "pose": {"pose", "span"}, "size": {"size", "span"}}
    old, new = asdict(pair.before.things[pair.thing]), asdict(pair.after.things[pair.thing])
    changed = {name for name in old if old[name] != new[name]}
    assert changed <= names.get(change, {"look"})
    if change in ("colour", "pattern"):
        assert {name for name in old["look"] if old["look"][name] != new["look"][name]} == {change}


@given(seed=SEEDS, change=st.sampled_from(OF_A_THING), variant=st.integers(0, 9))
def test_the_captions_differ_in_the_changed_word_alone(seed: int, change: str, variant: int):
    scene = sample(seed, count=2, arrangement="beside")
    if not alterable(scene, change):
        return
    pair = alter(scene, change, seed)
    role = "noun" if change == "thing" else change
    before, after = pair.captions("long", variant=variant)
    if change in ("colour", "pattern", "thing"):
        assert pair.new in (*after.words(pair.thing, role), *(f"{w[:-1]}" for w in after.words(pair.thing, role)))
    gone = {"relation"} if pair.before.relations != pair.after.relations else set()
    # what a new category cannot wear or do has no word
    gone |= {"pattern", "pose"} if change == "thing" else set()
    assert other_words(before, pair, role, gone) == other_words(after, pair, role, gone)


def other_words(told: Caption, pair: Altered, role: str, gone: set[str]) -> list[tuple]:
    """The marked words that the change leaves alone: (thing, role, word in the singular)."""
    spans = [s for s in told.spans if s.role not in {"count", *gone} and (s.thing, s.role) != (pair.thing, role)]
    return sorted((s.thing is None, s.thing, s.role, told.text[s.start : s.end].removesuffix("s")) for s in spans)


@given(seed=SEEDS)
def test_in_another_setting_things_stand_or_float_as_they_should(seed: int):
    after = alter(sample(seed), "setting", seed).after
    for number, thing in enumerate(after.things):
        floats = after.setting in CATEGORIES[thing.look.category].floats
        bound = {k for r in after.relations if r.name not in PLANAR for k in (r.subject, r.object)}
        if number not in bound:
            assert thing.grounded != floats
            assert floats or after.setting == "sky" or thing.y >= after.horizon


@given(seed=SEEDS, change=st.sampled_from(["pose", "size", "thing"]))
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
    with pytest.raises(InputError, match="can change its pose alone"):
        alter(scene, "pose", thing=0)
    with pytest.raises(InputError, match="that of"):
        alter(sample(1, categories=["zebra", "dog"], arrangement="beside"), "pattern", thing=0)
    with pytest.raises(InputError, match=r"expected one of colour.*style"):
        alter(scene, "smell")
    with pytest.raises(InputError, match="leave `thing` out"):
        alter(scene, "setting", thing=0)
    with pytest.raises(InputError, match="can change its pattern alone"):
        alter(sample(1, categories=["zebra"]), "pattern")
    with pytest.raises(InputError, match="expected one of"):
        alter(scene, "colour", to="plaid")
