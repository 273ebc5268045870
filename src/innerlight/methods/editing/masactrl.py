"""MasaCtrl (Cao et al. 2023, arXiv:2304.08465): another pose or place, painted with the source's keys and values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.embedded.edits import appearance, parsed, task
from innerlight.files import Source
from innerlight.maps import min_max, resize
from innerlight.methods._registry import Claim, get, method
from innerlight.prompts import tokens_of_word
from innerlight.sampling import Inversion, Run, Step, invert
from innerlight.sampling.editing import SOURCE, TARGET, Case, Control, Edited, Part, check_shares, edit, since
from innerlight.sampling.loop import step_at
from innerlight.taps import HeadMean, Heads, Read, Tap, View, Write
from innerlight.taps.sites import Grid
from innerlight.types import InputError

Masks = tuple[
    NDArray[np.bool_] | Tensor, NDArray[np.bool_] | Tensor
]  # of the source and the target: (h, w) or (n, h, w)


@dataclass(frozen=True)
class MasaCtrlConfig:
    """The authors' values. A share is of the steps, from the noisy end."""

    start: float = 0.08  # share of the steps after which the target asks the source; step 4 of 50
    stride: int = 2  # the coarsest decoder level where it does; layers 10 to 15 of 16 in Stable Diffusion
    source_words: tuple[str, ...] = ()  # what keeps to itself in the source; with target_words: mask-aware
    target_words: tuple[str, ...] = ()
    threshold: float = 0.1  # of their maps, from lowest to highest


def _score_identity(backbone: Backbone, seed: int) -> dict[str, float] | None:
    """A drawn scene's thing in another pose: does it keep its colours?"""
    asked = task(seed, "pose", backbone.size[0])
    if asked is None:
        return None
    picture = asked.before.picture
    found = invert(backbone, picture)
    other = get("prompt_to_prompt").function
    arms = {
        "method": masactrl(backbone, "", asked.target, inversion=found).images[0],
        "inversion alone": masactrl(backbone, "", asked.target, MasaCtrlConfig(start=1.0), inversion=found).images[0],
        "prompt_to_prompt": other(backbone, asked.source, asked.target, image=picture, seed=seed).images[0],
        "identity": backbone.decode(found.clean)[0],
    }
    seen = dict(zip(arms, parsed(*arms.values()), strict=True))
    return {
        **{
            arm: appearance(arms["identity"], asked.mask, image, asked.result(seen[arm])) for arm, image in arms.items()
        },
        **{f"{arm} edit": asked.made(one) for arm, one in seen.items()},
    }


CLAIM = Claim(
    "masactrl.identity",
    "in another pose a thing keeps its colours (1 less the distance of Lab histograms), better than from the inverted "
    "noise alone or by Prompt-to-Prompt",
    baselines=("inversion alone", "prompt_to_prompt"),
    score=_score_identity,
    scenes=150,
    guard=0.9,
)


@method(family="editing", paper="arXiv:2304.08465", claims=(CLAIM,))
def masactrl(
    backbone: Backbone,
    source: str | Sequence[str],
    target: str | Sequence[str],
    config: MasaCtrlConfig = MasaCtrlConfig(),
    *,
    image: Source | Iterable[Source] | None = None,
    inversion: Inversion | str | None = None,
    masks: Masks | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    negative: str | None = None,
    size: Size | None = None,
    seed: int | Sequence[int] = 0,
    run: Run | None = None,
) -> Edited:
    """The thing of the source as the target's prompt wants it. `masks` say where it is in both, else its words do."""
    return edit(
        backbone, source, target, [part(config, masks)], image=image, inversion=inversion, steps=steps,
        guidance=guidance, negative=negative, size=size, seed=seed, run=run,
    )  # fmt: skip


def part(config: MasaCtrlConfig, masks: Masks | None = None) -> Part:
    """As a part of an edit."""
    check_shares(config, "start")
    if bool(config.source_words) != bool(config.target_words):
        raise InputError("mask-aware needs both: name source_words and target_words, or neither")
    if masks is not None and (len(masks) != 2 or any(mask is None for mask in masks)):
        raise InputError("masks: expected two, of the source and of the target; give both, or leave masks out")
    if masks is not None and config.source_words:
        raise InputError("masks are given; leave source_words and target_words out")
    words = "words" if config.source_words else "looks"
    settings = asdict(config) | ({"masks": "given"} if masks is not None else {})
    return Part("masactrl", settings, lambda case: _control(case, config, masks), source=words, halves=True)


