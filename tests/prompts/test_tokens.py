"""Tokens know their characters, words their tokens, whatever is typed."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerlight.embedded.vocabulary import NOUNS
from innerlight.prompts import Phrase, Tokens, tokenise, tokens_of_word
from innerlight.types import InputError, NotFoundError, Span
from innerlight.world import caption, sample

CAFE = "cafe\N{COMBINING ACUTE ACCENT}"
CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from("aA1 \n\t'-.,<>_éßİ日😀\N{COMBINING ACUTE ACCENT}\N{ZERO WIDTH JOINER}"),
)
TEXTS = st.text(CHARACTERS, max_size=30)


def pieces(tokens: Tokens) -> list[str]:
    """The characters of each token of the text."""
    return [tokens.text[span[0] : span[1]] for span in tokens.spans if span]


def words(tokens: Tokens, positions: tuple[int, ...]) -> str:
    spans = [tokens.spans[position] for position in positions]
    return "".join(tokens.text[span[0] : span[1]] for span in spans if span)


@pytest.mark.parametrize("text", ["", "a cat", "A  Red\n cat,\tstriped-cat!", "the cat's 12 dogs", "“Zebra” on grass"])
def test_tokens_stand_between_marks_and_spell_the_text(tokenizer: Any, text: str):
    tokens = tokenise(tokenizer, text)
    assert len(tokens.ids) == len(tokens.spans) == 77
    assert tokens.ids[0] == tokenizer.bos_token_id
    assert tokens.ids.index(tokenizer.eos_token_id) == tokens.end
    assert tokens.spans[0] is None
    assert set(tokens.spans[tokens.end :]) == {None}
    assert None not in tokens.spans[1 : tokens.end]
    assert list(tokens.ids) == tokenizer(text, padding="max_length").input_ids
    assert tokens.truncated == ""
    shown = "".join(dict.fromkeys(text.split()))
    assert set("".join(pieces(tokens))) == set(shown)


def test_spans_hold_the_characters_as_they_are_written(tokenizer: Any):
    assert pieces(tokenise(tokenizer, "  A  Red\n CAT , ")) == ["A", "Red", "CAT", ","]


@given(text=TEXTS)
def test_every_character_that_fits_has_a_token_and_no_blank_has(tokenizer: Any, text: str):
    tokens = tokenise(tokenizer, text)
    spans = [span for span in tokens.spans if span]
    assert spans == sorted(spans)
    covered = {place for start, end in spans for place in range(start, end)}
    for place, character in enumerate(text[: tokens.fits]):
        # the tokenizer and Python disagree on whether U+001C to U+001F are blanks
        assert (place in covered) != character.isspace() or "\x1c" <= character <= "\x1f"


@given(text=TEXTS, tail=st.sampled_from(["", "!", " x", "\n"]))
def test_a_word_set_into_any_text_is_found(tokenizer: Any, text: str, tail: str):
    whole = f"{text[:8]} Zebra {tail}"
    tokens = tokenise(tokenizer, whole)
    found = tokens_of_word(tokens, "zebra", occurrence=0)
    assert words(tokens, found) == "Zebra"
    assert found == tuple(range(found[0], found[-1] + 1))


def test_an_accent_typed_by_itself_belongs_to_its_letter(tokenizer: Any):
    tokens = tokenise(tokenizer, f"a {CAFE} bar")
    assert {span for span in tokens.spans if span and span[0] >= 5 and span[0] < 7} == {(5, 7)}
    assert tokens.ids == tokenise(tokenizer, unicodedata.normalize("NFC", f"a {CAFE} bar")).ids
    assert tokens_of_word(tokens, CAFE) == tokens_of_word(tokens, unicodedata.normalize("NFC", CAFE))
    with pytest.raises(NotFoundError):
        tokens_of_word(tokens, "cafe")


def test_an_accent_that_is_a_token_of_its_own_keeps_its_place(tokenizer: Any):
    """No composed letter exists for q with an acute accent."""
    assert dict.fromkeys(pieces(tokenise(tokenizer, "q\N{COMBINING ACUTE ACCENT}"))).keys() == {
        "q",
        "\N{COMBINING ACUTE ACCENT}",
    }


def test_what_does_not_fit_is_told(tokenizer: Any):
    tokens = tokenise(tokenizer, "cat " * 74 + "The red Grass ")
    assert tokens.end == 76
    assert tokens.truncated == tokens.text[tokens.fits :] == "red Grass "
    assert tokens_of_word(tokens, "the") == (75,)
    with pytest.raises(NotFoundError, match="beyond the 77 tokens"):
        tokens_of_word(tokens, "grass")
    with pytest.raises(NotFoundError, match="'red Grass ' did not fit"):
        tokens_of_word(tokens, Span(tokens.fits - 2, tokens.fits + 3, None, "noun"))


def test_a_word_that_is_cut_in_two_did_not_fit(tokenizer: Any):
    split = next(word for word in NOUNS if len(tokenizer.tokenize(word)) > 1)
    tokens = tokenise(tokenizer, f"{split} " + "cat " * (74 - len(tokenizer.tokenize(split))) + split)
    assert tokens.truncated
    assert split.endswith(tokens.truncated)
    first = tokens_of_word(tokens, split)
    assert words(tokens, first) == split
    assert tokens_of_word(tokens, split, occurrence=0) == first
    with pytest.raises(NotFoundError, match="beyond"):
        tokens_of_word(tokens, split, occurrence=1)


def test_a_character_that_is_cut_in_two_did_not_fit(tokenizer: Any):
    tokens = tokenise(tokenizer, "cat " * 73 + "😀")
    assert tokens.truncated == "😀"


@given(seed=st.integers(0, 99_999))
def test_marked_words_of_captions_are_found(tokenizer: Any, seed: int):
    told = caption(sample(seed), "medium")
    tokens = tokenise(tokenizer, told.text)
    for span in told.spans:
        if span.end <= tokens.fits:
            assert words(tokens, tokens_of_word(tokens, span)) == told.text[span.start : span.end].replace(" ", "")


def test_words_are_found_whole_and_in_any_capitals(tokenizer: Any):
    tokens = tokenise(tokenizer, "A Cat, a caterpillar, concat and the CAT's t-shirt; Red cat")
    assert words(tokens, tokens_of_word(tokens, "cat")) == "CatCATcat"
    assert words(tokens, tokens_of_word(tokens, "cat", occurrence=1)) == "CAT"
    assert words(tokens, tokens_of_word(tokens, "T-Shirt")) == "t-shirt"
    assert words(tokens, tokens_of_word(tokens, "red  cat")) == "Redcat"


def test_several_words_may_stand_over_a_line(tokenizer: Any):
    tokens = tokenise(tokenizer, "a yellow\n  clock")
    assert words(tokens, tokens_of_word(tokens, "yellow clock")) == "yellowclock"


def test_phrases_and_placeholders_have_tokens(tokenizer: Any):
    tokens = tokenise(tokenizer, "a <toy> on the grass")
    assert words(tokens, tokens_of_word(tokens, "<toy>")) == "<toy>"
    assert words(tokens, tokens_of_word(tokens, Phrase("the grass", 11, 20, 15, 20))) == "thegrass"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("dgo", "'dgo' is not in the text, whose words are A, red, dog, and, a, clock; nearest: 'dog'"),
        ("the clok", "nearest: 'a clock'"),
        ("do", "nearest: 'dog'"),
        ("a b c d e f g h i j", "is not in the text"),
    ],
)
def test_absent_words_are_named_with_the_nearest(tokenizer: Any, word: str, message: str):
    with pytest.raises(NotFoundError, match=message):
        tokens_of_word(tokenise(tokenizer, "A red dog and a clock"), word)


def test_other_mistakes_are_refused(tokenizer: Any):
    tokens = tokenise(tokenizer, "a cat  and a cat")
    with pytest.raises(NotFoundError, match="2 times; there is no occurrence 2"):
        tokens_of_word(tokens, "cat", occurrence=2)
    with pytest.raises(NotFoundError, match="no words"):
        tokens_of_word(tokenise(tokenizer, ""), "cat")
    with pytest.raises(InputError, match="expected one or several words"):
        tokens_of_word(tokens, " ")
    with pytest.raises(InputError, match="0 to 16"):
        tokens_of_word(tokens, Span(10, 17, None, "noun"))
    with pytest.raises(InputError, match="occurrence"):
        tokens_of_word(tokens, Span(2, 5, None, "noun"), occurrence=0)
    with pytest.raises(NotFoundError, match="have no tokens"):
        tokens_of_word(tokens, Span(5, 7, None, "noun"))


def test_texts_that_no_tokenizer_can_read_are_refused(tokenizer: Any):
    with pytest.raises(InputError, match="leave it out"):
        tokenise(tokenizer, "a <|endoftext|> cat")
    with pytest.raises(InputError, match="surrogate"):
        tokenise(tokenizer, "a \ud800 cat")


def test_a_tokenizer_without_a_limit_is_refused(tokenizer: Any):
    class Endless:
        model_max_length = int(1e30)

    with pytest.raises(InputError, match="CLIP's 77"):
        tokenise(Endless(), "a cat")
