"""Learned words are tokens of their own, one or several, in a copy of a tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from innerlight.prompts import LearnedWord, tokenise, tokens_of_word, with_names
from innerlight.types import InputError, NotFoundError


def word(name: str = "<toy>", *shape: int) -> LearnedWord:
    return LearnedWord(name, (torch.zeros(shape or (1, 4)),))


def takes(words: dict[str, int], **tokens: int) -> dict[int, int]:
    return {words[f"<{name}>"]: count for name, count in tokens.items()}


def test_a_name_is_one_token_in_a_copy(tokenizer: Any):
    before = len(tokenizer)
    wider, ids = with_names(tokenizer, [word("<toy>"), word("<hat>")])
    assert ids == {"<toy>": before, "<hat>": before + 1}
    assert len(tokenizer) == before
    tokens = tokenise(wider, "a <toy>'s <hat>, <toy>")
    assert tokens_of_word(tokens, "<toy>") == (2, tokens.end - 1)
    assert [tokens.ids[at] for at in tokens_of_word(tokens, "<hat>")] == [before + 1]


def test_a_word_of_several_tokens_moves_what_follows_it(tokenizer: Any):
    wider, ids = with_names(tokenizer, [word("<toy>", 3, 4)])
    first = ids["<toy>"]
    one = tokenise(wider, "a <toy> on grass")
    three = tokenise(wider, "a <toy> on grass", takes(ids, toy=3))
    at = tokens_of_word(three, "<toy>")
    assert [three.ids[place] for place in at] == [first, first + 1, first + 2]
    assert {three.spans[place] for place in at} == {(2, 7)}
    assert three.end == one.end + 2
    assert [three.ids[place] for place in tokens_of_word(three, "grass")] == [
        one.ids[place] for place in tokens_of_word(one, "grass")
    ]
    assert len(three.ids) == len(one.ids) == len(three.spans)


def test_what_a_word_pushes_out_is_told(tokenizer: Any):
    wider, ids = with_names(tokenizer, [word("<toy>", 3, 4)])
    tokens = tokenise(wider, "<toy> " + "cat " * 73, takes(ids, toy=3))
    assert (len(tokens.ids), tokens.end) == (77, 76)
    assert tokens.truncated == "cat "
    halved = tokenise(wider, "cat " * 73 + "<toy>", takes(ids, toy=3))
    assert halved.truncated == "<toy>"
    with pytest.raises(NotFoundError, match="beyond"):
        tokens_of_word(halved, "<toy>")


@pytest.mark.parametrize("name", ["toy", "<to y>", "", "<>", "<<toy>>"])
def test_a_name_stands_in_brackets(name: str):
    with pytest.raises(InputError, match="angle brackets"):
        word(name)


@pytest.mark.parametrize("shape", [(4,), (0, 4), (1, 2, 3, 4)])
def test_vectors_have_their_shape(shape: tuple[int, ...]):
    with pytest.raises(InputError, match="expected vectors"):
        word("<toy>", *shape)


def test_as_many_for_each_encoder():
    with pytest.raises(InputError, match="as many vectors"):
        LearnedWord("<toy>", (torch.zeros(1, 4), torch.zeros(2, 8)))


def test_a_name_that_is_known_is_refused(tokenizer: Any):
    wider, _ = with_names(tokenizer, [word("<toy>", 2, 4)])
    for name in ("<toy>", "<toy>_1"):
        assert name in wider.get_vocab()
    with pytest.raises(InputError, match="choose another name"):
        with_names(wider, [word("<toy>")])
    with pytest.raises(InputError, match="choose another name"):
        with_names(tokenizer, [word("<toy>"), word("<toy>")])


def test_the_hash_is_of_name_and_vectors():
    assert word("<toy>").hash == word("<toy>").hash
    others = [word("<hat>"), word("<toy>", 2, 4), LearnedWord("<toy>", (torch.ones(1, 4),))]
    assert len({word("<toy>").hash, *(other.hash for other in others)}) == 4


def test_names_that_differ_in_capitals_alone_are_one(tokenizer: Any):
    """Tokenizers read capitals as small letters: the second would stand for both."""
    with pytest.raises(InputError, match=r"<toy>.*choose another name"):
        with_names(tokenizer, [word("<toy>"), word("<Toy>")])
