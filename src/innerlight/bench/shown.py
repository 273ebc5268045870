"""What a method does on one scoring scene, as a picture; and what that takes: passes, time over theirs, memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image

from innerlight import viz
from innerlight.backbones import Backbone
from innerlight.bench.claims import digest, taken_by
from innerlight.bench.costs import forget_peak, peak, resident
from innerlight.bench.editing_costs import plain_pass, watched
from innerlight.embedded.concepts import LOOKS, Concept, concept, plain_names, seeds_of, two_places, word_of
from innerlight.embedded.edits import task
from innerlight.embedded.recognition import hunt, pair
from innerlight.files import read_recipe, write_picture
from innerlight.methods import Method, get
from innerlight.sampling import Run, generate
from innerlight.types import InputError, LabelMap, Match
from innerlight.world import caption, render, sample, truth

Panels = dict[str, Image.Image]  # by what stands below them
QUIET = Run(progress=False)
NAME = "<toy>"
CHANGES = {"prompt_to_prompt": ("thing", "thing"), "masactrl": ("pose", "pose")}  # of even and odd seeds
OTHERS = ("thing", "colour")
POINTS = 4  # of a pair, for a method that takes a training for each
DRAWN = 3  # of a prompt


@dataclass
class Taking:
    """A method, and what its calls take."""

    method: Method
    backbone: Backbone
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the method, other than its own
    rows: Counter[int] = field(default_factory=Counter)  # passes by their number of rows
    seconds: float = 0.0
    memory: int = 0

    def __call__(self, *given: Any, knowing: Backbone | None = None, **named: Any) -> Any:
        """The method on the model, or on one that knows more words, watched."""
        forget_peak()
        before, start = resident(), time.perf_counter()
        with watched(self.backbone) as passes:
            found = self.method.function(knowing or self.backbone, *given, **self._config(), **named)
        self.seconds += time.perf_counter() - start
        self.memory = max(self.memory, peak() - before)
        self.rows += passes.rows
        return found

    def _config(self) -> dict[str, Any]:
        return {"config": self.method.config(**self.settings)} if self.settings else {}


@dataclass(frozen=True)
class Took:
    """What one run took."""

    passes: int  # rows through the UNet; one with its gradient counts as three
    seconds: float
    floor: float  # seconds of as many plain passes
    memory: int  # bytes above what was resident before

    @property
    def over_floor(self) -> float:
        """How many times as long as its passes alone."""
        return self.seconds / self.floor


def shown(backbone: Backbone, name: str, seed: int, folder: Path, *, draws: bool = True) -> tuple[Path, Took] | None:
    """One scoring scene, as a picture, and what the method took for it; kept in `folder` by method and model. None if
    it is not there and nothing is to be drawn.
    """
    method = get(name)
    path = folder / f"{name}-{seed}-{digest(taken_by(backbone, method))}.png"
    if not path.exists():
        if not draws:
            return None
        side = backbone.sites.latent[0]
        plain_pass(backbone, 1, side)  # the first takes longer
        taking = Taking(method, backbone)
        panels = PANELS[method.family](taking, seed)
        floor = sum(count * plain_pass(backbone, rows, side) for rows, count in taking.rows.items())
        passes = sum(rows * count for rows, count in taking.rows.items())
        picture = viz.grid(list(panels.values()), list(panels), columns=min(len(panels), 6))
        write_picture(picture, path, recipe=asdict(Took(passes, taking.seconds, floor, taking.memory)))
    return path, Took(**read_recipe(path))


def _read(run: Taking, seed: int) -> Panels:
    """A drawn scene and where the nouns of its caption are."""
    scene = sample(seed)
    told = caption(scene)
    nouns = [told.text[span.start : span.end] for span in told.spans if span.role == "noun"]
    drawn = render(scene, run.backbone.size[0]).picture
    found = run(told.text, nouns, image=drawn, seed=seed, run=QUIET)
    maps = {noun: found.maps[0][noun].picture(drawn) for noun in dict.fromkeys(nouns)}
    return {told.text: Image.fromarray(drawn)} | maps


def _edited(run: Taking, seed: int) -> Panels:
    """A picture before and after, under the prompts of a task of the claim."""
    name, size = run.method.name, run.backbone.size[0]
    if name == "attend_and_excite":
        scene = sample(seed, count=2)
        told = caption(scene, say=[(0, "colour"), (1, "colour")], length="short")
        nouns = tuple(told.text[span.start : span.end] for span in told.spans if span.role == "noun")
        found = run(told.text, None, run.method.config(words=nouns), seed=seed, run=QUIET)
        return {f"plain: {told.text}": found.sources[0], "with care": found.images[0]}
    if name == "text_anatomy":
        places = two_places(seed) or _refuse(run, "the scenes are in one setting, or of one thing")
        source, target, _ = places.captions
        found = run(source, target, seed=seed, run=QUIET)
        other = generate(run.backbone, target, seed=seed, run=QUIET).images[0]
        return {source: found.sources[0], target: other, "the pads of the second": found.images[0]}
    if name == "style_mixing":
        return _mixed(run, seed)
    asked = task(seed, CHANGES.get(name, OTHERS)[seed % 2], size) or _refuse(run, "the scene cannot change so")
    if name == "prompt_to_prompt":
        found = run(asked.source, asked.target, seed=seed, run=QUIET)
    else:
        found = run("", asked.target, image=asked.before.picture, seed=seed, run=QUIET)
    new = generate(run.backbone, asked.target, seed=seed, run=QUIET).images[0]
    masks = {f"where {name} edits": _inside(found.sources[0], mask[0]) for mask in found.masks.values()}
    return {asked.source: found.sources[0], **masks, asked.target: found.images[0], "the new prompt alone": new}


def _mixed(run: Taking, seed: int) -> Panels:
    """Two learned things, and pictures of the one with the looks of the other."""
    both = [concept(number, run.backbone.size[0], plain_names(run.backbone)) for number in (seed, seed + LOOKS)]
    teach = get("p_plus")
    words = [
        replace(word_of(teach.function, run.backbone, number, teach.config()), name=title)
        for number, title in ((seed, "<shape>"), (seed + LOOKS, "<look>"))
    ]
    found = run(
        ["a <shape>"] * DRAWN, ["a <look>"] * DRAWN, knowing=run.backbone.knowing(*words),
        seed=seeds_of(seed, DRAWN), run=QUIET,
    )  # fmt: skip
    mixed = {f"both, {number}": one for number, one in enumerate(found.images, start=1)}
    return {"the shape": both[0].shots[0], "the look": both[1].shots[0], "the shape, learned": found.sources[0]} | mixed


def _segmented(run: Taking, seed: int) -> Panels:
    """A drawn scene, what is true of it, and its segments."""
    drawn = render(sample(seed), run.backbone.size[0])
    found = run(drawn.picture, seed=seed, run=QUIET)
    true = truth.instances(drawn)
    return {
        "given": Image.fromarray(drawn.picture),
        "true": viz.labels(drawn.picture, LabelMap(true, {}), legend=False, hidden=(0,)),
        "segments": viz.labels(drawn.picture, found.labels[0], legend=False),
    }


def _matched(run: Taking, seed: int) -> Panels:
    """Keypoints of one thing in another."""
    asked = pair(seed, "within", run.backbone.size[0]) or _refuse(run, "the things share no keypoint")
    asked = asked.only(range(min(POINTS, len(asked.names))))
    both = asked.source.picture, asked.target.picture
    found = run(*both, asked.points, seed=seed, run=QUIET)
    true = [Match(tuple(a), tuple(b)) for a, b in zip(asked.points, asked.true, strict=True)]
    hits = asked.hits(found.found[0]).tolist()
    return {"true": viz.matches(*both, true), "found": viz.matches(*both, found.matches(), correct=hits)}


def _ranked(run: Taking, seed: int) -> Panels:
    """A thing, and a gallery in the order of the method with what it marks."""
    asked = hunt(seed, run.backbone.size[0]) or _refuse(run, "the reference shows too little of its thing")
    gallery = [one.picture for one in asked.gallery]
    found = run(asked.reference.picture, gallery, mask=asked.mask, word=asked.category, seed=seed, run=QUIET)
    order = np.argsort(-found.scores)
    told = {True: "shows it", False: "another"}
    marked = {
        f"{place}: {told[bool(asked.positives[k])]}": _inside(gallery[k], found.mask(int(k)))
        for place, k in enumerate(order, start=1)
    }
    return {f"this {asked.category}": _inside(asked.reference.picture, asked.mask), **marked}


def _taught(run: Taking, seed: int) -> Panels:
    """Pictures that a thing is learned from, and how it is drawn then."""
    asked = concept(seed, run.backbone.size[0], plain_names(run.backbone))
    taught = run(asked.shots, NAME, asked.like, report=0, seed=seed, run=QUIET)
    learned = {f"learned from, {number}": one for number, one in enumerate(asked.shots[:DRAWN], start=1)}
    return (
        learned
        | _draw(run.backbone, asked.words, asked, seed)
        | _draw(taught.backbone, f"a {taught.name}", asked, seed)
    )


def _draw(backbone: Backbone, prompt: str, asked: Concept, seed: int) -> Panels:
    """Some of the pictures that are judged, and whether they pass."""
    made = generate(backbone, [prompt] * DRAWN, seed=seeds_of(seed, DRAWN), run=QUIET).images
    told = {1.0: "passes", 0.0: "fails"}
    return {f"{prompt}, {n}: {told[asked.kept([one])]}": one for n, one in enumerate(made, start=1)}


def _refuse(run: Taking, why: str) -> NoReturn:
    raise InputError(f"{run.method.name}: {why}; show another scene, one that was scored")


def _inside(picture: Any, mask: np.ndarray) -> Image.Image:
    """A picture with a mask drawn over it."""
    return viz.labels(picture, LabelMap(mask.astype(np.uint8), {}), legend=False, hidden=(0,))


PANELS: dict[str, Callable[[Taking, int], Panels]] = {
    "reading": _read, "editing": _edited, "segmentation": _segmented, "correspondence": _matched,
    "retrieval": _ranked, "teaching": _taught,
}  # fmt: skip
