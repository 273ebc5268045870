"""Prompt-to-Prompt (Hertz et al. 2022, arXiv:2208.01626): edit by changing the prompt, under the source's attention."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.embedded.edits import kept, parsed, strength, structure, task
from innerlight.files import Source
from innerlight.maps import resize
from innerlight.methods._registry import Claim, method
from innerlight.prompts import Alignment, aligned, refined_words, replaced_words, tokens_of_word, words_of
from innerlight.sampling import Inversion, Run, Step, from_image, generate
from innerlight.sampling.editing import SOURCE, TARGET, Case, Control, Edited, Part, check_shares, edit, until
from innerlight.sampling.loop import step_at
from innerlight.taps import HeadMean, Heads, Read, Tap, View, Write, main_passes
from innerlight.types import InputError, NotFoundError

WEIGHTS = (-1.0, 1.0, 3.0)  # of a word, in the claim that its effect is monotone
ALIGN = {"auto": aligned, "replace": replaced_words, "refine": refined_words}


@dataclass(frozen=True)
class PromptToPromptConfig:
    """The authors' values. A share is of the steps, from the noisy end."""

    cross: float = 0.8  # share of the steps in which words look where the source's do
    word_cross: Mapping[str, float] = field(default_factory=dict)  # the same for words of their own, "cat=0.2"
    self_maps: float = 0.4  # share of the steps in which cells look where the source's do; real pictures: 0.5 to 0.6
    self_stride: int = 4  # the finest level whose self maps are taken; the null-text notebook has 2
    align: Literal["auto", "replace", "refine"] = "auto"  # auto: replace where both prompts have as many words
    weights: Mapping[str, float] = field(default_factory=dict)  # how much words count, "striped=2"; -2 to 2
    blend: tuple[str, ...] = ()  # words outside whose maps the picture stays as it was
    subtract: tuple[str, ...] = ()  # words inside whose maps it stays as it was
    blend_start: float = 0.2  # share of the steps after which that begins; the first notebook has 0
    threshold: float = 0.3  # of a map's maximum
    renormalise: bool = False  # make weighted maps sum to 1 again; the authors do not


@cache
def _arms(backbone: Backbone, seed: int, change: str) -> dict[str, dict[str, float]] | None:
    """One change of one drawn thing, by the method, by the new prompt alone, by SDEdit, and not at all."""
    asked = task(seed, change, backbone.size[0])
    if asked is None:
        return None
    found = prompt_to_prompt(backbone, asked.source, asked.target, seed=seed)
    source = found.sources[0]
    arms = {
        "method": found.images[0],
        "the new prompt": generate(backbone, asked.target, seed=seed).images[0],
        "from_image": from_image(backbone, source, asked.target, seed=seed).images[0],
        "identity": source,
    }
    before, *after = parsed(source, *arms.values())
    thing = asked.region(before)
    if thing is None:  # the source does not show what its prompt says
        return None
    return {
        arm: {
            "keep": kept(source, image, thing, asked.result(seen)),
            "structure": structure(thing, asked.result(seen)),
            "edit": asked.made(seen),
        }
        for (arm, image), seen in zip(arms.items(), after, strict=True)
    }


def _score(measure: str, change: str) -> Callable[[Backbone, int], dict[str, float] | None]:
    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        arms = _arms(backbone, seed, change)
        if arms is None:
            return None
        return {arm: own[measure] for arm, own in arms.items()} | {
            f"{arm} edit": own["edit"] for arm, own in arms.items()
        }

    return score


def _score_reweight(backbone: Backbone, seed: int) -> dict[str, float] | None:
    """Kendall's tau of a colour word's weight (-1, 1, 3) and how sure the judge is of that colour in the thing."""
    asked = task(seed, "colour", backbone.size[0])
    if asked is None:
        return None
    colour = asked.altered.old
    if colour not in asked.source.split():
        return None
    less, more = (
        prompt_to_prompt(
            backbone, asked.source, asked.source, PromptToPromptConfig(weights={colour: weight}), seed=seed
        )
        for weight in (WEIGHTS[0], WEIGHTS[-1])
    )
    plain = less.sources[0]  # what a weight of 1 gives, to the last bit
    seen = parsed(less.images[0], plain, more.images[0])
    thing = asked.region(seen[1])
    if thing is None:
        return None
    sure = [strength(one, thing, colour) for one in seen]
    pairs = [(sure[b] > sure[a]) - (sure[b] < sure[a]) for a, b in ((0, 1), (1, 2), (0, 2))]
    return {"method": sum(pairs) / len(pairs), "no order": 0.0} | dict(zip(map(str, WEIGHTS), sure, strict=True))


