"""Editing: a source and a target, from the same noise, side by side; methods say what passes from one to the other.

The source is drawn along, from its own prompt and seed; or it is a picture that was inverted, and its latents are
those of the inversion at every step. Rows are called "source.cond", "target.uncond" and so on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone, Context, Size
from innerlight.files import Source, read_pictures
from innerlight.maps import WordMap, resize
from innerlight.prompts import Tokens
from innerlight.sampling.generate import (
    GUIDANCE,
    default_steps,
    facts_of,
    guidance_of,
    prompts_for,
    prompts_of,
    recipe_of,
    rows_for,
    strip_png,
)
from innerlight.sampling.guidance import Guidance, Term
from innerlight.sampling.inversion import Inversion, invert, with_nulls
from innerlight.sampling.loop import Listener, Row, Step, run_steps, step_at
from innerlight.sampling.noise import draw, generators_of, seeds_of
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Ddim
from innerlight.taps import Moment, Read, Rows, Tap, Write, tapped
from innerlight.taps.sites import Grid
from innerlight.types import InputError

SOURCE, TARGET = "source", "target"
NULLED = ("negative_prompt", "null_text", "auto")  # inversions that have a "no prompt" of their own, or may have

Watcher = Callable[[Step, Tap], None]  # a listener that sees what the taps kept


@dataclass(frozen=True, eq=False)
class Case:
    """What an edit works on, as its methods are shown it before the first step."""

    backbone: Backbone
    prompts: Mapping[str, tuple[str, ...]]  # by stream
    contexts: Mapping[str, Context]  # by stream, of its prompts
    steps: int
    latent: Grid
    seeds: tuple[int, ...]
    inversion: Inversion | None  # None: the source is drawn along
    size: Size  # of the pictures, rows and columns

    def __len__(self) -> int:
        return len(self.seeds)

    def tokens(self, stream: str, image: int) -> Tokens:
        """A prompt as the (first) text encoder cuts it."""
        return self.contexts[stream].tokens[image][0]

    def word_sites(self) -> list[str]:
        """Text attention of the semantic level, on the way down and up: where words are looked for."""
        stride = self.backbone.sites.select("semantic.text")[0].grid_stride
        return [
            site.name
            for site in self.backbone.sites.values()
            if site.kind == "text" and site.branch in ("down", "up") and site.grid_stride == stride
        ]

    def word_maps(
        self, kept: Mapping[Any, Tensor], words: Sequence[Mapping[str, Sequence[int]]]
    ) -> list[dict[str, WordMap]]:
        """For each picture the maps of its words (with their tokens), of what a HeadMean kept for one grid."""
        if not kept:
            return [{} for _ in words]
        ((grid, sums),) = kept.items()
        values = sums.detach().float().cpu().numpy()
        return [
            {
                word: WordMap(word, values[image][:, list(tokens)].mean(-1).reshape(grid), self.size)
                for word, tokens in own.items()
            }
            for image, own in enumerate(words)
        ]

    def row(self, stream: str, role: str, prompts: Sequence[str]) -> Row:
        """One more row of a stream."""
        return Row(role, self.backbone.embed(prompts, self.size), stream)


@dataclass(frozen=True, eq=False)
class Control:
    """What one method does during an edit. It looks at the source's rows for a share `looks` of the run."""

    taps: Sequence[Read | Write] = ()
    before: Watcher | None = None
    after: Watcher | None = None  # changes latents after a step: of several methods one may
    terms: Sequence[Term] = ()  # of the target's guidance
    rows: Sequence[Row] = ()  # beside those of guidance
    reading: Callable[[Context], Context] | None = None  # the target's prompt, as one method may change it
    looks: float = 0.0
    masks: Callable[[], Tensor | None] = lambda: None  # (n, h, w) of the latents: where the edit may be
    maps: Callable[[Tap], Mapping[str, list[dict[str, WordMap]]]] = lambda seen: {}  # by stream, for each image


