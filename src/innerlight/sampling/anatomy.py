"""What the states of a prompt carry, position by position, and states changed by hand.

A text encoder that looks back only leaves in every state all that stands before it: in the end mark the whole prompt,
and again in what fills up behind. Groups of positions: "bos", the mark at 0; "words", with the first end mark; "pads".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.prompts import Tokens, tokens_of_word
from innerlight.types import InputError

GROUPS = ("bos", "words", "pads")
STANDS_IN = ("the", "a")  # for a token that is taken away to see what it reaches; the second for the first itself


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Of one prompt: its tokens, where each one reaches, and how many directions its states have."""

    tokens: Tokens  # of the first text encoder
    reach: Tensor  # (words, positions): how far each state moves when a word's token is another
    spectra: Mapping[str, Tensor]  # by group and of all: singular values of its states, falling


def anatomy(backbone: Backbone, prompt: str) -> Anatomy:
    """What the states of a prompt carry."""
    (tokens,) = backbone.embed(prompt).tokens[0][:1]
    (first, *_) = backbone.texts
    usual, instead = (first.cut(word).ids[1] for word in STANDS_IN)
    altered = [tokens]
    for position in range(1, tokens.end):
        ids = list(tokens.ids)
        ids[position] = instead if ids[position] == usual else usual
        altered.append(replace(tokens, ids=tuple(ids)))
    with torch.no_grad():  # in one batch, whose rows are rounded alike
        states, _ = first.read(altered, next(first.model.parameters()).device)
    reach = (states[1:] - states[:1]).norm(dim=-1)
    spectra = {name: torch.linalg.svdvals(states[0, where]) for name, where in positions_of(tokens).items()}
    return Anatomy(tokens, reach, {**spectra, "all": torch.linalg.svdvals(states[0])})


def positions_of(tokens: Tokens, end: int | None = None) -> dict[str, list[int]]:
    """The positions of each group; `end`, that of a longer prompt."""
    end = tokens.end if end is None else end
    return {"bos": [0], "words": list(range(1, end + 1)), "pads": list(range(end + 1, len(tokens.ids)))}


def chosen(tokens: Tokens, names: Sequence[str]) -> list[int]:
    """The positions of groups, and of words of the prompt."""
    groups = positions_of(tokens)
    return [
        position for name in names for position in (groups[name] if name in groups else tokens_of_word(tokens, name))
    ]


def swapped(states: Tensor, other: Tensor, positions: Sequence[int], share: float = 1.0) -> Tensor:
    """States (tokens, width), at some positions those of another prompt, or between the two; 0 and 1 to the bit."""
    weight = torch.zeros(len(states), 1, device=states.device)
    weight[list(positions)] = share
    return torch.where(weight == 1, other, torch.where(weight == 0, states, states + weight * (other - states)))


def faded(states: Tensor, empty: Tensor, positions: Sequence[int], factor: float) -> Tensor:
    """What some positions say beside the prompt that says nothing, times a factor: 0 mutes them, 2 says it twice."""
    if factor == 1:
        return states
    where = torch.zeros(len(states), 1, dtype=torch.bool, device=states.device)
    where[list(positions)] = True
    return torch.where(where, empty + factor * (states - empty), states)


def moved(states: Tensor, component: int, strength: float) -> Tensor:
    """E + strength sigma_k u_k v_k: -1 takes a direction away, 1 doubles it."""
    if strength == 0:
        return states
    if not 0 <= component < min(states.shape):
        raise InputError(f"component: these states have directions 0 to {min(states.shape) - 1}, got {component}")
    u, sigma, v = torch.linalg.svd(states, full_matrices=False)
    return states + strength * sigma[component] * torch.outer(u[:, component], v[component])
