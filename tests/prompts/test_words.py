"""Words, and those that a vocabulary lacks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from innerlight.prompts import Unknown, unknown_words
from innerlight.prompts.words import words_of
from innerlight.world import caption, sample


def test_what_a_word_is():
    text = "The cat's t-shirt, <toy-1> don’t; 12 हिन्दी_ok \N{GRINNING FACE}"
    assert [word.text for word in words_of(text)] == ["The", "cat", "t-shirt", "<toy-1>", "don’t", "12", "हिन्दी", "ok"]
    assert [word.text for word in words_of(text) if word.possessive] == ["cat"]
    assert not words_of(" ,. -- '' ")


@given(text=st.text(st.sampled_from("ab -'’s<>,.éA\n"), max_size=30))
def test_words_are_where_they_say(text: str):
    place = 0
    for word in words_of(text):
        assert text[word.start : word.end] == word.text
        assert place <= word.start < word.end
        place = word.end


def test_unknown_words_come_once_with_the_three_nearest():
    known = ["red", "chair", "clock", "left of", "a", "the"]
    found = unknown_words("A Rad chair left of the chiar, a rad", known)
    assert [(one.word, one.start, one.end) for one in found] == [("Rad", 2, 5), ("chiar", 24, 29)]
    assert [one.nearest[0] for one in found] == ["red", "chair"]
    assert all(len(one.nearest) == 3 for one in found)


def test_compounds_are_known_by_their_parts():
    assert not unknown_words("a red-cat's t-shirt", ["a", "red", "cat", "t-shirt"])
    assert [one.word for one in unknown_words("red-dog", ["red", "cat"])] == ["red-dog"]


def test_nothing_known_leaves_nothing_to_suggest():
    assert unknown_words("cat", []) == (Unknown("cat", 0, 3, ()),)
    assert not unknown_words("", ["cat"])


@given(seed=st.integers(0, 99_999))
def test_captions_know_their_own_words(seed: int):
    text = caption(sample(seed), "long").text
    assert not unknown_words(text.upper(), [text])
