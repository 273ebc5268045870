"""A tokenizer that splits half of its words, learnt in a moment."""

from __future__ import annotations

from typing import Any

import pytest

from innerlight.backbones.building import build_tokenizer
from innerlight.embedded.vocabulary import count_words, learn_merges, vocabulary


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    merges = learn_merges(count_words(["a red cat on the grass"]))
    return build_tokenizer(vocabulary(merges), merges)
