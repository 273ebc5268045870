"""Style mixing of P+ (Voynov et al. 2023, arXiv:2303.09522): the shape of one prompt, the look of another.

Each place at which the network reads its prompt is given one of two: the inner ones, of low resolution, the source's,
which decide on shape; the outer ones on both sides the target's, which decide on look. Words with vectors for each
place say there what they mean there.

    c_i = c_i(source) where first <= i <= last, else c_i(target)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from innerlight.backbones import Backbone, Context, Size
from innerlight.embedded.concepts import LOOKS, concept, plain_names, seeds_of, word_of
from innerlight.files import Source
from innerlight.methods._registry import Claim, Method, get, method
from innerlight.prompts import LearnedWord
from innerlight.sampling import Inversion, Run
from innerlight.sampling.editing import SOURCE, Case, Control, Edited, Part, edit
from innerlight.types import InputError

LEVELS = 2  # of resolution, from the lowest, whose places read the source's prompt
JUDGED = 25  # pictures of each pair of things
POSITIONS = ("all", "words", "pads")


@dataclass(frozen=True)
class StyleMixingConfig:
    """Which places read the source's prompt, in the order of execution, from 0 on."""

    first: int | None = None  # None: the first of the two lowest resolutions
    last: int | None = None  # and this one; before the first: none
    outside: bool = False  # all places but those
    share: float = 1.0  # of the source's prompt there; the rest is the target's
    positions: Literal["all", "words", "pads"] = "all"  # of the states; the longer prompt's end mark is a pad


def _score_joint(backbone: Backbone, seed: int) -> dict[str, float]:
    """Share of pictures with the class of one learned thing and the look of another."""
    shape, look = (concept(number, backbone.size[0], plain_names(backbone)) for number in (seed, seed + LOOKS))
    both = replace(shape, look=replace(shape.look, colour=look.look.colour, pattern=look.look.pattern))
    quiet = Run(progress=False)

    def knowing(teach: Method) -> Backbone:
        """Both things by words of their own."""
        words = (
            replace(word_of(teach.function, backbone, number, teach.config()), name=title)
            for number, title in ((seed, "<shape>"), (seed + LOOKS, "<look>"))
        )
        return backbone.knowing(*words)

    placed, plain = knowing(get("p_plus")), knowing(get("textual_inversion"))
    prompts, seeds = (["a <shape>"] * JUDGED, ["a <look>"] * JUDGED), seeds_of(seed, JUDGED)
    mixed, mean = (
        style_mixing(placed, *prompts, config, seed=seeds, run=quiet)
        for config in (StyleMixingConfig(), StyleMixingConfig(first=0, last=len(backbone.places) - 1, share=0.5))
    )
    return {
        "method": both.kept(mixed.images),
        "one prompt of two learned words": both.kept(both.drawn(plain, "a <look> <shape>", seed, JUDGED)),
        "the mean of both prompts": both.kept(mean.images),
        "the shape alone": both.kept(mixed.sources),
    }


CLAIM = Claim(
    "style_mixing.joint",
    "pictures have the class of one learned thing and the colour of another, more often than from a prompt of both",
    ("one prompt of two learned words", "the mean of both prompts", "the shape alone"), _score_joint, scenes=8,
)  # fmt: skip


@method(family="editing", paper="arXiv:2303.09522", claims=(CLAIM,))
def style_mixing(
    backbone: Backbone,
    source: str | Sequence[str],
    target: str | Sequence[str],
    config: StyleMixingConfig = StyleMixingConfig(),
    *,
    image: Source | Iterable[Source] | None = None,
    inversion: Inversion | str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    negative: str | None = None,
    size: Size | None = None,
    seed: int | Sequence[int] = 0,
    run: Run | None = None,
) -> Edited:
    """The shape of `source` with the look of `target`: two prompts, most to the point of one learned word each."""
    return edit(
        backbone, source, target, [part(config)], image=image, inversion=inversion, steps=steps, guidance=guidance,
        negative=negative, size=size, seed=seed, run=run,
    )  # fmt: skip


