"""A training loop that can be killed at any moment: it keeps averages, writes samples, and goes on where it was."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

import torch
from torch import Tensor, nn

from innerlight.backbones import NotFiniteError
from innerlight.files import atomic_path
from innerlight.tuning.peers import ALONE, Peers
from innerlight.types import CancelledError, InputError

Progress = Callable[[int, int], None]
CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Schedule:
    """How a training runs. Steps are counted over all its runs."""

    steps: int
    batch: int
    rate: float = 1e-3
    warmup: int = 200
    final: float = 0.02  # share of the rate that is left at the end (cosine)
    turn: int | None = None  # step at which what is learnt from changes: warm-up and cosine begin anew there
    decay: float = 0.01  # weight decay
    decays: Literal["matrices", "all"] = "matrices"  # not biases and norms, or whatever is learned
    average: float | None = 0.999  # of the exponential moving average, reached gradually; None: no average
    shares: Mapping[str, float] = field(default_factory=dict)  # of the rate, by how names of parameters begin
    clip: float = 1.0  # the longest gradient
    betas: tuple[float, float] = (0.9, 0.99)
    half: bool = True  # passes in bfloat16, where that is safe
    save_seconds: float = 120.0
    sample_steps: int = 1000
    log_steps: int = 50  # a line in the log, and a word on progress

    def __post_init__(self) -> None:
        if self.steps < 0 or self.batch < 1 or not self.rate > 0 or self.decay < 0:
            raise InputError(
                "expected 0 steps or more, a batch of 1 or more, a rate above 0 and a decay of 0 or more; got "
                f"{self.steps}, {self.batch}, {self.rate:g} and {self.decay:g}"
            )


class Stage(Protocol):
    """What is trained."""

    @property
    def module(self) -> nn.Module:
        """Everything with weights."""
        ...

    def loss(self, step: int, batch: int) -> tuple[Tensor, Mapping[str, float]]:
        """The loss of a batch, and figures for the log; decided by the number of the step. Of several processes, each
        has a stage that draws others.
        """
        ...

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        """Write something to look at."""
        ...


@dataclass
class State:
    """Where a training stands."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0


def train(
    stage: Stage,
    schedule: Schedule,
    folder: Path | None,
    *,
    device: str = "cpu",
    seconds: float | None = None,
    scaled: bool = False,
    peers: Peers = ALONE,
    progress: Progress = lambda done, of: None,
) -> nn.Module:
    """Train until the schedule's last step, or for `seconds` of this run; returns the averaged module. In `folder` are
    checkpoint, log and samples; without one, nothing is kept. Whoever is told of the progress may raise CancelledError:
    all that was learnt is kept first.

    `scaled`: the loss is made larger on the way back and gradients smaller at its end, by as much as goes well, for a
    network in float16, in which small gradients are 0 and large ones infinite; a step whose gradients are not finite is
    left out.

    `peers`: of several processes, each of which calls this with a stage of its own, and the same schedule and folder,
    each learns from its share of a batch; the first keeps what they learn.
    """
    if schedule.batch % peers.count:
        raise InputError(f"expected as many processes as divide a batch of {schedule.batch}, got {peers.count}")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    module = stage.module.to(device)
    peers.begin(list(module.parameters()))
    optimiser = torch.optim.AdamW(_groups(module, schedule), lr=schedule.rate, betas=schedule.betas)
    average = _Average(module, schedule.average)
    scaler = torch.amp.GradScaler(device.partition(":")[0], enabled=scaled)
    kept = _Kept(module, average, optimiser, scaler)
    checkpoint = None if folder is None else folder / CHECKPOINT
    state = kept.restore(checkpoint, schedule)
    if peers.number > 0:
        folder = checkpoint = None
    begun = saved = time.monotonic()
    try:
        with _log(folder, state.step) as log:
            while state.step < schedule.steps:
                started = time.monotonic()
                figures = _step(stage, module, optimiser, scaler, schedule, state.step, device, peers)
                average.update(module, state.step)
                state.step, state.samples = state.step + 1, state.samples + schedule.batch
                state.seconds += time.monotonic() - started
                if state.step % schedule.log_steps == 0:
                    line = {"step": state.step, "seconds": round(state.seconds, 1), **figures}
                    print(json.dumps(line), file=log, flush=True)
                    progress(state.step, schedule.steps)
                sampled = folder is not None and state.step % schedule.sample_steps == 0
                if folder is not None and sampled:
                    stage.sample(average.module, folder, state.step)
                if sampled or time.monotonic() - saved > schedule.save_seconds:
                    kept.save(checkpoint, schedule, state)
                    saved = time.monotonic()
                if peers.agreed(seconds is not None and time.monotonic() - begun > seconds):
                    break
    except CancelledError as error:
        kept.save(checkpoint, schedule, state)
        where = "" if folder is None else f"; they are kept in {folder}, from where the same training goes on"
        raise CancelledError(f"cancelled after {state.step} of {schedule.steps} steps{where}") from error
    kept.save(checkpoint, schedule, state)
    return average.module


def state_of(folder: Path) -> State:
    """How far the training in `folder` has come; nowhere if there is none."""
    path = folder / CHECKPOINT
    return State(**_opened(path, mmap=True)["state"]) if path.exists() else State()


