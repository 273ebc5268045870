"""The step loop: passes, their combination, a step; each moment can be watched, and may replace what it is shown.

Latents are kept by stream ("image", or "source" and "target"); each stream has rows ("cond", "uncond"), which are the
batch of the main pass. A row is called by its role, and with several streams by both: "source.cond".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor

from innerlight.backbones import Backbone, Context, NotFiniteError
from innerlight.sampling.guidance import Guidance
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Generators, Stepper
from innerlight.taps import Moment, Rows, Tap, tapped
from innerlight.types import InputError

ONLY = "image"  # the stream of runs that have one


@dataclass(frozen=True, eq=False)
class Row:
    """One context for the latents of one stream: as many rows of a batch as the stream has images."""

    role: str
    context: Context
    stream: str = ONLY

    @property
    def name(self) -> str:
        """As taps address it."""
        return self.role if self.stream == ONLY else f"{self.stream}.{self.role}"


@dataclass(eq=False)
class Step:
    """What listeners are shown; they may replace `latents` before the pass and after the step."""

    backbone: Backbone
    steppers: Mapping[str, Stepper]  # by stream, for some keep a history
    rows: Sequence[Row]
    latents: dict[str, Tensor]
    index: int
    steps: int
    guidance: Mapping[str, Guidance] = field(default_factory=dict)  # by stream
    estimates: dict[str, Tensor] = field(default_factory=dict)  # noise by row name, of the main pass
    noise: dict[str, Tensor] = field(default_factory=dict)  # by stream, after the combination
    shown: dict[str, Tensor] = field(default_factory=dict)  # by stream, what the main pass was shown
    seen: Tap | None = None  # what the guidance's own taps kept

    @property
    def timestep(self) -> int:
        """Of this step's pass."""
        return next(iter(self.steppers.values())).timesteps[self.index]

    @property
    def abar(self) -> float:
        """The share of the clean image at this step."""
        return float(self.backbone.levels.abar[self.timestep])

    def of(self, stream: str, role: str) -> Tensor:
        """The noise estimate of one row."""
        return self.estimates[role if stream == ONLY else f"{stream}.{role}"]

    def clean(self, stream: str = ONLY) -> Tensor:
        """The clean latents that the combined noise promises."""
        return (self.shown[stream] - (1 - self.abar) ** 0.5 * self.noise[stream]) / self.abar**0.5

    def scaled(self, stream: str) -> Tensor:
        """A stream's latents as the network is shown them."""
        return self.steppers[stream].scaled(self.latents[stream], self.index)

    def denoise(
        self, rows: Sequence[Row], latents: Mapping[str, Tensor] | None = None, passing: str = "extra"
    ) -> dict[str, Tensor]:
        """One pass over some rows, whose batch is their order; `latents` stand in for the streams' own."""
        shown = {row.stream: self.scaled(row.stream) for row in rows} | dict(latents or {})
        batch = torch.cat([shown[row.stream] for row in rows])
        images = {len(shown[row.stream]) for row in rows}
        if len(images) != 1:
            raise InputError(f"streams: expected one number of images, got {sorted(images)}")
        names = tuple(row.name for row in rows)
        moment = Moment(self.index, self.steps, self.timestep, passing, Rows(names, images.pop()))
        context = Context.join([row.context for row in rows])
        noise = self.backbone.denoise(batch, self.timestep, context, moment)
        return dict(zip(names, noise.chunk(len(rows)), strict=True))


Listener = Callable[[Step], None]


def run_steps(
    backbone: Backbone,
    stepper: Stepper,
    latents: Mapping[str, Tensor],
    rows: Sequence[Row],
    guidance: Guidance | Mapping[str, Guidance],
    generators: Mapping[str, Generators],
    *,
    before: Sequence[Listener] = (),
    after: Sequence[Listener] = (),
    run: Run | None = None,
    first: int = 0,
    last: int | None = None,
) -> dict[str, Tensor]:
    """The latents of each stream after steps `first` to `last` (all). `before` sees a step before its pass, `after`
    when it is done. A pass runs without gradients unless a listener or a term of the guidance asks for them.
    `guidance` may differ from stream to stream. A stream whose rows a listener takes off stands still in that step.
    """
    _check(latents, rows, generators)
    run, steppers = run or Run(), {stream: copy(stepper) for stream in latents}
    terms = guidance if isinstance(guidance, Mapping) else dict.fromkeys(latents, guidance)
    current = dict(latents)
    steps = len(stepper.timesteps)
    chosen = range(first, steps if last is None else last)
    with ExitStack() as stack, run.bar("sampling", len(chosen)) as advance:
        items = [read for one in dict.fromkeys(terms.values()) for read in one.taps(backbone)]
        seen = stack.enter_context(tapped(backbone.sites, *items)) if items else None
        for index in chosen:
            step = Step(backbone, steppers, rows, current, index, steps, terms, seen=seen)
            for listener in before:
                listener(step)
            with torch.no_grad():
                step.shown = {stream: step.scaled(stream) for stream in step.latents}
                step.estimates = step.denoise(step.rows, step.shown, passing="main")
            moving = dict.fromkeys(row.stream for row in step.rows)
            step.noise = {stream: terms[stream](step, stream) for stream in moving}
            with torch.no_grad():
                step.latents |= {
                    stream: steppers[stream].step(
                        step.latents[stream].detach(), step.noise[stream].detach(), index, generators[stream]
                    )
                    for stream in moving
                }
            _check_finite(step)
            for listener in (*after, run.on_step):
                listener(step)
            current = step.latents
            advance()
    return current


def step_at(share: float, steps: int) -> int:
    """The step at which a share of a run is done."""
    return int(share * steps + 1e-9)  # 0.29 of 100 is 29, not the 28 that floats make of it


def _check(latents: Mapping[str, Tensor], rows: Sequence[Row], generators: Mapping[str, Generators]) -> None:
    """Streams have rows and generators, and rows have names of their own."""
    names = [row.name for row in rows]
    if len(set(names)) != len(names):
        raise InputError(f"rows: expected different names, got {', '.join(names)}")
    if not set(latents) == {row.stream for row in rows} <= set(generators):
        raise InputError(
            f"streams: expected rows and generators for {', '.join(latents) or 'none'}, "
            f"got rows for {', '.join(row.stream for row in rows) or 'none'} and generators for {', '.join(generators)}"
        )


def _check_finite(step: Step) -> None:
    for stream, value in step.latents.items():
        if not torch.isfinite(value).all():
            raise NotFiniteError(
                f"step {step.index} of {step.steps} (timestep {step.timestep}): the latents of {stream!r} are no "
                "longer numbers; use a smaller guidance, or float32: load(dtype=...)"
            )