@dataclass(frozen=True, eq=False)
class Part:
    """A method with its settings, which does not know yet what it works on.

    `source` is what it needs of a source: its "words"; its "looks" alone, so that pictures are inverted without a
    prompt; or its "trajectory", so that drawn sources are inverted too.

    `control` may be asked twice: where something is to be inverted, once before that, without an inversion, for what it
    refuses. One that needs a trajectory is asked once.
    """

    name: str
    settings: Mapping[str, Any]
    control: Callable[[Case], Control]
    source: Literal["words", "looks", "trajectory"] = "words"
    halves: bool = False  # the source's row without a prompt is looked at as well
    reach: float = 1.0  # how far towards noise it goes back
    guidance: float | None = None  # the authors', for pictures that are given


@dataclass(frozen=True, eq=False)
class Edited:
    """Pictures before and after; the masks and the maps that were used; and what made them."""

    images: list[Image.Image]
    sources: list[Image.Image]
    latents: Tensor  # (n, c, h, w)
    source_latents: Tensor
    masks: Mapping[str, list[NDArray[np.bool_]]]  # by method, at the pictures' size
    maps: Mapping[str, list[dict[str, WordMap]]]  # by stream, for each picture
    seeds: tuple[int, ...]
    recipe: Mapping[str, Any]

    def _repr_png_(self) -> bytes:
        """In a notebook: each picture before and after."""
        return strip_png([one for pair in zip(self.sources, self.images, strict=True) for one in pair])


def until(share: float) -> Callable[[Moment], bool]:
    """In main passes of the first `share` of the steps."""
    return lambda moment: moment.passing == "main" and moment.step < step_at(share, moment.steps)


def since(share: float) -> Callable[[Moment], bool]:
    """In main passes from there on."""
    return lambda moment: moment.passing == "main" and moment.step >= step_at(share, moment.steps)


def check_shares(config: Any, *names: str) -> None:
    """Refuse settings that are no shares of a run."""
    for name in names:
        share = getattr(config, name)
        if not isinstance(share, Real) or not 0 <= float(share) <= 1:
            raise InputError(f"{name}: expected a share from 0 to 1, got {share!r}")


