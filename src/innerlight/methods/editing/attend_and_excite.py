"""Attend-and-Excite (Chefer et al. 2023, arXiv:2301.13826): latents are moved until every subject is attended to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.embedded.edits import parsed
from innerlight.embedded.oracle import regions_of
from innerlight.files import Source
from innerlight.methods._registry import Claim, method
from innerlight.prompts import Tokens, noun_phrases, tokens_of_word
from innerlight.sampling import Inversion, Row, Run, Step
from innerlight.sampling.editing import TARGET, Case, Control, Edited, Part, check_shares, edit
from innerlight.sampling.loop import step_at
from innerlight.taps import HeadMean, Read, Tap, main_passes, tapped
from innerlight.types import InputError
from innerlight.world import caption, render, sample

SCALE, TEMPERATURE = 20.0, 100.0  # the authors', at 64 x 64 latents of Stable Diffusion


@dataclass(frozen=True)
class AttendAndExciteConfig:
    """The authors' values. A share is of the steps, from the noisy end."""

    words: tuple[str, ...] = ()  # the subjects; left out, the nouns of the prompt
    window: float = 0.5  # share of the steps in which latents are moved
    refine: tuple[float, ...] = (0.0, 0.2, 0.4)  # where they are moved again and again; steps 0, 10, 20 of 50
    targets: tuple[float, ...] = (0.05, 0.5, 0.8)  # until each subject's peak is this high
    iterations: int = 20  # at most, at one of those
    scale: float | None = None  # how far latents are moved; None: the model's own, else 20
    sigma: float = 0.5  # of the smoothing, in the released code's sense: exp(-(x / 2 sigma)^2)
    temperature: float | None = None  # attention times this before the softmax over words; None: the model's, else 100


@dataclass(frozen=True)
class Loss:
    """How far a subject is from being looked at."""

    temperature: float  # attention times this before the softmax over words
    sigma: float  # of the smoothing


@cache
def _arms(backbone: Backbone, seed: int, things: int) -> dict[str, dict[str, float]] | None:
    """Two or three things of different kinds, each in a colour, drawn with care and without."""
    scene = sample(seed, count=things)
    if len({thing.look.category for thing in scene.things}) < things:
        return None
    told = caption(scene, say=[(number, "colour") for number in range(things)], length="short")
    nouns = tuple(told.text[span.start : span.end] for span in told.spans if span.role == "noun")
    found = attend_and_excite(backbone, told.text, None, AttendAndExciteConfig(words=nouns), seed=seed)
    source = render(scene, backbone.size[0])
    scores = {}
    for arm, seen in zip(("method", "generate"), parsed(found.images[0], found.sources[0]), strict=True):
        regions = regions_of(source, dict(seen.maps))
        looks = [thing.look for thing in scene.things]
        scores[arm] = {
            "present": float(all(region is not None for region in regions)),
            "bound": float(
                all(
                    region is not None and region.shows("colour", look)
                    for region, look in zip(regions, looks, strict=True)
                )
            ),
            "share": sum(region is not None for region in regions) / things,
        }
    return scores


def _score(measure: str, things: int) -> Callable[[Backbone, int], dict[str, float] | None]:
    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        arms = _arms(backbone, seed, things)
        return {arm: own[measure] for arm, own in arms.items()} if arms else None

    return score


CLAIMS = tuple(
    Claim(f"attend_and_excite.{id}", says, ("generate",), _score(measure, things), scenes=150)
    for id, measure, things, says in (
        ("present", "present", 2, "of two things both are there more often than in plain pictures"),
        ("bound", "bound", 2, "of two things both are there in their colours more often than in plain pictures"),
        ("three_present", "share", 3, "of three things more are there than in plain pictures"),
        ("three_bound", "bound", 3, "of three things all are there in their colours more often than in plain pictures"),
    )
)