def mixed_word(
    backbone: Backbone,
    shape: LearnedWord,
    look: LearnedWord,
    name: str,
    config: StyleMixingConfig = StyleMixingConfig(),
) -> LearnedWord:
    """The same as a word to be kept: with the vectors of one at the inner places, and those of the other elsewhere.

    In a prompt it does what mixing that prompt of the one and of the other does, where the share is 1; but for the
    state of the prompt as a whole where a model reads such: that has no places, and is of the mean of the vectors.
    """
    _refuse_odd(config)
    if config.positions != "all":
        raise InputError(f"positions: a word is mixed as a whole, got {config.positions!r}")
    for word in (shape, look):
        backbone.refuse_unfit(word)
    if shape.tokens != look.tokens:
        raise InputError(f"{shape.name} has {shape.tokens} tokens, {look.name} {look.tokens}; expected as many")
    inner = inner_places(backbone, config)
    share = torch.tensor([config.share * one for one in inner])[:, None, None]
    vectors = []
    for own, other in zip(look.vectors, shape.vectors, strict=True):
        first, second = (one if one.ndim == 3 else one.expand(len(inner), -1, -1) for one in (own, other))
        weight = share.to(own.device)
        vectors.append(torch.where(weight == 1, second, first + weight * (second - first)))
    return LearnedWord(name, tuple(vectors))


def part(config: StyleMixingConfig) -> Part:
    """As a part of an edit."""
    _refuse_odd(config)
    return Part("style_mixing", asdict(config), lambda case: _control(case, config))


def _refuse_odd(config: StyleMixingConfig) -> None:
    if config.positions not in POSITIONS:
        raise InputError(f"positions: expected one of {', '.join(POSITIONS)}, got {config.positions!r}")
    if not 0 <= config.share <= 1:
        raise InputError(f"share: expected 0 to 1, got {config.share}")


def _control(case: Case, config: StyleMixingConfig) -> Control:
    inner = inner_places(case.backbone, config)
    return Control(reading=lambda context: _mixed(case, context, config, inner))


def inner_places(backbone: Backbone, config: StyleMixingConfig) -> list[bool]:
    """For each place whether it reads the source's prompt."""
    strides = [site.grid_stride for site in backbone.places]
    coarse = sorted(set(strides))[-LEVELS:]
    if set(strides) == set(coarse):  # some are to be left for the target
        coarse = coarse[1:]
    low = [number for number, stride in enumerate(strides) if stride in coarse]
    first = low[0] if config.first is None else config.first
    last = low[-1] if config.last is None else config.last
    if not 0 <= first < len(strides) or last >= len(strides):
        raise InputError(
            f"first and last: {backbone.name} reads its prompt at places 0 to {len(strides) - 1}, got {first} and "
            f"{last}"
        )
    return [(first <= number <= last) != config.outside for number in range(len(strides))]


def _mixed(case: Case, target: Context, config: StyleMixingConfig, inner: Sequence[bool]) -> Context:
    """What the target's prompt is read as. What is said of a prompt as a whole goes with the coarsest place."""
    source = case.contexts[SOURCE]
    own, other = (one.states_at(len(inner)) for one in (target, source))
    share = torch.tensor([config.share * one for one in inner], device=own.device)[None, :, None, None]
    share = share * _positions(source, target, config.positions).to(own.device)[:, None, :, None]
    mixed = torch.where(share == 1, other, torch.where(share == 0, own, own + share * (other - own)))  # to the bit
    whole = target.pooled
    if whole is not None and source.pooled is not None:
        strides = [site.grid_stride for site in case.backbone.places]
        part = config.share if inner[strides.index(max(strides))] and config.positions != "words" else 0.0
        whole = whole if part == 0 else source.pooled if part == 1 else whole + part * (source.pooled - whole)
    return target.with_placed(mixed).with_pooled(whole)


def _positions(source: Context, target: Context, which: str) -> Tensor:
    """(n, tokens), 1 where states are mixed."""
    count = target.states.shape[1]
    ends = [max(one[0].end, other[0].end) for one, other in zip(source.tokens, target.tokens, strict=True)]
    words = torch.arange(count)[None] < torch.tensor(ends)[:, None]
    chosen = {"all": torch.ones_like(words), "words": words, "pads": ~words}[which]
    return chosen.float()