def edit(
    backbone: Backbone,
    source: str | Sequence[str],
    target: str | Sequence[str],
    parts: Sequence[Part],
    *,
    image: Source | Iterable[Source] | None = None,
    inversion: Inversion | str | None = None,
    seed: int | Sequence[int] = 0,
    steps: int | None = None,
    guidance: float | Guidance | None = None,
    negative: str | None = None,
    size: Size | None = None,
    run: Run | None = None,
) -> Edited:
    """Pictures of `target` by way of `source`, steered by the methods in `parts`.

    The source is drawn from its prompt and seed; or it is `image`, inverted as `inversion` says (a value, or the name
    of a way to find it), which comes back at its own size unless `size` is named.
    """
    _check_names(parts)
    images = None if image is None else read_pictures(image)
    given = images is not None or isinstance(inversion, Inversion)
    if inversion is not None and not given:
        raise InputError(f"inversion={inversion!r}: of what? give image= too")
    terms = _guidance(backbone, guidance, parts, inversion, given)
    count = inversion.steps if isinstance(inversion, Inversion) and steps is None else default_steps(backbone, steps)
    rule = Ddim(backbone.levels, count)
    asked = _Asked(backbone, tuple(parts), images, inversion, len(rule.timesteps), terms, negative, size, run or Run())
    asked.check()
    sources = asked.sources(source)
    case = asked.case(sources, prompts_of(target), seeds_of(seed, len(sources)))
    case = replace(case, inversion=asked.way_back(case, len(sources)))
    controls = {part.name: part.control(case) for part in parts}
    rows = _rows(asked, case, controls)
    _check_conflicts(case, controls, rows)
    latents, original, maps = _run(asked, case, controls, rows)
    made = backbone.decode(latents)
    before = backbone.decode(original) if images is None else images * (len(made) // len(images))
    sizes = [one.size for one in (made if size is not None else before)]
    recipe = recipe_of(
        backbone, parts[0].name if len(parts) == 1 else "edit", case.prompts[TARGET], case.seeds, rule, terms,
        negative=negative,
        size=case.size if images is None or size is not None else None, sources=list(case.prompts[SOURCE]),
        parts={part.name: dict(part.settings) for part in parts},
        pictures=None if image is None or images is None else facts_of(image, images),
        inversion=_inversion_facts(case.inversion, isinstance(inversion, Inversion)) if given else None,
    )  # fmt: skip
    masks = _masks(controls, sizes)
    return Edited(_sized(made, sizes), _sized(before, sizes), latents, original, masks, maps, case.seeds, recipe)


# What the source is


@dataclass(frozen=True, eq=False)
class _Asked:
    """What was asked of an edit, apart from prompts and seeds."""

    backbone: Backbone
    parts: tuple[Part, ...]
    images: list[Image.Image] | None
    inversion: Inversion | str | None
    steps: int
    guidance: Guidance
    negative: str | None
    size: Size | None
    run: Run

    @property
    def reach(self) -> float:
        """How far towards noise the source goes back."""
        return min(part.reach for part in self.parts)

    @property
    def first(self) -> int:
        """The step that it goes back to."""
        return self.steps - step_at(self.reach, self.steps)

    @property
    def cells(self) -> Grid:
        """Of the latents, rows and columns."""
        if isinstance(self.inversion, Inversion):
            return self.inversion.size
        size = self.size
        if size is None and self.images is not None:
            size = self.backbone.fitting((self.images[0].height, self.images[0].width))
        return self.backbone.latent_size(size)

    def check(self) -> None:
        """Refuse what does not go together, before anything is computed."""
        if "cond" not in self.guidance.roles:
            raise InputError("guidance: expected a weight other than 0, under which no prompt is read; got 0")
        if isinstance(self.inversion, Inversion):
            self._check_passed(self.inversion)
        elif self.inversion in NULLED:
            self._refuse_negative(self.inversion)

    def _check_passed(self, found: Inversion) -> None:
        found.check(self.backbone, self.steps)
        if found.nulls is not None:
            self._refuse_negative(found.method)
        if self.size is not None and self.backbone.latent_size(self.size) != found.size:
            raise InputError(f"size: the inversion is of {found.size} latent cells; leave size= out")
        if self.images is not None and len(self.images) != len(found.clean):
            raise InputError(f"image: the inversion is of {len(found.clean)} pictures, got {len(self.images)}")
        if found.noises is None and found.first > self.first:  # with noises, what is skipped is skipped on purpose
            raise InputError(
                f"inversion: it goes back to step {found.first} of {self.steps}, and this edit begins at step "
                f"{self.first}; invert again with reach={self.reach}"
            )

    def _refuse_negative(self, method: str) -> None:
        if self.negative:
            raise InputError(
                f"negative: {method} has states of its own where no prompt stands, so that {self.negative!r:.60} would "
                "not be read; leave it out, or invert by ddim"
            )

    def sources(self, source: str | Sequence[str]) -> list[str]:
        """The source's prompts, one for each picture that is given or drawn."""
        if isinstance(self.inversion, Inversion):
            return self._told(source, len(self.inversion.clean))
        return prompts_of(source) if self.images is None else self._told(source, len(self.images))

    def _told(self, source: str | Sequence[str], count: int) -> list[str]:
        """The prompts that sources are inverted under: none, if nobody reads their words."""
        return prompts_for(source if any(part.source == "words" for part in self.parts) else "", count)

    def case(self, sources: Sequence[str], targets: Sequence[str], seeds: tuple[int, ...]) -> Case:
        """What is worked on, without what leads back to it."""
        if len(sources) == 1:  # one source, and whatever is to become of it
            sources, seeds = list(sources) * len(targets), seeds * len(targets)
        prompts = {SOURCE: tuple(sources), TARGET: tuple(prompts_for(targets, len(sources)))}
        cells = self.cells
        size = (cells[0] * self.backbone.shrink, cells[1] * self.backbone.shrink)
        contexts = {stream: self.backbone.embed(texts, size) for stream, texts in prompts.items()}
        return Case(self.backbone, prompts, contexts, self.steps, cells, seeds, None, size)

    def way_back(self, case: Case, count: int) -> Inversion | None:
        """The inversion of the `count` sources of a case, passed or found here; None where they are drawn along.
        Methods that need a trajectory have drawn ones drawn first and inverted.
        """
        if isinstance(self.inversion, Inversion):
            return _repeated(self.inversion.to(self.backbone.device), len(case))
        if self.images is None and not any(part.source == "trajectory" for part in self.parts):
            return None
        _check_before(self, case)
        sources, seeds = case.prompts[SOURCE][:count], case.seeds[:count]
        texts = self._told(sources, count)
        found = self._invert(texts, seeds) if self.images is not None else self._invert_drawn(sources, texts, seeds)
        return _repeated(found, len(case))

    def _invert(self, texts: Sequence[str], seeds: Sequence[int]) -> Inversion:
        assert not isinstance(self.inversion, Inversion)
        # a negative prompt is read only where the inversion has no states in its place
        worded = any(texts) and self.guidance.weight != 1 and not self.negative
        how = self.inversion or ("negative_prompt" if worded else "ddim")
        settings: dict[str, Any] = {"guidance": self.guidance.weight}
        if how in ("ddim", "fixed_point"):
            settings = {"reach": self.reach}
        elif how in ("edit_friendly", "auto"):
            settings["seed"] = seeds
        return invert(
            self.backbone, self.images, texts, method=how, steps=self.steps, size=self.size, run=self.run, **settings
        )

    def _invert_drawn(self, sources: Sequence[str], texts: Sequence[str], seeds: Sequence[int]) -> Inversion:
        rows = rows_for(self.backbone, sources, self.guidance, negative=self.negative, size=self.size, stream=SOURCE)
        begun, rule = {SOURCE: _noise(self.backbone, seeds, self.cells)}, Ddim(self.backbone.levels, self.steps)
        drawn = run_steps(self.backbone, rule, begun, rows, self.guidance, {SOURCE: ()}, run=self.run)[SOURCE]
        return invert(self.backbone, prompts=texts, latents=drawn, steps=self.steps, reach=self.reach, run=self.run)


def _guidance(
    backbone: Backbone,
    guidance: float | Guidance | None,
    parts: Sequence[Part],
    inversion: Inversion | str | None,
    given: bool,
) -> Guidance:
    """As asked for, else that under which an inversion leads back, else the model's own, else the authors'."""
    if guidance is None and isinstance(inversion, Inversion) and inversion.guidance != 1:
        return Guidance(inversion.guidance)
    if guidance is None and given and "guidance" not in backbone.calibration:
        guidance = next((part.guidance for part in parts if part.guidance is not None), GUIDANCE)
    return guidance_of(backbone, guidance)


def _repeated(found: Inversion, count: int) -> Inversion:
    """The inversion of one picture as that of `count` pictures."""
    if count == 1 or len(found.clean) != 1:
        return found
    wide = {
        name: None if value is None else value.expand(-1, count, *value.shape[2:])
        for name, value in (("trajectory", found.trajectory), ("nulls", found.nulls), ("noises", found.noises))
    }
    facts: dict[str, Any] = {name: getattr(found, name) * count for name in ("prompts", "psnr", "floor")}
    for name, value in (("pooled", found.pooled), ("placed", found.placed)):
        facts[name] = None if value is None else value.expand(count, *value.shape[1:])
    return replace(found, **wide, **facts)


def _noise(backbone: Backbone, seeds: Sequence[int], cells: Grid) -> Tensor:
    return draw(generators_of(seeds), (backbone.unet.config.in_channels, *cells)).to(backbone.device)


# The run


def _rows(asked: _Asked, case: Case, controls: Mapping[str, Control]) -> list[Row]:
    """Those of the target, those that methods add, and of the source all, or beside a known trajectory those that
    are looked at.
    """
    of = {
        stream: rows_for(asked.backbone, texts, asked.guidance, negative=asked.negative, size=case.size, stream=stream)
        for stream, texts in case.prompts.items()
    }
    own = of[SOURCE]
    if case.inversion is not None:
        wanted: list[str] = []
        if any(control.looks > 0 for control in controls.values()):
            halves = any(part.halves for part in asked.parts) and _halves_differ(asked, case)
            wanted = ["uncond", "cond"] if halves else ["cond"]
        own = [row for row in own if row.role in wanted]
        if wanted and not any(row.role == "cond" for row in own):
            own.append(case.row(SOURCE, "cond", case.prompts[SOURCE]))
    target = _read(of[TARGET], controls, asked.parts)
    return [*own, *target, *(row for control in controls.values() for row in control.rows)]


def _halves_differ(asked: _Asked, case: Case) -> bool:
    """Is the source's row without a prompt another than that with it?"""
    nulls = case.inversion is not None and case.inversion.nulls is not None
    return any(case.prompts[SOURCE]) or bool(asked.negative) or asked.backbone.empty_is_zero or nulls


def _read(rows: Sequence[Row], controls: Mapping[str, Control], parts: Sequence[Part]) -> list[Row]:
    """The target's rows, its prompt read as the one method says that changes it."""
    changing = {name: control.reading for name, control in controls.items() if control.reading}
    if len(changing) > 1:
        raise InputError(f"{' and '.join(changing)} both change what is read of the prompt; use one of them")
    found = list(rows)
    for name, reading in changing.items():
        found = [replace(row, context=reading(row.context)) if row.role == "cond" else row for row in rows]
        others = [part.name for part in parts if part.source == "words" and part.name != name]
        if others and any(one.context.tokens != own.context.tokens for one, own in zip(found, rows, strict=True)):
            raise InputError(
                f"{' and '.join(others)} would look for the target's words where {name} has the source's stand; leave "
                "one of them out, or name one prompt for both"
            )
    return found


def _run(
    asked: _Asked, case: Case, controls: Mapping[str, Control], rows: Sequence[Row]
) -> tuple[Tensor, Tensor, dict[str, list[dict[str, WordMap]]]]:
    """The target's latents, the source's, and the maps that were used."""
    backbone, found, terms = asked.backbone, case.inversion, asked.guidance
    if found is None:
        rule, first = Ddim(backbone.levels, case.steps), 0
        start = _noise(backbone, case.seeds, case.latent)
    else:
        rule, first = found.stepper(backbone.levels), max(found.first, asked.first)
        start = found.at(first)
    streams = dict.fromkeys(row.stream for row in rows)
    more = tuple(term for control in controls.values() for term in control.terms)
    guided = {TARGET: Guidance(terms.weight, (*terms.terms, *more)), SOURCE: Guidance(1.0) if found else terms}
    with tapped(backbone.sites, *(item for control in controls.values() for item in control.taps)) as seen:
        before, after = _listeners(controls, found, seen, rows)
        done = run_steps(
            backbone, rule, dict.fromkeys(streams, start), rows, guided, dict.fromkeys(streams, ()),
            before=before, after=after, run=asked.run, first=first,
        )  # fmt: skip
        maps = _merged([control.maps(seen) for control in controls.values()])
    return done[TARGET], found.clean if found else done[SOURCE], maps


def _listeners(
    controls: Mapping[str, Control], found: Inversion | None, seen: Tap, rows: Sequence[Row]
) -> tuple[list[Listener], list[Listener]]:
    before: list[Listener] = []
    after: list[Listener] = []
    if found is not None:
        before += [with_nulls(found, TARGET), with_nulls(found, SOURCE)]
        if any(row.stream == SOURCE for row in rows):
            before.append(_without_source(max(control.looks for control in controls.values())))
            after.append(_replay(found))
    for control in controls.values():
        before += [_watching(control.before, seen)] if control.before else []
        after += [_watching(control.after, seen)] if control.after else []
    return before, after


def _watching(watcher: Watcher, seen: Tap) -> Listener:
    return lambda step: watcher(step, seen)


def _replay(inversion: Inversion) -> Listener:
    """After each step the source is where the inversion was."""

    def replay(step: Step) -> None:
        step.latents[SOURCE] = inversion.at(step.index + 1)

    return replay


def _without_source(share: float) -> Listener:
    """Rows of the source end when nobody looks at them any more."""

    def drop(step: Step) -> None:
        if step.index >= step_at(share, step.steps):
            step.rows = [row for row in step.rows if row.stream != SOURCE]

    return drop


# What does not go together


def _check_names(parts: Sequence[Part]) -> None:
    names = [part.name for part in parts]
    if not names or len(set(names)) != len(names):
        raise InputError(f"parts: expected one or more methods, each once; got {', '.join(names) or 'none'}")


def _check_before(asked: _Asked, case: Case) -> None:
    """Refuse before an inversion, which takes long, what would be refused after it. Methods that need its trajectory
    are not asked.
    """
    controls = {part.name: part.control(case) for part in asked.parts if part.source != "trajectory"}
    _check_conflicts(case, controls, _rows(asked, case, controls))


def _check_conflicts(case: Case, controls: Mapping[str, Control], rows: Sequence[Row]) -> None:
    """Two methods that write the same rows of one site in one step, or both change latents behind it."""
    moments = [Moment(k, case.steps, rows=Rows(tuple(row.name for row in rows))) for k in range(case.steps)]
    for (name, one), (other_name, other) in combinations(controls.items(), 2):
        if one.after and other.after:
            raise InputError(
                f"{name} and {other_name} both put latents back after a step (a mask or a local blend); use one of them"
            )
        writes = ([item for item in control.taps if isinstance(item, Write)] for control in (one, other))
        firsts, seconds = writes
        for first in firsts:
            for second in seconds:
                _check_pair(case, (name, first), (other_name, second), moments)


def _check_pair(case: Case, one: tuple[str, Write], other: tuple[str, Write], moments: Sequence[Moment]) -> None:
    (name, first), (other_name, second) = one, other
    places = set(case.backbone.sites.select(first.sites)) & set(case.backbone.sites.select(second.sites))
    if first.what != second.what or not places:
        return
    both = [
        moment.step
        for moment in moments
        if first.when(moment) and second.when(moment)
        and set(moment.rows.of(first.rows)) & set(moment.rows.of(second.rows))
    ]  # fmt: skip
    if both:
        where = min(places, key=lambda site: site.order).name
        raise InputError(
            f"{name} ({first.name}) and {other_name} ({second.name}) both change {first.what} at {where} in steps "
            f"{both[0]} to {both[-1]}; shorten the window of one, or leave one out"
        )


# What comes out


def _merged(found: Sequence[Mapping[str, list[dict[str, WordMap]]]]) -> dict[str, list[dict[str, WordMap]]]:
    """The maps of several methods, picture by picture."""
    maps: dict[str, list[dict[str, WordMap]]] = {}
    for one in found:
        for stream, own in one.items():
            before = maps.get(stream, [{}] * len(own))
            maps[stream] = [a | b for a, b in zip(before, own, strict=True)]
    return maps


def _sized(images: Sequence[Image.Image], sizes: Sequence[tuple[int, int]]) -> list[Image.Image]:
    return [
        one if one.size == size else one.resize(size, Image.Resampling.LANCZOS)
        for one, size in zip(images, sizes, strict=True)
    ]


def _masks(controls: Mapping[str, Control], sizes: Sequence[tuple[int, int]]) -> dict[str, list[NDArray[np.bool_]]]:
    found = {name: control.masks() for name, control in controls.items()}
    return {
        name: [
            resize(mask[None, None].float(), (size[1], size[0]), how="nearest")[0, 0].bool().cpu().numpy()
            for mask, size in zip(masks, sizes, strict=True)
        ]
        for name, masks in found.items()
        if masks is not None
    }  # fmt: skip


def _inversion_facts(found: Inversion | None, passed: bool) -> dict[str, Any] | None:
    """How pictures were inverted; `passed`: somewhere else."""
    if found is None:
        return None
    facts = {  # of latents the floor is endless, which a recipe cannot say
        name: [value if math.isfinite(value) else None for value in getattr(found, name)] for name in ("psnr", "floor")
    }
    return {"method": found.method, "guidance": found.guidance, "passed": passed, **facts}
