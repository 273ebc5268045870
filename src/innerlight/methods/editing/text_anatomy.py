"""Text-embedding anatomy (arXiv:2404.01154): a prompt's states changed by hand, to see and to use what they carry.

The picture of a source prompt, and the same with some of its states those of the target, muted, made louder, or moved
along a direction of their own:

    take     rows of words, or of what fills up behind them, from the target; mix, of each so much
    fade     e <- e_0 + factor (e - e_0), e_0 the same position of the empty prompt
    move     E <- E + strength sigma_k u_k v_k
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from innerlight.backbones import Backbone, Context, Size
from innerlight.embedded.concepts import DRAWN, two_places
from innerlight.files import Source
from innerlight.methods._registry import Claim, method
from innerlight.sampling import Inversion, Run, generate
from innerlight.sampling.anatomy import GROUPS, blended, chosen, faded, moved, positions_of, swapped
from innerlight.sampling.editing import SOURCE, Case, Control, Edited, Part, edit
from innerlight.types import InputError

TAKEN = ("none", *GROUPS, "all")
NOTHING, WORDS, RETYPED = "nothing taken", "words taken", "the prompt typed anew"


@dataclass(frozen=True)
class TextAnatomyConfig:
    """What is done to the source's states, in this order; as it stands, pads are taken and all else is left alone."""

    take: Literal["none", "bos", "words", "pads", "all"] = "pads"  # positions whose states are the target's
    share: float = 1.0  # of the target's states there
    mix: Mapping[str, float] = field(default_factory=dict)  # other shares, of bos, words, pads, or words
    without: tuple[str, ...] = ()  # bos, words, pads, or words of the source: as in the empty prompt
    fade: Mapping[str, float] = field(default_factory=dict)  # of bos, words, pads, or words: how loud; 1 as it is
    component: int = 0  # the direction to move along, of the largest singular value first
    strength: float = 0.0  # in units of that value; -1 takes it away


@cache
def _arms(backbone: Backbone, seed: int) -> dict[str, dict[str, float]] | None:
    """Of pictures from the same noise: how many are in the other prompt's setting, and how many of those still show
    their own prompt's thing.
    """
    places = two_places(seed)
    if places is None:
        return None
    source, target, both = ([one] * DRAWN for one in places.captions)
    quiet = Run(progress=False)
    pads, words = (
        text_anatomy(backbone, source, target, TextAnatomyConfig(take=take), seed=seed, run=quiet)
        for take in ("pads", "words")
    )
    retyped = generate(backbone, both, seed=seed, run=quiet)
    drawn = {"method": pads.images, NOTHING: pads.sources, WORDS: words.images, RETYPED: retyped.images}
    shown = {arm: (places.arrived(images), places.stayed(images)) for arm, images in drawn.items()}
    return {
        arm: {"arrived": float(np.mean(arrived)), "moved": float(np.mean(np.logical_and(arrived, stayed)))}
        for arm, (arrived, stayed) in shown.items()
    }


def _score(measure: str, arms: Sequence[str]) -> Callable[[Backbone, int], dict[str, float] | None]:
    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        found = _arms(backbone, seed)
        return None if found is None else {arm: found[arm][measure] for arm in ("method", *arms)}

    return score


CLAIMS = (
    Claim(
        "text_anatomy.padding",
        "what fills up behind a prompt carries its setting: taken from another prompt it brings that one's setting, "
        "more often than words do",
        (NOTHING, WORDS), _score("arrived", (NOTHING, WORDS)), scenes=40,
    ),
    Claim(
        "text_anatomy.preserve",
        "what fills up behind another prompt brings a thing to that one's setting, its class and colour kept, more "
        "often than the prompt typed anew does or that one's words do",
        (RETYPED, WORDS), _score("moved", (RETYPED, WORDS)), scenes=40,
    ),
)  # fmt: skip


@method(family="editing", paper="arXiv:2404.01154", claims=CLAIMS)
def text_anatomy(
    backbone: Backbone,
    source: str | Sequence[str],
    target: str | Sequence[str],
    config: TextAnatomyConfig = TextAnatomyConfig(),
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
    """The source's prompt with some of its states those of `target`, quieter, louder or moved. What is measured of a
    prompt's states is in `innerlight.sampling.anatomy`.
    """
    return edit(
        backbone, source, target, [part(config)], image=image, inversion=inversion, steps=steps, guidance=guidance,
        negative=negative, size=size, seed=seed, run=run,
    )  # fmt: skip


def part(config: TextAnatomyConfig) -> Part:
    """As a part of an edit."""
    if config.take not in TAKEN:
        raise InputError(f"take: expected one of {', '.join(TAKEN)}, got {config.take!r}")
    for title, share in [("share", config.share), *config.mix.items()]:
        if not 0 <= share <= 1:
            raise InputError(f"{title}: expected 0 to 1 of the target, got {share}")
    return Part("text_anatomy", asdict(config), lambda case: Control(reading=lambda told: _read(case, told, config)))


def _read(case: Case, target: Context, config: TextAnatomyConfig) -> Context:
    """The source's states, changed, at each place where words have vectors for each; the state of the prompt as a whole
    goes with the end mark, a word.
    """
    source = case.contexts[SOURCE]
    nothing = case.backbone.embed("", case.size)
    (empty,) = nothing.states
    rows = range(len(case))
    placed = source.placed is not None or target.placed is not None
    count = len(case.backbone.places) if placed else 1
    pairs = zip(source.states_at(count).unbind(1), target.states_at(count).unbind(1), strict=True)
    found = [
        torch.stack([_changed(source, target, own[row], other[row], empty, row, config) for row in rows])
        for own, other in pairs
    ]
    changed = source.with_placed(torch.stack(found, 1)) if placed else source.with_states(found[0])
    return changed.with_pooled(_as_a_whole(source.pooled, target.pooled, nothing.pooled, config))


def _as_a_whole(
    own: Tensor | None, other: Tensor | None, empty: Tensor | None, config: TextAnatomyConfig
) -> Tensor | None:
    """The state of each prompt as a whole (n, width), where a network is told it."""
    if own is None or other is None or empty is None:
        return None
    share = config.mix.get("words", config.share if config.take in ("words", "all") else 0.0)
    whole = blended(own, other, torch.full([len(own)], share))
    if "words" in config.without:
        whole = empty.expand_as(whole)
    return faded(whole, empty, range(len(whole)), config.fade.get("words", 1))


def _changed(
    source: Context,
    target: Context,
    states: Tensor,
    others: Tensor,
    empty: Tensor,
    image: int,
    config: TextAnatomyConfig,
) -> Tensor:
    """One prompt's states (tokens, width), with those of the other prompt at the same place."""
    tokens, other = source.tokens[image][0], target.tokens[image][0]
    end = max(tokens.end, other.end)  # of the longer prompt
    groups = positions_of(tokens, end)
    weight = torch.zeros(len(states))
    weight[{"none": [], "all": [one for group in groups.values() for one in group], **groups}[config.take]] = (
        config.share
    )
    for name, share in config.mix.items():
        weight[chosen(tokens, [name], end)] = share
    states = blended(states, others, weight)
    end = end if weight.any() else tokens.end  # of what stands there now
    states = swapped(states, empty, chosen(tokens, config.without, end))
    for name, factor in config.fade.items():
        states = faded(states, empty, chosen(tokens, [name], end), factor)
    return moved(states, config.component, config.strength)
