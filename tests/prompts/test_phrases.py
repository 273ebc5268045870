"""Noun phrases of prompts and captions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerlight.prompts import Phrase, noun_phrases
from innerlight.types import InputError
from innerlight.world import caption, sample


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("a red chair and a yellow clock", {"a red chair": "chair", "a yellow clock": "clock"}),
        ("a cat on the grass", {"a cat": "cat", "the grass": "grass"}),
        ("dog", {"dog": "dog"}),
        ("A Photo of two cats", {"A Photo": "Photo", "two cats": "cats"}),
        ("a red and blue ball", {"a red and blue ball": "ball"}),
        ("a large, red ball, a cat", {"a large, red ball": "ball", "a cat": "cat"}),
        ("a cat sitting on a swimming pool", {"a cat": "cat", "a swimming pool": "pool"}),
        ("a car parked in a covered garage", {"a car": "car", "a covered garage": "garage"}),
        ("a table to the right of an orange horse", {"a table": "table", "an orange horse": "horse"}),
        ("an orange and a ball", {"an orange": "orange", "a ball": "ball"}),
        ("a cat in front of a dog, a frog on the left", {"a cat": "cat", "a dog": "dog", "a frog": "frog"}),
        ("the front of the house", {"the front": "front", "the house": "house"}),
        ("the cat's ear", {"the cat's ear": "ear"}),
        ("a black-and-white cat", {"a black-and-white cat": "cat"}),
        ("a 'red' hat (and <toy>)", {"a 'red' hat": "hat", "<toy>": "<toy>"}),
        ("3 dogs; all the fluffy birds", {"3 dogs": "dogs", "all the fluffy birds": "birds"}),
        ("the chair is red", {"the chair": "chair"}),
        ("a red ring, a bed", {"a red ring": "ring", "a bed": "bed"}),
        ("a chair red, in it", {"a chair": "chair"}),
        ("very red and, the", {}),
        ("", {}),
    ],
)
def test_phrases_and_their_heads(text: str, phrases: dict[str, str]):
    assert {phrase.text: phrase.head for phrase in noun_phrases(text)} == phrases


@given(seed=st.integers(0, 99_999), length=st.sampled_from(["short", "medium", "long"]))
def test_things_and_settings_of_captions_are_heads(seed: int, length: str):
    told = caption(sample(seed), length)
    heads = {(phrase.head_start, phrase.head_end) for phrase in noun_phrases(told.text)}
    marked = {(span.start, span.end) for span in told.spans if span.role in ("noun", "setting", "style")}
    assert heads == marked


@given(seed=st.integers(0, 99_999))
def test_the_words_of_a_thing_lie_in_its_phrase(seed: int):
    told = caption(sample(seed), "long")
    phrases = noun_phrases(told.text)
    for noun in (span for span in told.spans if span.role == "noun"):
        (phrase,) = [one for one in phrases if one.head_start == noun.start]
        for span in told.spans:
            if span.thing == noun.thing and span.role in ("colour", "pattern", "size", "pose"):
                assert phrase.start <= span.start < span.end <= phrase.end


@given(text=st.text(max_size=40) | st.text(st.sampled_from("a and the red cat's , . in sitting"), max_size=40))
def test_phrases_lie_in_the_text_in_order(text: str):
    place = 0
    for phrase in noun_phrases(text):
        assert place <= phrase.start <= phrase.head_start < phrase.head_end == phrase.end
        assert text[phrase.start : phrase.end] == phrase.text
        place = phrase.end


def test_a_parser_takes_the_place_of_the_rules():
    whole = Phrase("a red cat", 0, 9, 6, 9)
    assert noun_phrases("a red cat", lambda text: [whole]) == (whole,)
    with pytest.raises(InputError, match="check its offsets"):
        noun_phrases("one red cat", lambda text: [whole])
