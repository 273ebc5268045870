"""What teaching gives: a model that knows something new, how well it does, and what others need to know it too."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from innerlight import __version__
from innerlight.backbones import Backbone, Size, save_pipeline
from innerlight.backbones.hashing import hash_modules
from innerlight.files import write_json
from innerlight.files.json_text import refuse_foreign
from innerlight.prompts import LearnedWord
from innerlight.sampling import Run, generate
from innerlight.sampling.features import noisy_features
from innerlight.sampling.generate import facts_of, learned_of, strip_png
from innerlight.sampling.noise import seeds_of
from innerlight.tuning.adapters import save_lora
from innerlight.tuning.denoising import Part, Times
from innerlight.tuning.freezing import frozen
from innerlight.tuning.lessons import Folder, Lesson, Term, Vectors, learn, refuse_other_run
from innerlight.tuning.templates import known_to
from innerlight.tuning.training import Schedule
from innerlight.tuning.words import about_base, save_word
from innerlight.types import InputError
from innerlight.viz import grid

FORMAT = "innerlight taught model 1"
NAME = "<thing>"  # of a word, if it is given none
SAMPLES, SPARED = 4, 25  # times at which a run shows what it has learned so far; steps at least between them
Judged = Callable[
    [Sequence[Image.Image], Sequence[Image.Image]], float
]  # how like things in two groups of pictures are
TIMESTEP = 261  # of the features that pictures are compared by, where a model names none
PLAN = Schedule(
    steps=0, batch=1, warmup=0, final=1.0, average=None, betas=(0.9, 0.999), half=False, log_steps=1, save_seconds=300
)  # a rate that stays, gradients of length 1 at most, no average
WORDS = replace(PLAN, final=0.0, clip=math.inf, decays="all", save_seconds=20)  # a few numbers, kept at once
PLAIN = ("a photo of a {}", "a {}", "{}")
ELSEWHERE = ("a {} on the grass", "a {} in the snow", "a drawing of a {}")
IN_STYLE = ("a picture in the style of {}", "{}")
OTHERS_IN_STYLE = ("a house in the style of {}", "a dog in the style of {}", "a dog {}")


@dataclass(frozen=True, eq=False)
class Report:
    """What was learned, in numbers without a judge; 1 is best but for `change` and `drift`, which are of pixels.

    change: how much pictures of the word differ from those of what it began as; 0 is a word without effect.
    kept: how like the pictures learned from those of the word are (cosine of mean features); `before`, those of what
    it began as; `identity` and `identity_before`, the same by a judge of individuals, where there is one. editable:
    does a setting move both alike (cosine of what it changes)? drift: how much pictures of what it began as have
    changed; 0 where only a word was learned.
    """

    scores: Mapping[str, float]
    pictures: Mapping[str, list[Image.Image]]

    def sheet(self) -> Image.Image:
        """All pictures, a row each kind."""
        widest = max(len(images) for images in self.pictures.values())
        blank = Image.new("RGB", next(iter(self.pictures.values()))[0].size, "white")
        cells = [image for images in self.pictures.values() for image in (images + [blank] * widest)[:widest]]
        return grid(cells, columns=widest, row_heads=list(self.pictures))


@dataclass(frozen=True, eq=False)
class Taught:
    """A model that knows something new: by a word of its own, by a LoRA, or by weights that are others all over."""

    backbone: Backbone
    name: str  # as prompts have it: "<toy>", or "sks dog"
    kind: Literal["word", "lora", "model"]
    recipe: Mapping[str, Any]
    report: Report | None = None

    @property
    def word(self) -> LearnedWord:
        """What was learned, of a method that learns a word."""
        if self.kind != "word":
            raise InputError(f"{self.name}: what was learned is in the weights, not in a word; see .backbone")
        return next(one for one in self.backbone.learned if one.name == self.name)

    def save(self, path: str | os.PathLike[str]) -> None:
        """As diffusers loads it: a word as a file (with vectors for each place one that it must refuse), a LoRA as a
        file or a folder, a model as the folder of a pipeline.
        """
        if self.kind == "word":
            save_word(path, self.backbone, self.word, **self.recipe)
        elif self.kind == "lora":
            save_lora(path, self.backbone, **self.recipe)
        else:
            save_pipeline(self.backbone, path, half=False)
            told = {"innerlight": FORMAT, **about_base(self.backbone, self.recipe["model_hash"]), **self.recipe}
            write_json(told, Path(path) / "taught.json")

    def _repr_png_(self) -> bytes | None:
        """In a notebook: the pictures of the report."""
        return None if self.report is None else strip_png([self.report.sheet()])


def teach_word(
    backbone: Backbone,
    vectors: Vectors,
    name: str,
    like: str,
    images: Sequence[Image.Image],
    parts: Sequence[Part],
    view: Callable[[int], Backbone],
    *,
    steps: int,
    rate: float,
    decay: float = 0.0,
    times: Times | None = None,
    terms: Mapping[str, Term] | None = None,
    recipe: Mapping[str, Any],
    seed: int = 0,
    folder: Folder | None = None,
    report: int = 2,
    judged: Judged | None = None,
    style: bool = False,
    run: Run | None = None,
) -> Taught:
    """A word learned from parts of pictures, all of the model's networks left as they are; with `report` pictures of
    each kind drawn at the end, in sentences about a thing or a `style`. `view` is the model at a step, through the
    vectors as they are.
    """
    told, size = run or Run(), parts[0].shots.size
    (plain, *_) = known_to(IN_STYLE if style else PLAIN[1:], backbone.calibration.get("vocabulary"))
    lesson = Lesson(
        vectors,
        view,
        parts,
        changing=lambda prompt: True,
        seed=seed,
        shown=[plain.format(name)] * 2,
        times=times,
        terms=terms,
        run=told,
    )
    schedule = replace(WORDS, steps=steps, batch=sum(part.count for part in parts), rate=rate, decay=decay)
    whole = _whole(recipe, backbone, name, like, images, size, seed)
    with frozen(backbone.networks):
        learn(lesson, _sampled(schedule), folder, told, whole)
    taught = backbone.knowing(vectors.learned(name))
    seen = _seen(backbone, taught, name, like, images, report, size, seed, judged, told, style)
    return Taught(taught, name, "word", whole, seen)


def teach_weights(
    backbone: Backbone,
    tuned: Backbone,
    module: nn.Module,
    name: str,
    like: str,
    images: Sequence[Image.Image],
    size: Size,
    parts: Callable[[], Sequence[Part]],
    *,
    kind: Literal["lora", "model"],
    texts: bool = False,
    steps: int,
    rate: float,
    decay: float,
    times: Times | None = None,
    terms: Mapping[str, Term] | None = None,
    recipe: Mapping[str, Any],
    seed: int = 0,
    folder: Folder | None = None,
    report: int = 2,
    judged: Judged | None = None,
    run: Run | None = None,
) -> Taught:
    """Weights learned from parts of pictures: `module` has those of `tuned` that change (with `texts`, some of them in
    text encoders), `backbone` is what it was before, and stays so. Parts are made once nothing is left to refuse.
    """
    told = run or Run()
    phrase = f"{name} {like}"
    plan = _sampled(replace(PLAN, steps=steps, rate=rate, decay=decay))
    whole = _whole(recipe, backbone, phrase, like, images, size, seed)
    if folder is not None:
        refuse_other_run(Path(folder), whole)
    made = parts()
    lesson = Lesson(
        module,
        lambda step: tuned,
        made,
        changing=lambda prompt: texts,
        seed=seed,
        shown=[f"a {phrase}"] * 2,
        times=times,
        terms=terms,
        run=told,
    )
    with frozen(backbone.networks):
        learn(lesson, replace(plan, batch=sum(part.count for part in made)), folder, told, whole)
    module.requires_grad_(False)
    for part, network in tuned.networks.items():
        if network is not backbone.networks[part]:
            network.eval()
    tuned.hash = hash_modules(tuned.networks.values())
    seen = _seen(backbone, tuned, phrase, like, images, report, size, seed, judged, told)
    return Taught(tuned, phrase, kind, whole, seen)


def _sampled(schedule: Schedule) -> Schedule:
    return replace(schedule, sample_steps=max(schedule.steps // SAMPLES, SPARED))


def _whole(
    recipe: Mapping[str, Any],
    backbone: Backbone,
    name: str,
    like: str,
    images: Sequence[Image.Image],
    size: Size,
    seed: int,
) -> dict[str, Any]:
    """The recipe, with what it was learned on and from."""
    (seed,) = seeds_of(seed, 1)
    whole = {
        **recipe, "version": __version__, "model": backbone.name, "model_hash": backbone.hash,
        "dtype": str(backbone.dtype).removeprefix("torch."), **learned_of(backbone), "name": name, "like": like,
        "pictures": facts_of(images, images), "size": list(size), "seed": seed,
    }  # fmt: skip
    refuse_foreign(whole, "recipe")  # what cannot be written is refused before anything is learned
    return whole


def _seen(
    before: Backbone,
    after: Backbone,
    name: str,
    like: str,
    images: Sequence[Image.Image],
    count: int,
    size: Size,
    seed: int,
    judged: Judged | None,
    run: Run,
    style: bool = False,
) -> Report | None:
    if not count:
        return None
    return report_on(
        before, after, name, like, images, count=count, size=size, seed=seed, judged=judged, style=style, run=run
    )  # fmt: skip


def report_on(
    before: Backbone,
    after: Backbone,
    name: str,
    like: str,
    shown: Sequence[Image.Image],
    *,
    count: int = 2,
    size: Size | None = None,
    seed: int = 0,
    judged: Judged | None = None,
    style: bool = False,
    run: Run | None = None,
) -> Report:
    """Pictures of the word and of what it began as, from the same noise, `count` of each kind; and their scores."""
    vocabulary = before.calibration.get("vocabulary")
    (plain, *_) = known_to(IN_STYLE if style else PLAIN, vocabulary)
    elsewhere = known_to(OTHERS_IN_STYLE if style else ELSEWHERE, vocabulary)

    def drawn(backbone: Backbone, template: str, word: str) -> list[Image.Image]:
        prompts = [template.format(word)] * count
        return generate(backbone, prompts, seed=seed, size=size, run=run or Run(progress=False)).images

    pictures = {
        "learned from": list(shown)[:count],
        plain.format(name): drawn(after, plain, name),
        plain.format(like): drawn(before, plain, like),
    }
    new, old = list(pictures.values())[1:]
    means = {title: _features(before, images) for title, images in pictures.items()}
    given, word, begin = (means[title].mean(0) for title in pictures)
    moved = []
    for template in elsewhere:
        own, others = drawn(after, template, name), drawn(before, template, like)
        pictures[template.format(name)], pictures[template.format(like)] = own, others
        moved.append(_cosine(_features(before, own).mean(0) - word, _features(before, others).mean(0) - begin))
    scores = {
        "change": _difference(new, old),
        "kept": _cosine(word, given),
        "before": _cosine(begin, given),
        "editable": float(np.mean(moved)),
        "drift": _difference(old, drawn(after, plain, like)) if after.unet is not before.unet else 0.0,
    }
    if judged is not None:
        scores |= {"identity": judged(shown, new), "identity_before": judged(shown, old)}
    return Report(scores, pictures)


def _features(backbone: Backbone, images: Sequence[Image.Image]) -> Tensor:
    """(n, width): the mean over a picture of what DIFT reads."""
    t = int(backbone.calibration.get("dift_timestep", TIMESTEP))
    means = [noisy_features(backbone, image, t, "match").values.flatten(1).mean(1) for image in images]
    return torch.stack(means)


def _cosine(first: Tensor, second: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(first, second, dim=0))


def _difference(first: Sequence[Image.Image], second: Sequence[Image.Image]) -> float:
    """Of pixels in 0 to 1, on average."""
    pairs = zip(first, second, strict=True)
    return float(np.mean([np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() / 255 for a, b in pairs]))