def steps_left(folder: Path) -> int:
    """How many steps the training in `folder`, which has begun, has before it."""
    checkpoint = _opened(folder / CHECKPOINT, mmap=True)
    return max(checkpoint["schedule"]["steps"] - checkpoint["state"]["step"], 0)


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of the training in `folder`."""
    path = folder / CHECKPOINT
    if not path.exists():
        raise InputError(f"no training in {folder}: {path.name} is missing; train the stage first")
    return _opened(path)["average"]


def _opened(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    """A checkpoint, whatever device it was on; `mmap`, tensors are not read before they are looked at."""
    try:
        return torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise InputError(f"{path} is no checkpoint, or damaged ({reason}); begin again in another folder") from error


def _log(folder: Path | None, step: int) -> TextIO:
    """To be written to the end of; without what a killed run told of steps after its checkpoint, which come again."""
    if folder is None:
        return Path(os.devnull).open("a", encoding="utf-8")
    path = folder / "log.jsonl"
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        if kept != lines:
            with atomic_path(path) as temporary:
                temporary.write_text("".join(kept), encoding="utf-8")
    return path.open("a", encoding="utf-8")


def _step(
    stage: Stage,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    schedule: Schedule,
    step: int,
    device: str,
    peers: Peers,
) -> dict[str, float]:
    module.train()
    rate = schedule.rate * _share(step, schedule)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]
    with torch.autocast(device.partition(":")[0], dtype=torch.bfloat16, enabled=schedule.half):
        loss, figures = stage.loss(step, schedule.batch // peers.count)
    if not torch.isfinite(loss):
        raise NotFiniteError(
            f"step {step}: the loss is {loss.item()}; begin again in another folder, at a lower rate than {rate:g}"
        )
    optimiser.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    peers.average(list(module.parameters()))
    scaler.unscale_(optimiser)
    norm = nn.utils.clip_grad_norm_(module.parameters(), schedule.clip)
    if not scaler.is_enabled() and not torch.isfinite(norm):
        raise NotFiniteError(
            f"step {step}: the gradient's length is {norm.item()}; begin again in another folder, at a lower rate than "
            f"{rate:g}"
        )
    scaler.step(optimiser)
    scaler.update()
    return {"loss": float(loss.detach()), "norm": float(norm), "rate": rate, **figures}


def _share(step: int, schedule: Schedule) -> float:
    """Of the rate: up in a line, down in a cosine; twice if the schedule has a turn."""
    turned = schedule.turn is not None and step >= schedule.turn
    first = schedule.turn if turned and schedule.turn is not None else 0
    last = schedule.steps if turned or schedule.turn is None else schedule.turn
    if step - first < schedule.warmup:
        return (step - first + 1) / schedule.warmup
    done = (step - first - schedule.warmup) / max(last - first - schedule.warmup, 1)
    cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return schedule.final + (1 - schedule.final) * cosine


def _groups(module: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """What has one rate and decays, or does not."""
    least = 2 if schedule.decays == "matrices" else 0  # axes of what decays
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, one in module.named_parameters():
        if one.requires_grad:
            share = next((share for start, share in schedule.shares.items() if name.startswith(start)), 1.0)
            groups.setdefault((share, one.ndim >= least), []).append(one)
    return [
        {"params": own, "share": share, "weight_decay": schedule.decay if decays else 0.0}
        for (share, decays), own in sorted(groups.items(), key=lambda pair: (-pair[0][0], -pair[0][1]))
    ]


class _Average:
    """Exponential moving average of a module's weights; young ones forget faster. Without decay the module itself."""

    def __init__(self, module: nn.Module, decay: float | None) -> None:
        self.module = module if decay is None else copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay

    def update(self, module: nn.Module, step: int) -> None:
        if self.decay is None:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            pairs = zip(self.module.state_dict().values(), module.state_dict().values(), strict=True)
            for mean, new in pairs:
                if mean.is_floating_point():
                    mean.lerp_(new.to(mean.dtype), 1 - decay)
                else:
                    mean.copy_(new)


@dataclass(frozen=True, eq=False)
class _Kept:
    """What a checkpoint holds beside where the training stands."""

    module: nn.Module
    average: _Average
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler

    def save(self, path: Path | None, schedule: Schedule, state: State) -> None:
        if path is None:
            return
        checkpoint = {
            "module": self.module.state_dict(),
            "average": self.average.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "state": asdict(state),
            "schedule": asdict(schedule),
        }
        with atomic_path(path) as temporary:
            torch.save(checkpoint, temporary)

    def restore(self, path: Path | None, schedule: Schedule) -> State:
        """Where the training at `path` stood; at its beginning if there is none."""
        if path is None or not path.exists():
            return State()
        checkpoint = _opened(path)
        if checkpoint["schedule"]["batch"] != schedule.batch:
            raise InputError(
                f"{path} was trained with a batch of {checkpoint['schedule']['batch']}, not {schedule.batch}; "
                "use the same schedule to go on, or another folder to start afresh"
            )
        self.module.load_state_dict(checkpoint["module"])
        self.average.module.load_state_dict(checkpoint["average"])
        self.optimiser.load_state_dict(checkpoint["optimiser"])
        self.scaler.load_state_dict(checkpoint.get("scaler", {}))
        return State(**checkpoint["state"])