@method(family="editing", paper="arXiv:2301.13826", claims=CLAIMS)
def attend_and_excite(
    backbone: Backbone,
    source: str | Sequence[str],
    target: str | Sequence[str] | None = None,
    config: AttendAndExciteConfig = AttendAndExciteConfig(),
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
    """A picture in which every subject of the prompt is there, beside the one that was drawn without care.

    Without a `target` it is the source's own prompt.
    """
    return edit(
        backbone, source, source if target is None else target, [part(config)], image=image, inversion=inversion,
        steps=steps, guidance=guidance, negative=negative, size=size, seed=seed, run=run,
    )  # fmt: skip


def part(config: AttendAndExciteConfig) -> Part:
    """As a part of an edit."""
    check_shares(config, "window")
    temperature = TEMPERATURE if config.temperature is None else config.temperature
    if config.iterations < 0 or not config.sigma > 0 or not 0 < temperature < math.inf:
        raise InputError(
            f"expected iterations from 0 on, a sigma above 0, a finite temperature above 0; got {config.iterations}, "
            f"{config.sigma}, {temperature}"
        )
    if not all(0 <= share <= 1 for share in (*config.refine, *config.targets)):
        raise InputError(f"refine and targets: expected shares from 0 to 1, got {config.refine} and {config.targets}")
    if len(config.refine) != len(config.targets):
        raise InputError(f"refine and targets: expected as many, got {len(config.refine)} and {len(config.targets)}")
    return Part("attend_and_excite", asdict(config), lambda case: _control(case, config))


def _control(case: Case, config: AttendAndExciteConfig) -> Control:
    subjects = [_subjects(case.tokens(TARGET, image), config.words) for image in range(len(case))]
    sites = case.word_sites()
    read = Read(sites, "probabilities", f"{TARGET}.cond", reduce=HeadMean(), pool="grid", gradient=True)
    kept = Read(sites, "probabilities", f"{TARGET}.cond", reduce=HeadMean(), keep="sum", pool="grid", when=main_passes)
    scale = _setting(case.backbone, "scale", config.scale, SCALE)
    loss = Loss(_setting(case.backbone, "temperature", config.temperature, TEMPERATURE), config.sigma)
    sizes = scale * torch.linspace(1, 0.5, case.steps).sqrt()
    stops = {step_at(share, case.steps): 1 - peak for share, peak in zip(config.refine, config.targets, strict=True)}
    last = step_at(config.window, case.steps)

    def excite(step: Step, seen: Tap) -> None:
        del seen
        size = float(sizes[step.index])
        if step.index in stops:
            for _ in range(config.iterations):
                losses, gradient = _losses(step, read, subjects, loss)
                if not _move(step, size, gradient, losses > stops[step.index]):
                    break
        if step.index < last:
            losses, gradient = _losses(step, read, subjects, loss)
            _move(step, size, gradient, losses > 0)

    return Control(
        taps=[kept],
        before=excite,
        maps=lambda seen: {TARGET: case.word_maps(seen[kept], subjects)},
    )


def _setting(backbone: Backbone, name: str, asked: float | None, authors: float) -> float:
    """As asked for, or the model's own, or the authors'."""
    return float(backbone.calibration.get(f"attend_and_excite_{name}", authors)) if asked is None else asked


def _move(step: Step, size: float, gradient: Tensor, which: Tensor) -> bool:
    """Latents against the gradient, of those images that need it; says whether any did."""
    moved = step.latents[TARGET] - size * gradient
    step.latents[TARGET] = torch.where(which[:, None, None, None], moved, step.latents[TARGET])
    return bool(which.any())


def _losses(step: Step, read: Read, subjects: Sequence[dict[str, list[int]]], loss: Loss) -> tuple[Tensor, Tensor]:
    """(n,) and its gradient to the latents, which ends behind the last layer that is read."""
    row = next(row for row in step.rows if row.name == f"{TARGET}.cond")
    with torch.enable_grad():
        latents = step.latents[TARGET].detach().requires_grad_()
        shown = step.steppers[TARGET].scaled(latents, step.index)
        with tapped(step.backbone.sites, read, stop=True) as seen:
            step.denoise([row], {TARGET: shown}, passing="gradient")
        ((grid, sums),) = seen[read].items()
        count = seen.counts(read)[grid]
        losses = torch.stack([_neglect(own / count, grid, row, k, subjects[k], loss) for k, own in enumerate(sums)])
        (gradient,) = torch.autograd.grad(losses.sum(), latents)
    return losses.detach(), gradient


def _neglect(
    maps: Tensor,
    grid: tuple[int, int],
    row: Row,
    image: int,
    subjects: dict[str, list[int]],
    loss: Loss,
) -> Tensor:
    """How much the most neglected subject lacks; maps (cells, tokens) of one image."""
    words = _without_marks(row.context.tokens[image][0])
    shares = (maps[:, words].float() * loss.temperature).softmax(-1)
    peaks = []
    for positions in subjects.values():
        own = shares[:, [words.index(position) for position in positions]].mean(-1)
        peaks.append(_smooth(own.view(1, 1, *grid), loss.sigma).max())
    return (1 - torch.stack(peaks)).clamp(min=0).max()


def _without_marks(tokens: Tokens) -> list[int]:
    """Positions that take part: not the opening mark, nor the last one; where what fills up is another token than the
    end mark, as in Stable Diffusion 2, nothing from the end on.
    """
    filled = tokens.ids[-1] != tokens.ids[tokens.end]
    return list(range(1, tokens.end if filled else len(tokens.ids) - 1))


def _smooth(values: Tensor, sigma: float) -> Tensor:
    """3 x 3, reflected at the border; the released kernel, wider than a Gaussian of this sigma."""
    line = torch.exp(-((torch.arange(-1.0, 2.0, device=values.device) / (2 * sigma)) ** 2))
    kernel = line[:, None] * line
    return F.conv2d(F.pad(values, (1, 1, 1, 1), mode="reflect"), (kernel / kernel.sum())[None, None])


def _subjects(tokens: Tokens, words: Sequence[str]) -> dict[str, list[int]]:
    """The tokens of each subject."""
    names = words or [tokens.text[one.head_start : one.head_end] for one in noun_phrases(tokens.text)]
    if not names:
        raise InputError(f"no noun was found in {tokens.text!r}; name the subjects: words=")
    return {name: list(tokens_of_word(tokens, name)) for name in names}