def _control(case: Case, config: MasaCtrlConfig, given: Masks | None) -> Control:
    sites = [
        site.name
        for site in case.backbone.sites.values()
        if site.kind == "self" and site.branch == "up" and site.grid_stride <= config.stride
    ]
    if not sites:
        raise InputError(
            f"{case.backbone.name} has no self-attention in its decoder at stride {config.stride} or finer"
        )
    masks = _GivenMasks(case, given) if given is not None else _WordMasks(case, config) if config.source_words else None

    def mutual(view: View) -> Heads:
        source = _same_half(view)
        bias = masks.bias(view) if masks else view.own.bias
        return Heads(view.own.q, source.k, source.v, bias, view.own.scale)

    writes = [
        Write(
            sites, "heads", mutual, rows=f"{TARGET}.{role}", when=since(config.start), name="the target asks the source"
        )
        for role in ("uncond", "cond")
    ]
    return Control(
        taps=[*(masks.reads.values() if masks else ()), *writes],
        before=masks.watch if masks else None,
        looks=1.0 if step_at(config.start, case.steps) < case.steps else 0.0,
        masks=lambda: masks.last if masks else None,
    )


def _same_half(view: View) -> Heads:
    """The source's heads, with or without its prompt as the target's are; a source that has one row gives that."""
    role = view.moment.rows.names[view.writes[0] // view.moment.rows.images].rpartition(".")[2]
    name = f"{SOURCE}.{role}"
    return view[name if name in view.moment.rows.names else f"{SOURCE}.cond"]


class _Masks(ABC):
    """Where the thing is, in the source and in the target; inside asks inside, outside asks outside."""

    reads: dict[str, Read]

    def __init__(self) -> None:
        self.reads = {}
        self.last: Tensor | None = None  # (n, h, w), of the target

    def watch(self, step: Step, seen: Tap) -> None:  # noqa: B027 - optional
        """Before each pass: nothing, where masks are given."""

    @abstractmethod
    def at(self, stream: str, grid: Grid) -> Tensor:
        """(n, cells) at a site's grid."""

    def bias(self, view: View) -> Tensor:
        """(n, 1, queries, keys): keys on the query's own side. A query that would have none may ask them all."""
        here, there = self.at(TARGET, view.grid), self.at(SOURCE, view.grid)
        allowed = here[:, :, None] == there[:, None, :]
        return (allowed | ~allowed.any(-1, keepdim=True))[:, None]


class _GivenMasks(_Masks):
    """Masks of the pictures, from outside."""

    def __init__(self, case: Case, given: Masks) -> None:
        super().__init__()
        self._masks = {SOURCE: _checked(given[0], case, "source"), TARGET: _checked(given[1], case, "target")}
        self.last = resize(self._masks[TARGET].float(), case.latent, how="nearest").bool()

    def at(self, stream: str, grid: Grid) -> Tensor:
        return resize(self._masks[stream].float(), grid, how="nearest").flatten(1).bool()


class _WordMasks(_Masks):
    """Masks by the cross maps of words, of the pass that runs, from the levels before the decoder's finer ones."""

    def __init__(self, case: Case, config: MasaCtrlConfig) -> None:
        super().__init__()
        stride = config.stride * 2  # the level before: n/4
        sites = [
            site.name
            for site in case.backbone.sites.values()
            if site.kind == "text" and site.branch in ("down", "up") and site.grid_stride == stride
        ]
        if not sites:
            raise InputError(
                f"{case.backbone.name} has no text attention at stride {stride}, where words are looked for"
            )
        self.threshold, self.latent = config.threshold, case.latent
        self.reads = {
            stream: Read(
                sites, "probabilities", f"{stream}.cond", reduce=HeadMean(), pool="grid", when=since(config.start)
            )
            for stream in (SOURCE, TARGET)
        }
        words = {SOURCE: config.source_words, TARGET: config.target_words}
        self._tokens = {
            stream: [
                [p for word in words[stream] for p in tokens_of_word(case.tokens(stream, k), word)]
                for k in range(len(case))
            ]
            for stream in words
        }

    def watch(self, step: Step, seen: Tap) -> None:
        del step
        self._seen = seen

    def at(self, stream: str, grid: Grid) -> Tensor:
        ((own, sums),) = self._seen[self.reads[stream]].items()
        words = torch.stack([sums[k][:, tokens].sum(-1) for k, tokens in enumerate(self._tokens[stream])])
        scaled = min_max(words.view(len(words), *own))
        if stream == TARGET:
            self.last = resize(scaled, self.latent, how="nearest") > self.threshold
        return (resize(scaled, grid, how="nearest") > self.threshold).flatten(1)


def _checked(mask: NDArray[np.bool_] | Tensor, case: Case, name: str) -> Tensor:
    """(n, h, w), one for each picture."""
    values = torch.as_tensor(np.asarray(mask)) if not isinstance(mask, Tensor) else mask
    values = values[None].expand(len(case), -1, -1) if values.ndim == 2 else values
    if values.ndim != 3 or len(values) != len(case) or values.dtype != torch.bool:
        got = f"{values.dtype} {tuple(values.shape)}"
        raise InputError(f"masks: of the {name}, expected bool (h, w) or ({len(case)}, h, w), got {got}")
    return values.to(case.backbone.device)
