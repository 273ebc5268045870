"""The tokenizer: its own words, some of them split, the layout that transformers opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerlight.backbones.building import build_tokenizer, open_tokenizer
from innerlight.embedded.vocabulary import ADJECTIVES, NOUNS, count_words, enough_split, learn_merges, vocabulary
from innerlight.types import NotFoundError
from innerlight.world import caption, sample


@pytest.fixture(scope="module")
def tokenizer():
    merges = learn_merges(count_words(caption(sample(seed)).text for seed in range(200)))
    return build_tokenizer(vocabulary(merges), merges)


def test_enough_nouns_and_adjectives_are_split_and_most_are_not(tokenizer):
    pieces = {word: tokenizer.tokenize(word) for word in (*NOUNS, *ADJECTIVES)}
    assert enough_split(pieces)
    assert sum(len(parts) == 1 for parts in pieces.values()) > len(pieces) // 2


def test_captions_come_back_and_words_are_found_by_offsets(tokenizer):
    text = "a purple striped giraffe, two butterflies"
    read = tokenizer(text, return_offsets_mapping=True)
    assert tokenizer.decode(read["input_ids"], skip_special_tokens=True) == text.replace(",", " ,")
    giraffe = range(text.index("giraffe"), text.index(","))
    pieces = [(start, end) for start, end in read["offset_mapping"] if start in giraffe and end > start]
    assert "".join(text[start:end] for start, end in pieces) == "giraffe"


def test_texts_are_filled_to_77_with_end_marks(tokenizer):
    tokens = tokenizer("a cat", padding="max_length")["input_ids"]
    assert len(tokens) == 77
    assert tokens[0] == tokenizer.bos_token_id
    assert set(tokens[-70:]) == {tokenizer.eos_token_id}


def test_it_is_saved_and_opened(tokenizer, tmp_path: Path):
    tokenizer.save_pretrained(tmp_path)
    assert open_tokenizer(tmp_path)("a red frog").input_ids == tokenizer("a red frog").input_ids
    with pytest.raises(NotFoundError, match="train it first"):
        open_tokenizer(tmp_path / "elsewhere")


def test_merging_follows_the_counts():
    merges = learn_merges({**dict.fromkeys((*NOUNS, *ADJECTIVES), 1), "zzzz": 1000})
    assert merges[0] in {("z", "z"), ("z", "z</w>")}
    assert vocabulary(merges)["zz"] >= 512
