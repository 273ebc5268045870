"""A lesson: parameters, the parts of each batch they are learned from, and what shows how far they are."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from innerlight.backbones import Backbone
from innerlight.files import read_json, write_json, write_picture
from innerlight.prompts import LearnedWord
from innerlight.sampling import Run, generate
from innerlight.taps import Read, Tap, tapped
from innerlight.tuning.denoising import Batch, Draw, Part, TextStates, Times, draw, losses, weighed
from innerlight.tuning.freezing import frozen
from innerlight.tuning.training import CHECKPOINT, Schedule, state_of, train
from innerlight.types import InputError

Folder = str | os.PathLike[str]
SHOWN = 4  # pictures of a sample
SENTENCE = 8  # positions that are left for what stands around a word
RECIPE = "recipe.json"


@dataclass(frozen=True, eq=False)
class Term:
    """A loss beside that of denoising, of a batch and of what is read while the network is at it."""

    loss: Callable[[Batch, Tap], Tensor]
    reads: tuple[Read, ...] = ()  # with gradient, where the loss is to have one through them


class Vectors(nn.Module):
    """What words stand for while it is learned: where each began, plus an offset in units of what is usual.

        v = v_0 + rms(V) p,    with V the table of token embeddings and p what is trained, 0 at first

    A rate is then a share of what a token's numbers usually are, on every table, and the first step starts at the
    bits of the old word. Rows are parameters of their own: one that is not yet in the prompt has no gradient.
    """

    def __init__(self, backbone: Backbone, begins: Mapping[str, Sequence[Tensor]]) -> None:
        super().__init__()
        self.begins = {name: [one.detach().clone() for one in vectors] for name, vectors in begins.items()}
        self.tables = [encoder.model.get_input_embeddings().weight.detach() for encoder in backbone.texts]
        self.units = [float(table.float().square().mean().sqrt()) for table in self.tables]
        self.offsets = nn.ModuleList(  # by word, then by encoder, then by token
            nn.ModuleList(nn.ParameterList(torch.zeros_like(row) for row in rows_of(one)) for one in vectors)
            for vectors in self.begins.values()
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the words."""
        return tuple(self.begins)

    def word(self, name: str, tokens: int | None = None) -> LearnedWord:
        """A word as it is now; with `tokens`, its first ones alone."""
        number = self.names.index(name)
        found = []
        for begin, unit, offsets in zip(self.begins[name], self.units, self.offsets[number], strict=True):  # type: ignore[call-overload]
            rows = [row + unit * offset for row, offset in zip(rows_of(begin), offsets, strict=True)]
            found.append(torch.stack(rows[:tokens], dim=-2))
        return LearnedWord(name, tuple(found))

    def learned(self, name: str) -> LearnedWord:
        """A word as it is in the end."""
        return LearnedWord(name, tuple(one.detach().clone() for one in self.word(name).vectors))

    def pull(self, name: str) -> Tensor:
        """How far a word's tokens have gone from where they began: the mean square, in units of what is usual."""
        offsets = [one for encoder in self.offsets[self.names.index(name)] for one in encoder]  # type: ignore[union-attr]
        return torch.stack([offset.square().mean() for offset in offsets]).mean()

    def rarity(self, name: str, width: float) -> Tensor:
        """How far a word's tokens are from all that the tables have: the mean of

            -1/d log (1/n sum_j exp(-(v - V_j)^2 / 2 h^2)),    h = width rms(V)

        for the n rows of d numbers of each table. Beside a constant that is minus the log of a kernel's density.
        """
        found = []
        for vectors, table, unit in zip(self.word(name).vectors, self.tables, self.units, strict=True):
            rows, known = vectors.flatten(0, -2) / unit, table.float() / unit
            apart = rows.square().sum(1, keepdim=True) + known.square().sum(1) - 2 * rows @ known.T  # (rows, n)
            density = torch.logsumexp(-apart / (2 * width**2), dim=1) - math.log(len(known))
            found.append(-density / known.shape[1])
        return torch.cat(found).mean()


def rows_of(vectors: Tensor) -> tuple[Tensor, ...]:
    """The tokens of (tokens, d) or (places, tokens, d)."""
    return vectors.unbind(-2)


class Lesson:
    """A stage of training: `view` is the model as it is at a step, through what is learned. `seeing` is that model once
    it is known what a batch shows, such as one with a word for each picture; `open_while` makes what is open while the
    model is at work, such as `offset`.
    """

    def __init__(
        self,
        module: nn.Module,
        view: Callable[[int], Backbone],
        parts: Sequence[Part],
        *,
        changing: Callable[[str], bool],
        seed: int,
        shown: Sequence[str],
        times: Times | None = None,
        terms: Mapping[str, Term] | None = None,
        seeing: Callable[[Backbone, Draw], Backbone] | None = None,
        open_while: Callable[[], AbstractContextManager[Any]] = nullcontext,
        run: Run | None = None,
    ) -> None:
        self.module, self.view, self.parts, self.seed, self.shown = module, view, parts, seed, list(shown)
        self.times, self.terms, self.seeing, self.open_while = times, terms or {}, seeing, open_while
        self.quiet = replace(run or Run(), progress=False)
        self.states = TextStates(parts[0].shots.size, changing)

    def loss(self, step: int, batch: int) -> tuple[Tensor, Mapping[str, float]]:
        """Of batch number `step`."""
        del batch  # the parts know
        told: dict[str, Any] = {"seed": self.seed, "step": step, "times": self.times}
        reads = [read for term in self.terms.values() for read in term.reads]
        with self.open_while():
            view = self.view(step)
            if self.seeing is not None:
                view = self.seeing(view, draw(view, self.parts, **told))
            with tapped(view.sites, *reads) as seen:
                made = Batch.of(view, self.parts, self.states, **told)
            found = losses(made, self.parts)
            more = {name: term.loss(made, seen) for name, term in self.terms.items()}
        total = weighed(found, self.parts) + sum(more.values())
        return total, {name: float(one.detach()) for name, one in {**found, **more}.items()}

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        """Pictures of what is learned, as it is now."""
        del averaged
        prompts = self.shown[:SHOWN]
        with self.open_while():
            made = generate(self.view(step), prompts, seed=self.seed, size=self.states.size, run=self.quiet)
        for number, image in enumerate(made.images):
            write_picture(image, folder / f"sample-{step:06d}-{number}.png")


