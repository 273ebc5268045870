"""Sentences: true, marked, and discreet about what has no word."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerlight.types import InputError
from innerlight.world.captions import LENGTHS, PLURALS, SETTING_PHRASES, caption, word_for
from innerlight.world.layout import sample
from innerlight.world.palette import UNNAMED_COLOURS, UNNAMED_PATTERNS
from innerlight.world.relations import UNNAMED_RELATIONS
from innerlight.world.scene import MARKS

SEEDS = st.integers(0, 99_999)
ROLES = ("size", "colour", "pattern", "pose")


def singular(noun: str) -> set[str]:
    return {noun, noun.removesuffix("s")} | {one for one, many in PLURALS.items() if many == noun}


@given(seed=SEEDS, length=st.sampled_from(LENGTHS), variant=st.integers(0, 5))
def test_marked_words_are_the_words_of_their_things(seed: int, length: str, variant: int):
    scene = sample(seed)
    told = caption(scene, length, variant=variant)
    for span in told.spans:
        word = told.text[span.start : span.end]
        assert word == word.strip()
        if span.role == "noun":
            assert span.thing is not None
            assert scene.things[span.thing].look.category in singular(word)
        elif span.role in ROLES:
            assert span.thing is not None
            assert word_for(scene.things[span.thing], span.role) == word
        elif span.role == "setting":
            assert SETTING_PHRASES[scene.setting].endswith(word)
        elif span.role == "style":
            assert word == scene.style
    for number in range(len(scene.things)):
        assert len(told.words(number, "noun")) == 1


@given(seed=SEEDS, length=st.sampled_from(LENGTHS))
def test_a_told_relation_is_the_scenes(seed: int, length: str):
    scene = sample(seed)
    told = caption(scene, length)
    subjects = {span.thing for span in told.spans if span.role == "relation"}
    if subjects:
        (relation,) = scene.relations
        assert subjects == {relation.subject}
        words = told.words(relation.subject, "relation")
        assert relation.name.split()[0] in words
        subject, other = (
            next(s for s in told.spans if s.thing == k and s.role == "noun")
            for k in (relation.subject, relation.object)
        )
        assert subject.end < other.start


@given(seed=SEEDS, variant=st.integers(0, 3))
def test_unnamed_values_are_never_named(seed: int, variant: int):
    words = set(caption(sample(seed), "long", variant=variant).text.replace(",", "").split())
    assert not words & {*UNNAMED_COLOURS, *UNNAMED_PATTERNS, *UNNAMED_RELATIONS, *MARKS}


def test_a_missing_word_is_no_evidence():
    """P(unnamed | no word) at most 0.2, for colours, patterns and relations, over captions as they are drawn."""
    silent, unnamed = Counter(), Counter()
    for seed in range(2500):
        scene = sample(seed)
        told = caption(scene)
        for number, thing in enumerate(scene.things):
            for role, value, hidden in (
                ("colour", thing.look.colour, UNNAMED_COLOURS),
                ("pattern", thing.look.pattern, UNNAMED_PATTERNS),
            ):
                if not told.words(number, role):
                    silent[role] += 1
                    unnamed[role] += value in hidden
        if len(scene.things) == 2 and not any(span.role == "relation" for span in told.spans):
            silent["relation"] += 1
            unnamed["relation"] += any(r.name in UNNAMED_RELATIONS for r in scene.relations)
    shares = {role: unnamed[role] / silent[role] for role in silent}
    assert all(0 < share <= 0.2 for share in shares.values()), shares
    assert min(silent.values()) > 300


@given(seed=SEEDS)
def test_longer_captions_say_more(seed: int):
    scene = sample(seed, count=2)
    counts = [sum(len(caption(scene, length, variant=v).spans) for v in range(30)) for length in LENGTHS]
    assert counts[0] < counts[1] < counts[2]


def test_what_must_be_said_is_said():
    scene = sample(11, categories=["cat", "dog"])
    for variant in range(10):
        told = caption(scene, "short", variant=variant, say=[(0, "colour"), (None, "setting")])
        word = word_for(scene.things[0], "colour")
        assert told.words(0, "colour") == ((word,) if word else ())
        assert told.words(None, "setting")


def test_things_that_read_alike_are_counted():
    look = sample(0, categories=["butterfly"]).things[0].look
    told = caption(sample(1, looks=[look] * 3), "short", variant=1)
    assert "three butterflies" in told.text or "a butterfly" in told.text
    texts = {caption(sample(seed, looks=[look] * 3), "short").text for seed in range(20)}
    assert "three butterflies" in texts


def test_variants_differ_and_are_stable():
    scene = sample(5, count=3)
    texts = [caption(scene, "long", variant=v).text for v in range(8)]
    assert len(set(texts)) > 3
    assert texts == [caption(scene, "long", variant=v).text for v in range(8)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"length": "epic"}, "short"),
        ({"say": [(9, "colour")]}, "thing"),
        ({"say": [(0, "smell")]}, "pose"),
        ({"variant": -1}, "0 to"),
    ],
)
def test_bad_wishes_are_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        caption(sample(0), **wrong)
