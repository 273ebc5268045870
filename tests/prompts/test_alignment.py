"""Which tokens of one prompt stand where those of another do."""

from __future__ import annotations

import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.prompts import Tokens, aligned, refined_words, replaced_words, tokens_of_word
from innerlight.types import InputError


@pytest.fixture
def cut(small: Backbone):
    def cut(text: str) -> Tokens:
        return small.embed(text).tokens[0][0]

    return cut


def test_a_swapped_word_stands_where_the_other_did(cut):
    source, target = cut("a dog on the grass"), cut("a a on the grass")  # each word but the last is one token
    found = replaced_words(source, target)
    assert source.end == target.end
    assert found.identity
    assert torch.equal(found.mapper.sum(0), torch.ones(77))


@pytest.mark.parametrize(("old", "new"), [("cat", "hippopotamus"), ("hippopotamus", "cat"), ("frog", "wheelbarrow")])
def test_words_of_different_lengths_share_their_mass(cut, old: str, new: str):
    """Later words still read their own counterparts, and no mass is lost or counted twice."""
    source, target = cut(f"a {old} on the grass"), cut(f"a {new} on the grass")
    before, after = tokens_of_word(source, old), tokens_of_word(target, new)
    found = replaced_words(source, target)
    assert torch.allclose(found.mapper.sum(1), torch.ones(77))
    assert torch.allclose(found.mapper[list(before)][:, list(after)].sum(1), torch.ones(len(before)))
    for word in ("on", "the", "grass"):
        one, other = tokens_of_word(source, word), tokens_of_word(target, word)
        assert torch.equal(found.mapper[list(one)][:, list(other)], torch.eye(len(one)))
    if len(before) != len(after):
        expected = torch.full((len(before), len(after)), 1 / len(after))
        assert torch.equal(found.mapper[list(before)][:, list(after)], expected)
    maps = torch.rand(5, 77).softmax(-1)
    assert torch.allclose((maps @ found.mapper).sum(-1), torch.ones(5), atol=1e-6)


def test_at_least_one_pair_above_differs_in_length(cut):
    assert len(tokens_of_word(cut("a cat"), "cat")) != len(tokens_of_word(cut("a hippopotamus"), "hippopotamus"))


def test_added_words_have_no_counterpart_and_padding_has_its_own(cut):
    source, target = cut("a cat on the grass"), cut("a big red cat on the grass")
    found = refined_words(source, target)
    added = {*tokens_of_word(target, "big"), *tokens_of_word(target, "red")}
    assert {k for k in range(77) if not found.kept[k]} == added
    for word in ("cat", "on", "grass"):
        one, other = tokens_of_word(source, word), tokens_of_word(target, word)
        assert torch.equal(found.mapper[list(one)][:, list(other)], torch.eye(len(one)))
    assert found.mapper[source.end, target.end] == 1
    assert found.mapper[:, target.end :].argmax(0).min() >= source.end  # padding never reads a word


def test_left_out_words_leave_the_others_aligned(cut):
    source, target = cut("a big red cat on the grass"), cut("a cat on the grass")
    found = refined_words(source, target)
    assert found.kept.all()
    assert found.mapper[:, target.end :].argmax(0).min() >= source.end
    assert found.mapper[list(tokens_of_word(source, "red"))].sum() == 0


def test_the_same_prompt_is_the_identity_either_way(cut):
    one = cut("a cat on the grass")
    assert replaced_words(one, one).identity
    assert refined_words(one, one).identity


def test_words_that_do_not_fit_are_not_counted(cut):
    source, target = cut(" ".join(["a"] * 45)), cut(" ".join(["hippopotamuswheelbarrow"] * 45))
    assert target.truncated
    assert not source.truncated
    assert not aligned(source, target).kept.all()


def test_the_kind_is_chosen_by_the_number_of_words(cut):
    source = cut("a cat on the grass")
    assert aligned(source, cut("a hippopotamus on the grass")).kept.all()
    assert not aligned(source, cut("a red cat on the grass")).kept.all()
    with pytest.raises(InputError, match=r"has 5, .* 6"):
        replaced_words(source, cut("a red cat on the grass"))