def learn(lesson: Lesson, schedule: Schedule, folder: Folder | None, run: Run, recipe: Mapping[str, Any]) -> None:
    """Train to the schedule's end; in `folder`, from where it was when it was last stopped, by whatever. A folder that
    was begun by another recipe is refused.
    """
    folder = None if folder is None else Path(folder)
    if folder is not None:
        _begin(folder, recipe)
    with run.bar("learning", schedule.steps) as advance:
        for _ in range(0 if folder is None else state_of(folder).step):
            advance()
        model = lesson.view(0)
        scaled = model.dtype == torch.float16
        train(lesson, schedule, folder, device=str(model.device), scaled=scaled, progress=lambda done, of: advance())


def learn_in_phases(
    phases: Sequence[tuple[Lesson, Schedule]],
    folder: Folder | None,
    run: Run,
    recipe: Mapping[str, Any],
    base: Backbone | None = None,
) -> None:
    """One lesson after another, each with an optimiser of its own and, where there is a folder, one in that; a lesson
    alone has the folder itself. What a lesson does not learn, of its model, of `base` and of what other lessons learn,
    takes no gradient meanwhile and must be what it was afterwards, bit for bit.
    """
    kept = {} if base is None else base.networks
    kept |= {f"phase {number}": lesson.module for number, (lesson, _) in enumerate(phases, start=1)}
    for (lesson, schedule), (own, told) in zip(phases, _rooms(folder, recipe, len(phases)), strict=True):
        tuned = {f"tuned {part}": network for part, network in lesson.view(0).networks.items()}
        with frozen({**kept, **tuned}, but=lesson.module):
            learn(lesson, schedule, own, run, told)


def _rooms(
    folder: Folder | None, recipe: Mapping[str, Any], count: int
) -> list[tuple[Folder | None, Mapping[str, Any]]]:
    """The folder and the recipe of each phase; one alone has those of the run."""
    if count == 1:
        return [(folder, recipe)]
    if folder is not None:
        _begin(Path(folder), recipe)
    folders = [None if folder is None else Path(folder) / f"phase-{number}" for number in range(1, count + 1)]
    return [(own, {**recipe, "phase": number}) for number, own in enumerate(folders, start=1)]


def _begin(folder: Path, recipe: Mapping[str, Any]) -> None:
    """From now on a folder is this recipe's, if it is no other's."""
    refuse_other_run(folder, recipe)
    write_json(dict(recipe), folder / RECIPE)


def refuse_other_run(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Raises InputError if a folder was begun by another recipe."""
    path = folder / RECIPE
    if (folder / CHECKPOINT).exists() and not path.exists():
        raise InputError(f"{folder} holds a run of which nothing is known ({path.name} is missing); choose another")
    now = json.loads(json.dumps(dict(recipe)))
    before: Any = read_json(path) if path.exists() else now
    differs = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    if differs:
        key = differs[0]
        raise InputError(
            f"{folder} holds a run with another {key}: {before.get(key)}, not {now.get(key)}; go on with that, or "
            "choose another folder"
        )


def begun(backbone: Backbone, like: str, count: int = 1) -> tuple[Tensor, ...]:
    """Vectors (count, d) for each text encoder: those of a word of as many tokens, or of one token, repeated."""
    if not like.strip():
        raise InputError("like: expected the word that comes nearest to what is learned, such as 'cat'; got none")
    if count < 1:
        raise InputError(f"vectors: expected at least 1, got {count}")
    found = []
    for encoder in backbone.texts:
        tokens = encoder.cut(like)
        if count + SENTENCE > len(tokens.ids):
            raise InputError(
                f"vectors: expected at most {len(tokens.ids) - SENTENCE}, got {count}; {backbone.name} reads "
                f"{len(tokens.ids)} tokens, and {SENTENCE} are left for what stands around them"
            )
        ids = list(tokens.ids[1 : tokens.end])
        if any(id in encoder.learned for id in ids):
            raise InputError(f"like: {like!r} is a learned word; choose a word that {backbone.name} always knew")
        if len(ids) not in (1, count):
            raise InputError(
                f"like: {like!r} has {len(ids)} tokens, what is learned has {count}; choose a word of one token, or "
                f"learn {len(ids)} vectors with a method that has several"
            )
        rows = encoder.model.get_input_embeddings().weight[ids].detach().float()
        found.append(rows.expand(count, -1).clone())
    return tuple(found)
