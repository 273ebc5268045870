"""Learned words: names that stand, in a prompt, for vectors of one's own in the place of token embeddings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from innerlight.types import InputError

if TYPE_CHECKING:
    from torch import Tensor

_NAME = re.compile(r"<[^<>\s]+>")


@dataclass(frozen=True, eq=False)
class LearnedWord:
    """What `name` stands for: for each text encoder as many vectors as it takes tokens, (tokens, d); or, where each
    place at which a network reads its prompt has vectors of its own, (places, tokens, d).
    """

    name: str  # "<toy>", as it is written in prompts
    vectors: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(f"name: expected a word in angle brackets such as <toy>, got {self.name!r:.60}")
        shapes = [tuple(one.shape) for one in self.vectors]
        if not shapes or any(len(shape) not in (2, 3) or 0 in shape for shape in shapes):
            raise InputError(f"{self.name}: expected vectors (tokens, d) or (places, tokens, d), got {shapes}")
        if len({shape[:-1] for shape in shapes}) != 1:
            raise InputError(f"{self.name}: expected as many vectors for each text encoder, got {shapes}")

    @property
    def tokens(self) -> int:
        """How many tokens it takes."""
        return self.vectors[0].shape[-2]

    @property
    def places(self) -> int | None:
        """How many places have vectors of their own; None: all share one."""
        return self.vectors[0].shape[0] if self.vectors[0].ndim == 3 else None

    def at(self, place: int) -> LearnedWord:
        """The word as one place reads it, for all places alike: one that files of all kinds can hold."""
        if self.places is None or not 0 <= place < self.places:
            raise InputError(f"place: {self.name} has vectors for {self.places or 'no'} places, got {place}")
        return LearnedWord(self.name, tuple(one[place] for one in self.vectors))

    @property
    def hash(self) -> str:
        """Of name and vectors."""
        told = hashlib.sha256(self.name.encode())
        for vectors in self.vectors:
            told.update(f"{tuple(vectors.shape)}".encode() + vectors.detach().float().cpu().numpy().tobytes())
        return told.hexdigest()[:16]

    @property
    def pieces(self) -> tuple[str, ...]:
        """The tokens' names: as stock libraries call those behind the first."""
        return (self.name, *(f"{self.name}_{number}" for number in range(1, self.tokens)))


def with_names(tokenizer: Any, words: Iterable[LearnedWord]) -> tuple[Any, dict[str, int]]:
    """A copy of a tokenizer that reads the words' names as tokens of their own, and the id of each one's first."""
    wider, ids = deepcopy(tokenizer), {}
    for word in words:
        known = {one.casefold() for one in wider.get_vocab()}  # most tokenizers read capitals as small letters
        for piece in word.pieces:
            if piece.casefold() in known:
                raise InputError(f"{word.name}: the tokenizer knows {piece.casefold()!r} already; choose another name")
        ids[word.name] = len(wider)
        wider.add_tokens(list(word.pieces))
        assert wider.convert_tokens_to_ids(list(word.pieces)) == _following(ids[word.name], word.tokens)
    return wider, ids


def _following(first: int, count: int) -> Sequence[int]:
    return list(range(first, first + count))
