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
from innerlight.backbones.hashing import hash_files
from innerlight.files import write_json
from innerlight.files.json_text import refuse_foreign
from innerlight.prompts import LearnedWord
from innerlight.sampling import Run, generate
from innerlight.sampling.features import noisy_features
from innerlight.sampling.generate import facts_of, learned_of, strip_png
from innerlight.sampling.noise import seeds_of
from innerlight.tuning.adapters import save_lora
from innerlight.tuning.denoising import Part, Times
from innerlight.tuning.freezing import settled
from innerlight.tuning.lessons import Folder, Lesson, Term, Vectors, learn_in_phases, refuse_other_run
from innerlight.tuning.templates import known_to
from innerlight.tuning.training import Schedule
from innerlight.tuning.words import about_base, file_of, save_word
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
    """A model that knows something new: by words of its own, by a LoRA or by weights that are others, or by both."""

    backbone: Backbone
    plain: Backbone  # the same without its new words
    name: str  # as prompts have it: "<toy>", or "sks dog"
    kind: Literal["word", "lora", "model"]  # what is new in it, beside words
    recipe: Mapping[str, Any]
    report: Report | None = None

    @property
    def words(self) -> tuple[LearnedWord, ...]:
        """All that were learned."""
        return self.backbone.learned[len(self.plain.learned) :]

    @property
    def word(self) -> LearnedWord:
        """What was learned, of a method that learns a word."""
        if not self.words:
            raise InputError(f"{self.name}: what was learned is in the weights, not in a word; see .backbone")
        return self.words[0]

    @property
    def one_file(self) -> bool:
        """Is it a word and nothing else? What is more is saved as a folder."""
        return self.kind == "word" and len(self.words) == 1

    def save(self, path: str | os.PathLike[str]) -> None:
        """As diffusers loads it: a word as a file (with vectors for each place one that it must refuse), a LoRA as a
        file or a folder, a model as the folder of a pipeline; several of these as a folder, with a file for each word.
        """
        if self.one_file:
            save_word(path, self.backbone, self.word, **self.recipe)
            return
        folder, base = Path(path), self.recipe["model_hash"]
        files = {word.name: file_of(word.name) for word in self.words}
        if len(set(files.values())) < len(files):
            raise InputError(f"{', '.join(files)}: their files would have one name; call them otherwise")
        if self.words and folder.suffix == ".safetensors":
            raise InputError(f"{folder}: expected a folder for words and weights, got a file; give {folder.stem}")
        if self.kind == "lora":
            save_lora(folder, self.plain, **self.recipe)
        elif self.kind == "model":
            save_pipeline(self.plain, folder, half=False)
            told = {"innerlight": FORMAT, **about_base(self.plain, base), **self.recipe}
            write_json(told, folder / "taught.json")
            base = hash_files(folder.glob("*/*.safetensors"))  # as it has when it is loaded
        for word in self.words:
            save_word(folder / files[word.name], self.backbone, word, **{**self.recipe, "base": base})

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
        run=run,
    )
    schedule = replace(WORDS, steps=steps, batch=sum(part.count for part in parts), rate=rate, decay=decay)
    return teach(
        backbone, name, like, images, parts[0].shots.size, lambda: [(lesson, schedule)],
        lambda: (backbone, [vectors.learned(name)]), kind="word", recipe=recipe, seed=seed, folder=folder,
        report=report, judged=judged, style=style, run=run,
    )  # fmt: skip


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
    phrase = f"{name} {like}"
    plan = replace(PLAN, steps=steps, rate=rate, decay=decay)

    def lessons() -> list[tuple[Lesson, Schedule]]:
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
            run=run,
        )
        return [(lesson, replace(plan, batch=sum(part.count for part in made)))]

    return teach(
        backbone, phrase, like, images, size, lessons, lambda: (settled(tuned, backbone, module), []), kind=kind,
        recipe=recipe, seed=seed, folder=folder, report=report, judged=judged, run=run,
    )  # fmt: skip


def teach(
    backbone: Backbone,
    name: str,
    like: str,
    images: Sequence[Image.Image],
    size: Size,
    lessons: Callable[[], Sequence[tuple[Lesson, Schedule]]],
    learned: Callable[[], tuple[Backbone, Sequence[LearnedWord]]],
    *,
    kind: Literal["word", "lora", "model"],
    recipe: Mapping[str, Any],
    seed: int = 0,
    folder: Folder | None = None,
    report: int = 2,
    judged: Judged | None = None,
    style: bool = False,
    run: Run | None = None,
) -> Taught:
    """What lessons teach, one after another, of which `backbone` is what it was before, and stays so. They are made
    once nothing is left to refuse; in the end `learned` gives the model as it is then, and its new words beside it.
    """
    told = run or Run()
    whole = _whole(recipe, backbone, name, like, images, size, seed)
    if folder is not None:
        refuse_other_run(Path(folder), whole)
    phases = [(lesson, _sampled(schedule)) for lesson, schedule in lessons()]
    learn_in_phases(phases, folder, told, whole, backbone)
    plain, words = learned()
    after = plain.knowing(*words) if words else plain
    seen = _seen(backbone, after, name, like, images, report, size, seed, judged, told, style)
    return Taught(after, plain, name, kind, whole, seen)


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
