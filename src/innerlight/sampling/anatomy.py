"""What the states of a prompt carry, position by position, and states changed by hand.

A text encoder that looks back only leaves in every state all that stands before it: in the end mark the whole prompt,
and again in what fills up behind. Groups of positions: "bos", the mark at 0; "words", with the first end mark; "pads".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone, Context, Size
from innerlight.prompts import Tokens, tokens_of_word, words_of
from innerlight.sampling.generate import default_steps, guidance_of, rows_for
from innerlight.sampling.loop import ONLY, run_steps
from innerlight.sampling.noise import draw, generators_of, seeds_of
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Ddim
from innerlight.types import InputError

GROUPS = ("bos", "words", "pads")
NULLS = ("empty", "zero")
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


@dataclass(frozen=True, eq=False)
class Muted:
    """Pictures of a prompt from one noise: as it is, and with some of its states as if they said nothing."""

    whole: Image.Image
    without: Mapping[str, Image.Image]  # by word or group
    change: Mapping[str, float]  # how far each is from the whole: of pixels in 0 to 1, on average


def muted(
    backbone: Backbone,
    prompt: str,
    names: Sequence[str] | None = None,
    *,
    null: Literal["empty", "zero"] = "empty",
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    size: Size | None = None,
    run: Run | None = None,
) -> Muted:
    """What a picture loses with each word or group: by default with every word, and each group; all in one batch.

    What says nothing is what stands there in the empty prompt, or zeros. The state of the prompt as a whole goes with
    the end mark, one of "words".
    """
    if null not in NULLS:
        raise InputError(f"null: expected one of {', '.join(NULLS)}, got {null!r}")
    names = [*_words(backbone.embed(prompt).tokens[0][0]), *GROUPS] if names is None else list(names)
    rule, terms = Ddim(backbone.levels, default_steps(backbone, steps)), guidance_of(backbone, guidance)
    seeds = seeds_of([seed] * (len(names) + 1), len(names) + 1)
    generators = generators_of(seeds)
    noise = draw(generators, (backbone.unet.config.in_channels, *backbone.latent_size(size))).to(backbone.device)
    empty = backbone.embed("", size)
    nothing = empty if null == "empty" else empty.zeroed()
    rows = [
        replace(row, context=_muting(row.context, nothing, names)) if row.role == "cond" else row
        for row in rows_for(backbone, [prompt] * len(seeds), terms, size=size)
    ]
    done = run_steps(backbone, rule, {ONLY: rule.start(noise)}, rows, terms, {ONLY: generators}, run=run)[ONLY]
    whole, *others = backbone.decode(done)
    pixels = [np.asarray(one, float) / 255 for one in (whole, *others)]
    change = [float(np.abs(one - pixels[0]).mean()) for one in pixels[1:]]
    return Muted(whole, dict(zip(names, others, strict=True)), dict(zip(names, change, strict=True)))


def _words(tokens: Tokens) -> list[str]:
    return list(dict.fromkeys(word.text for word in words_of(tokens.text) if word.end <= tokens.fits))


def _muting(context: Context, nothing: Context, names: Sequence[str]) -> Context:
    """The same prompt in every row: as it is, and then without each of `names`, at each place if they differ."""
    (empty,), tokens = nothing.states, context.tokens[0][0]
    states = context.states.clone() if context.placed is None else context.placed.clone()
    whole = None if context.pooled is None else context.pooled.clone()
    for row, name in enumerate(names, start=1):
        states[row] = swapped(states[row], empty, chosen(tokens, [name]))
        if whole is not None and nothing.pooled is not None and name == "words":
            (whole[row],) = nothing.pooled
    changed = context.with_states(states) if context.placed is None else context.with_placed(states)
    return changed.with_pooled(whole)


def positions_of(tokens: Tokens, end: int | None = None) -> dict[str, list[int]]:
    """The positions of each group; `end`, that of a longer prompt."""
    end = tokens.end if end is None else end
    return {"bos": [0], "words": list(range(1, end + 1)), "pads": list(range(end + 1, len(tokens.ids)))}


def chosen(tokens: Tokens, names: Sequence[str], end: int | None = None) -> list[int]:
    """The positions of groups, and of words of the prompt; `end`, that of a longer prompt."""
    groups = positions_of(tokens, end)
    return [
        position for name in names for position in (groups[name] if name in groups else tokens_of_word(tokens, name))
    ]


def swapped(states: Tensor, other: Tensor, positions: Sequence[int], share: float = 1.0) -> Tensor:
    """States (..., tokens, width), at some positions those of another prompt, or between the two."""
    weight = torch.zeros(states.shape[-2])
    weight[list(positions)] = share
    return blended(states, other, weight)


def blended(states: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """States (..., tokens, width), of another prompt by as much as `weight` (tokens,) says; 0 and 1 to the bit."""
    weight = weight.to(states.device)[:, None]
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