BASELINES = ("the new prompt", "from_image")
CLAIMS = (
    Claim(
        "prompt_to_prompt.keep",
        "a thing swapped for another leaves the rest (PSNR outside both, dB) as it was, better than the new prompt or "
        "SDEdit do",
        BASELINES, _score("keep", "thing"), scenes=200, guard=0.9,
    ),
    Claim(
        "prompt_to_prompt.structure",
        "a thing in another colour keeps its silhouette (IoU), better than by the new prompt or SDEdit",
        BASELINES, _score("structure", "colour"), scenes=200, guard=0.9,
    ),
    Claim(
        "prompt_to_prompt.reweight",
        "the more a colour word weighs, the surer is the colour",
        ("no order",), _score_reweight, scenes=200,
    ),
)  # fmt: skip


@method(family="editing", paper="arXiv:2208.01626", claims=CLAIMS)
def prompt_to_prompt(
    backbone: Backbone,
    source: str | Sequence[str],
    target: str | Sequence[str],
    config: PromptToPromptConfig = PromptToPromptConfig(),
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
    """The source with words swapped, added or weighted; where words keep their places, so does what they name."""
    return edit(
        backbone, source, target, [part(config)], image=image, inversion=inversion, steps=steps, guidance=guidance,
        negative=negative, size=size, seed=seed, run=run,
    )  # fmt: skip


def part(config: PromptToPromptConfig) -> Part:
    """As a part of an edit."""
    if config.align not in ALIGN:
        raise InputError(f"align: expected one of {', '.join(ALIGN)}, got {config.align!r}")
    check_shares(config, "cross", "self_maps", "blend_start")
    wrong = [word for word, share in config.word_cross.items() if not 0 <= share <= 1]
    wrong += [word for word, weight in config.weights.items() if not math.isfinite(weight)]
    if wrong:
        raise InputError(f"{wrong[0]}: expected a share from 0 to 1 in word_cross, a finite number in weights")
    return Part("prompt_to_prompt", asdict(config), lambda case: _control(case, config))


def _control(case: Case, config: PromptToPromptConfig) -> Control:
    """The maps of words, the maps of cells, and what is put back outside the words' maps."""
    pairs = [(case.tokens(SOURCE, k), case.tokens(TARGET, k)) for k in range(len(case))]
    maps = {stream: _word_maps(case, stream) for stream in (SOURCE, TARGET)}
    looks = max(config.cross, config.self_maps, *config.word_cross.values(), 0)
    blend = _Blend(case, config, maps) if config.blend or config.subtract else None
    return Control(
        taps=[
            *_text_writes(case, [ALIGN[config.align](*pair) for pair in pairs], config),
            *_self_writes(case, config),
            *maps.values(),
        ],
        after=blend,
        looks=1.0 if blend else looks,
        masks=lambda: blend.mask if blend else None,
        maps=lambda seen: {
            stream: case.word_maps(seen[read], [_words(case, stream, k) for k in range(len(case))])
            for stream, read in maps.items()
        },
    )


# Where words look


def _text_writes(case: Case, alignments: Sequence[Alignment], config: PromptToPromptConfig) -> list[Write]:
    """Source maps, token by token, in place of the target's; the values stay the target's own."""
    windows = torch.stack([_windows(case, k, config) for k in range(len(case))])  # (n, tokens): steps
    last = int(windows.max())
    if not last:
        return []
    weights = torch.stack([_weights(case, k, config) for k in range(len(case))])
    mapper, kept, weights, windows = (
        values.to(case.backbone.device)
        for values in (
            torch.stack([one.mapper for one in alignments])[:, None],  # (n, 1, tokens, tokens)
            torch.stack([one.kept for one in alignments])[:, None, None],
            weights[:, None, None],
            windows[:, None, None],
        )
    )
    if bool(kept.all()) and bool((windows == last).all()) and not config.renormalise:
        # nothing of the target's own map: the fused kernel, on the source's queries and keys
        same = all(one.identity for one in alignments) and bool((weights == 1).all())
        return [
            _looking_alike(
                "*.text", config.cross, "words look where the source's do", None if same else mapper * weights
            )
        ]

    def change(view: View) -> Tensor:
        own, source = view.own, view[f"{SOURCE}.cond"]  # (n, heads, queries, tokens)
        moved = torch.where(kept, source @ mapper, own) * weights
        if config.renormalise:
            moved = moved / moved.sum(-1, keepdim=True)
        return torch.where(view.moment.step < windows, moved, own)

    return [
        Write("*.text", "probabilities", change, rows=f"{TARGET}.cond", sees=f"{SOURCE}.cond",
              when=lambda moment: moment.passing == "main" and moment.step < last,
              name="words look where the source's do"),
    ]  # fmt: skip


def _windows(case: Case, image: int, config: PromptToPromptConfig) -> Tensor:
    """(tokens,): the step at which each token of the target is let go."""
    tokens = case.tokens(TARGET, image)
    windows = torch.full((len(tokens.ids),), step_at(config.cross, case.steps))
    for word, share in config.word_cross.items():
        windows[list(tokens_of_word(tokens, word))] = step_at(share, case.steps)
    return windows


def _weights(case: Case, image: int, config: PromptToPromptConfig) -> Tensor:
    """(tokens,): how much each token of the target counts."""
    tokens = case.tokens(TARGET, image)
    weights = torch.ones(len(tokens.ids))
    for word, weight in config.weights.items():
        weights[list(tokens_of_word(tokens, word))] = weight
    return weights


# Where cells look


def _self_writes(case: Case, config: PromptToPromptConfig) -> list[Write]:
    sites = [
        site.name
        for site in case.backbone.sites.values()
        if site.kind == "self" and site.grid_stride >= config.self_stride
    ]
    if not sites or not step_at(config.self_maps, case.steps):
        return []
    return [_looking_alike(sites, config.self_maps, "cells look where the source's do")]


def _looking_alike(sites: str | Sequence[str], share: float, name: str, mapper: Tensor | None = None) -> Write:
    """The source's map, its keys handed over by `mapper`, with the target's values: its queries and keys."""

    def change(view: View) -> Heads:
        source = view[f"{SOURCE}.cond"]
        return Heads(source.q, source.k, view.own.v, view.own.bias, view.own.scale, mapper)

    return Write(sites, "heads", change, rows=f"{TARGET}.cond", when=until(share), name=name)


# What stays as it was


def _word_maps(case: Case, stream: str) -> Read:
    """Maps of all words, summed over steps; the target's as edited."""
    return Read(
        case.word_sites(), "probabilities", f"{stream}.cond", reduce=HeadMean(), keep="sum", pool="grid",
        when=main_passes,
    )  # fmt: skip


class _Blend:
    """Local blend: after a step the target is the source again, outside of where both have the words."""

    def __init__(self, case: Case, config: PromptToPromptConfig, maps: Mapping[str, Read]) -> None:
        self.config, self.case, self.maps = config, case, maps
        self.mask: Tensor | None = None  # (n, h, w)
        self.inside = {stream: self._positions(stream, config.blend) for stream in maps}
        self.outside = {stream: self._positions(stream, config.subtract) for stream in maps}

    def __call__(self, step: Step, seen: Tap) -> None:
        if step.index < step_at(self.config.blend_start, step.steps):
            return
        shape = step.latents[TARGET].shape[-2:]
        mask = torch.ones(len(self.case), *shape, dtype=torch.bool, device=step.latents[TARGET].device)
        if self.config.blend:
            mask = self._found(seen, self.inside, shape, pooled=True)
        if self.config.subtract:
            mask = mask & ~self._found(seen, self.outside, shape, pooled=False)
        self.mask = mask
        step.latents[TARGET] = torch.where(mask[:, None], step.latents[TARGET], step.latents[SOURCE])

    def _found(
        self, seen: Tap, positions: Mapping[str, list[list[int]]], shape: Sequence[int], *, pooled: bool
    ) -> Tensor:
        """(n, h, w): where source or target have one of the words."""
        return torch.stack(
            [
                torch.stack([self._mask(seen, stream, own[k], k, shape, pooled) for stream, own in positions.items()])
                for k in range(len(self.case))
            ]
        ).any(1)

    def _mask(self, seen: Tap, stream: str, tokens: list[int], image: int, shape: Any, pooled: bool) -> Tensor:
        ((grid, sums),) = seen[self.maps[stream]].items()
        word = sums[image][:, tokens].sum(-1).view(1, 1, *grid)
        word = F.max_pool2d(word, 3, stride=1, padding=1) if pooled else word
        fine = resize(word, tuple(shape), how="nearest")[0, 0]
        return fine > self.config.threshold * fine.max()

    def _positions(self, stream: str, words: Sequence[str]) -> list[list[int]]:
        """The tokens of those words that a prompt has; of several words each prompt must have one."""
        found = []
        for image in range(len(self.case)):
            tokens = self.case.tokens(stream, image)
            there = {one.text.lower() for one in words_of(tokens.text)}
            own = [word for word in words if set(word.lower().split()) <= there]
            if words and not own:
                raise NotFoundError(
                    f"blend: the {stream} {tokens.text!r} has none of the words {', '.join(map(repr, words))}; name "
                    "what stands there too, as in blend=('cat', 'dog')"
                )
            found.append([position for word in own for position in tokens_of_word(tokens, word)])
        return found


def _words(case: Case, stream: str, image: int) -> dict[str, tuple[int, ...]]:
    """The words of a prompt, with their tokens."""
    tokens = case.tokens(stream, image)
    words = dict.fromkeys(word.text for word in words_of(tokens.text[: tokens.fits]))
    return {word: tokens_of_word(tokens, word) for word in words}
