"""Things to be taught, with values that no word names, and how well pictures keep them, by the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.embedded.edits import parsed
from innerlight.embedded.oracle import Parsed, Region, regions_of, shipped_judge
from innerlight.embedded.vae import to_tensor
from innerlight.prompts import LearnedWord
from innerlight.sampling import Run, generate
from innerlight.types import NotFoundError
from innerlight.world import CATEGORIES, caption, individual, render, sample, truth
from innerlight.world.draw import Render
from innerlight.world.palette import UNNAMED_COLOURS, UNNAMED_PATTERNS
from innerlight.world.scene import SETTINGS, Look, Scene

ROLES = ("colour", "pattern")
DRAWN = 10  # pictures of a prompt that are judged
WORD = "<thing>"  # what concepts are called
SPREAD = 1000  # seeds of one concept
JUDGED_AT = 128  # the side of the pictures that the judge was trained on
SEEN = 0.8  # of a concept's own pictures in which the judge must see its values
LOOKS = 10  # numbers on is the thing whose look is taken: of so few scenes no two share a thing
FURTHER = 7  # categories on is the next that is tried, so that neighbours stay apart


@dataclass(frozen=True, eq=False)
class Concept:
    """An individual, pictures of it, and the most that can be said of it in words."""

    look: Look
    shots: list[Image.Image]
    like: str  # the word for its class
    words: str  # all that can be said of it, "a dotted chair"
    alone: Render  # a scene of it that nothing was learned from

    @property
    def unnamed(self) -> tuple[str, ...]:
        """The roles of which its value has no word."""
        values = {"colour": UNNAMED_COLOURS, "pattern": UNNAMED_PATTERNS}
        return tuple(role for role in ROLES if getattr(self.look, role) in values[role])

    def kept(self, pictures: Sequence[Image.Image]) -> float:
        """Share of the pictures that show its class with all of its values that have no word."""
        return float(np.mean([self._shown(one) for one in parsed(*pictures)]))

    def alike(self, pictures: Sequence[Image.Image]) -> float:
        """How like it the things of its class in pictures are, by the judge of individuals."""
        return _alike(self.like, self.shots[0].width)(pictures, self.shots)

    def drawn(self, backbone: Backbone, prompt: str, seed: int, count: int | None = None) -> list[Image.Image]:
        """What a model draws of a prompt."""
        seeds = seeds_of(seed, count or DRAWN)
        return generate(backbone, [prompt] * len(seeds), seed=seeds, run=Run(progress=False)).images

    def judged(self, backbone: Backbone, prompt: str, seed: int, count: int | None = None) -> dict[str, float]:
        """The same, as the judge sees it."""
        made = self.drawn(backbone, prompt, seed, count)
        return {"identity": self.kept(made), "likeness": self.alike(made)}

    def leaked(self, backbone: Backbone, seed: int) -> float:
        """Share of a model's pictures of its class, no name given, that show its values."""
        return self.kept(self.drawn(backbone, f"a {self.like}", seed))

    def elsewhere(self, backbone: Backbone, name: str, seed: int, count: int) -> float:
        """Share of pictures of a word somewhere else, in each setting as often, that show that setting."""
        asked: list[str] = []
        for setting in SETTINGS:
            told = caption(replace(self.alone.scene, setting=setting), "short", say=[(0, "noun"), (None, "setting")])
            noun = next(span for span in told.spans if span.role == "noun")
            asked += [f"a {name}{told.text[noun.end :]}"] * max(1, count // len(SETTINGS))
        made = generate(backbone, asked, seed=seeds_of(seed, len(asked)), run=Run(progress=False)).images
        settings = np.repeat(SETTINGS, len(asked) // len(SETTINGS))
        return float(np.mean(np.array(settings_shown(made)) == settings))

    def _shown(self, seen: Parsed) -> bool:
        (region,) = regions_of(self.alone, dict(seen.maps))
        return region is not None and all(region.shows(role, self.look) for role in self.unnamed)


def concept(seed: int, size: int, categories: Sequence[str], *, shots: int = 5) -> Concept:
    """The concept number `seed`, of one of some categories: always of a colour that has no word, in photographs, so
    that there is no style to learn. It is one whose values the judge sees in its own pictures, for it does not know
    each of them on each thing.
    """
    tried = FURTHER * len(categories)  # each category at least once
    for attempt in range(tried):
        looked = _concept(seed, attempt, JUDGED_AT, categories, shots)
        if looked.kept(looked.shots) >= SEEN:
            return looked if size == JUDGED_AT else _concept(seed, attempt, size, categories, shots)
    raise NotFoundError(
        f"concept {seed}: the judge does not see the colour of any of {tried} candidates in {SEEN:.0%} of their own "
        f"pictures; give other categories than {', '.join(categories)}"
    )


def _concept(seed: int, attempt: int, size: int, categories: Sequence[str], shots: int) -> Concept:
    rounds, place = divmod(seed, len(categories))
    on = FURTHER * attempt + attempt // len(categories)  # the next round begins beside the last
    kind = categories[(place + on) % len(categories)]
    colour = list(UNNAMED_COLOURS)[(rounds + place) % len(UNNAMED_COLOURS)]
    look = replace(individual(f"concept/{seed}/{attempt}", kind), colour=colour)
    scenes = [sample(f"concept/{seed}/{attempt}/{number}", looks=[look], style="photo") for number in range(shots + 1)]
    told = caption(scenes[-1], "short", say=[(0, role) for role in ("noun", *ROLES)]).text
    pictures = [Image.fromarray(render(scene, size).picture) for scene in scenes[:-1]]
    return Concept(look, pictures, kind, told, render(scenes[-1], size))


def word_of(teach: Callable[..., Any], backbone: Backbone, seed: int, config: Any) -> LearnedWord:
    """The word that a method learns of concept number `seed`, once for all claims that ask for it."""
    steps = config.steps or backbone.calibration.get(f"{teach.__name__}_steps")  # one run, however it is asked for
    return _word_of(teach, backbone, seed, replace(config, steps=steps))


@cache
def _word_of(teach: Callable[..., Any], backbone: Backbone, seed: int, config: Any) -> LearnedWord:
    asked = concept(seed, backbone.size[0], plain_names(backbone))
    return teach(
        backbone, asked.shots, WORD, asked.like, config, report=0, seed=seed, run=Run(progress=False)
    ).word  # fmt: skip


Judged = Callable[[Sequence[Image.Image], Sequence[Image.Image]], float]


def likeness(backbone: Backbone, like: str) -> Judged | None:
    """How like the things of one class in two groups of pictures are; None where the judge does not know the class, or
    the model is not one of the world's.
    """
    known = "vocabulary" in backbone.calibration and like in CATEGORIES
    return _alike(like, backbone.size[0]) if known else None


def _alike(like: str, side: int) -> Judged:
    """By the judge: the mean cosine of its identity vectors over all pairs, 0 for pictures without such a thing."""
    number = {name: number for number, name in truth.category_names().items()}[like]

    def vectors(pictures: Sequence[Image.Image]) -> Tensor:
        """(n, identity), 0 where the class is not seen."""
        found = []
        for seen in parsed(*(ImageOps.fit(one, (side, side)) for one in pictures)):
            mask = torch.from_numpy(seen.maps["category"] == number)
            _, identity = shipped_judge().describe_things(seen.features[None], mask[None])
            found.append(identity[0] * bool(mask.any()))
        return torch.stack(found)

    @torch.no_grad()
    def judged(first: Sequence[Image.Image], second: Sequence[Image.Image]) -> float:
        return float((vectors(first) @ vectors(second).T).mean())

    return judged


def plain_names(backbone: Backbone) -> list[str]:
    """The world's categories whose name is one token, as what a word begins as must be."""
    (encoder, *_) = backbone.texts
    return [name for name in sorted(CATEGORIES) if encoder.cut(name).end == 2]


def seeds_of(seed: int, count: int) -> list[int]:
    """Of the pictures that are judged of concept number `seed`: no other's, nor those of pictures it is taught with."""
    return [SPREAD * seed + number for number in range(count)]


def right(backbone: Backbone, seed: int, *, but: str) -> float:
    """Share of pictures of other classes than one that show what was asked for, in its colour."""
    asked: list[Scene] = []
    for number in count():
        scene = sample(f"others/{seed}/{number}", count=1)
        look = scene.things[0].look
        if look.category != but and look.colour not in UNNAMED_COLOURS:
            asked.append(scene)
        if len(asked) == DRAWN:
            break
    prompts = [caption(scene, "short", say=[(0, "noun"), (0, "colour")]).text for scene in asked]
    made = generate(backbone, prompts, seed=seeds_of(seed, DRAWN), run=Run(progress=False)).images
    found = [
        (scene, *regions_of(render(scene, backbone.size[0]), dict(seen.maps)))
        for scene, seen in zip(asked, parsed(*made), strict=True)
    ]
    return float(
        np.mean([region is not None and region.shows("colour", scene.things[0].look) for scene, region in found])
    )


def two_looks(seed: int, size: int) -> tuple[Render, Render] | None:
    """Two scenes of one thing each that differ in class, colour and pattern, all of which have words; None if they do
    not.
    """
    scenes = [sample(f"two/{seed}/{number}", count=1) for number in (0, 1)]
    first, second = (scene.things[0].look for scene in scenes)
    same = [role for role in ("category", *ROLES) if getattr(first, role) == getattr(second, role)]
    unnamed = {first.colour, second.colour} & {*UNNAMED_COLOURS} or {first.pattern, second.pattern} & {
        *UNNAMED_PATTERNS
    }
    if same or unnamed:
        return None
    return render(scenes[0], size), render(scenes[1], size)


def taken_from(first: Render, second: Render, pictures: Sequence[Image.Image]) -> dict[str, float] | None:
    """Of pictures that show the class of one of two scenes, how often class, colour and pattern are the first's; a
    value that is neither's counts half. None if no picture shows either class.
    """
    found: dict[str, list[float]] = {role: [] for role in ("class", *ROLES)}
    looks = [drawn.scene.things[0].look for drawn in (first, second)]
    for seen in parsed(*pictures):
        regions = [regions_of(drawn, dict(seen.maps))[0] for drawn in (first, second)]
        sizes = [0 if region is None else int(region.mask.sum()) for region in regions]
        region = regions[int(np.argmax(sizes))]
        if region is None:
            continue
        found["class"].append(float(sizes[0] > sizes[1]))
        for role in ROLES:
            own, other = (region.shows(role, look) for look in looks)
            found[role].append(0.5 + 0.5 * (own - other))
    return {role: float(np.mean(values)) for role, values in found.items()} if found["class"] else None


@dataclass(frozen=True, eq=False)
class Places:
    """Two scenes of one thing each, in two settings."""

    first: Scene
    second: Scene

    @property
    def captions(self) -> tuple[str, str, str]:
        """Of the first, of the second, and of the first's thing in the setting of the second."""
        scenes = self.first, self.second, replace(self.first, setting=self.second.setting)
        say = [(0, "noun"), (0, "colour"), (None, "setting")]
        first, second, both = (caption(one, "short", say=say).text for one in scenes)
        return first, second, both

    def arrived(self, pictures: Sequence[Image.Image]) -> list[bool]:
        """Which pictures are in the setting of the second."""
        return [one == self.second.setting for one in settings_shown(pictures)]

    def stayed(self, pictures: Sequence[Image.Image]) -> list[bool]:
        """Which pictures show the first's thing, in its colour where that has a word."""
        asked = render(self.first, pictures[0].width)
        return [self._shown(*regions_of(asked, dict(seen.maps))) for seen in parsed(*pictures)]

    def _shown(self, region: Region | None) -> bool:
        look = self.first.things[0].look
        return region is not None and (look.colour in UNNAMED_COLOURS or region.shows("colour", look))


def two_places(seed: int) -> Places | None:
    """Scenes of two things in two settings; None if they do not differ."""
    first, second = (sample(f"places/{seed}/{number}", count=1) for number in (0, 1))
    same = first.things[0].look.category == second.things[0].look.category
    return None if same or first.setting == second.setting else Places(first, second)


def settings_shown(pictures: Sequence[Image.Image]) -> list[str]:
    """Where pictures are, by the judge."""
    with torch.no_grad():
        reading = shipped_judge()(to_tensor(np.stack([np.asarray(one) for one in pictures])))
    return [SETTINGS[int(one)] for one in reading.setting.argmax(1)]
