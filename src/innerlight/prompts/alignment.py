"""Which tokens of one prompt stand where those of another do: word by word, or by the best alignment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from innerlight.prompts.tokens import Tokens
from innerlight.types import InputError


@dataclass(frozen=True, eq=False)
class Alignment:
    """`mapper` (source tokens, target tokens) shares the mass of each source token out among target tokens; `kept`
    (target tokens,) says which of those have a counterpart at all.
    """

    mapper: Tensor
    kept: Tensor

    @property
    def identity(self) -> bool:
        """Does each token stand for itself?"""
        return bool(self.kept.all()) and torch.equal(self.mapper, torch.eye(len(self.mapper)))


def aligned(source: Tokens, target: Tokens) -> Alignment:
    """Word by word if of both prompts as many words fit, else by the best alignment."""
    same = len(_words(source)) == len(_words(target))
    return replaced_words(source, target) if same else refined_words(source, target)


def replaced_words(source: Tokens, target: Tokens) -> Alignment:
    """Prompts of equally many words: each word of the target stands where the source's does. If their tokens differ
    in number, each token of the target's word gets an equal share of the source's word.
    """
    old, new = _words(source), _words(target)
    if len(old) != len(new):
        raise InputError(
            f"to replace words, both prompts need as many: {source.text!r} has {len(old)}, {target.text!r} {len(new)}; "
            "align them as refined (align='refine')"
        )
    mapper = torch.zeros(len(source.ids), len(target.ids))
    mapper[0, 0] = 1
    for before, after in zip(old, new, strict=True):
        _share(mapper, before, after)
    _align_ends(mapper, source, target)
    return Alignment(mapper, torch.ones(len(target.ids), dtype=torch.bool))


def refined_words(source: Tokens, target: Tokens) -> Alignment:
    """Any two prompts: token by token along the best alignment (a match 1, a mismatch -1, a gap 0); tokens that were
    added have no counterpart.
    """
    mapper = torch.zeros(len(source.ids), len(target.ids))
    mapper[0, 0] = 1
    pairs = _needleman_wunsch(source.ids[1 : source.end], target.ids[1 : target.end])
    for before, after in pairs:
        mapper[before + 1, after + 1] = 1
    for after in range(target.end, len(target.ids)):  # what fills the prompt up stands where it did
        mapper[min(source.end + after - target.end, len(source.ids) - 1), after] = 1
    return Alignment(mapper, mapper.sum(0) > 0)


def _words(tokens: Tokens) -> list[tuple[int, ...]]:
    """The positions of each word's tokens; a word is what stands between blanks. What did not fit is left out."""
    found = []
    for match in re.finditer(r"\S+", tokens.text):
        positions = tuple(
            number
            for number, span in enumerate(tokens.spans)
            if span and span[0] < match.end() and match.start() < span[1]
        )
        if positions:
            found.append(positions)
    return found


def _share(mapper: Tensor, before: Sequence[int], after: Sequence[int]) -> None:
    """Token to token, or in equal shares."""
    if len(before) == len(after):
        mapper[list(before), list(after)] = 1
    else:
        for position in before:
            mapper[position, list(after)] = 1 / len(after)


def _align_ends(mapper: Tensor, source: Tokens, target: Tokens) -> None:
    """The end mark and what fills up behind it, in order; the last of the shorter tail stands for all that is over."""
    tails = len(source.ids) - source.end, len(target.ids) - target.end
    short = min(tails)
    for k in range(short - 1):
        mapper[source.end + k, target.end + k] = 1
    olds = range(source.end + short - 1, len(source.ids))
    news = range(target.end + short - 1, len(target.ids))
    mapper[olds.start :, news.start :] = 1 / len(news)
    assert len(olds) == 1 or len(news) == 1


def _needleman_wunsch(source: Sequence[int], target: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of positions that match in the best alignment of two sequences; two gaps are better than a mismatch."""
    scores = [[0] * (len(target) + 1) for _ in range(len(source) + 1)]
    for row, one in enumerate(source, start=1):
        for column, other in enumerate(target, start=1):
            matched = scores[row - 1][column - 1] + 1 if one == other else 0
            scores[row][column] = max(matched, scores[row - 1][column], scores[row][column - 1])
    pairs, row, column = [], len(source), len(target)
    while row and column:
        if scores[row][column] == scores[row - 1][column]:
            row -= 1
        elif scores[row][column] == scores[row][column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            pairs.append((row, column))
    return pairs[::-1]
