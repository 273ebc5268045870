"""What an inversion is, and how sampling leads back by it; the methods that find one stand in the files beside."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from innerlight.backbones import Backbone, Context, NoiseLevels, Size
from innerlight.files import atomic_path
from innerlight.sampling.generate import rows_for
from innerlight.sampling.guidance import Guidance
from innerlight.sampling.inversion.stored import StoredNoise
from innerlight.sampling.loop import ONLY, Listener, Step, run_steps
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Ddim, Stepper
from innerlight.types import InputError, NotFoundError

FORMAT, OLDER = "innerlight inversion 2", ("innerlight inversion 1",)
FACTS = ("prompts", "timesteps", "guidance", "method", "model", "psnr", "floor", "first")
TENSORS = ("trajectory", "nulls", "noises", "pooled", "placed")


@dataclass(frozen=True, eq=False)
class Inversion:
    """Where sampling must begin to arrive at given pictures, and what it was found with.

    `trajectory` (steps - first + 1, n, c, h, w) goes from the noisiest latents to the clean ones. `psnr` compares the
    pictures with what sampling gives, `floor` with what the VAE alone keeps of them, in dB.
    """

    trajectory: Tensor
    prompts: tuple[str, ...]
    timesteps: tuple[int, ...]  # noisy to clean, of all steps
    guidance: float  # under which sampling leads back
    method: str
    model: str  # hash
    psnr: tuple[float, ...]
    floor: tuple[float, ...]
    first: int = 0  # the step at which sampling begins
    nulls: Tensor | None = None  # (steps - first, n, tokens, width): states of "no prompt" at each step
    noises: Tensor | None = None  # (steps - first, n, c, h, w): what each step of eta 1 adds
    pooled: Tensor | None = None  # (n, width): SDXL's pooled state of "no prompt", where it is not the model's own
    placed: Tensor | None = None  # (n, places, tokens, width): as nulls, but for each text attention

    @property
    def steps(self) -> int:
        """How many steps a whole run has; the last `steps - first` of them lead back."""
        return len(self.timesteps)

    @property
    def latents(self) -> Tensor:
        """Where sampling begins (n, c, h, w)."""
        return self.trajectory[0]

    @property
    def clean(self) -> Tensor:
        """The pictures' own latents (n, c, h, w)."""
        return self.trajectory[-1]

    @property
    def size(self) -> Size:
        """Latent cells (rows, columns)."""
        rows, columns = self.trajectory.shape[-2:]
        return rows, columns

    def at(self, index: int) -> Tensor:
        """The latents (n, c, h, w) before step `index`; `steps` gives the clean ones."""
        if not self.first <= index <= self.steps:
            raise InputError(f"step: expected {self.first} to {self.steps}, which this inversion keeps; got {index}")
        return self.trajectory[index - self.first]

    def stepper(self, levels: NoiseLevels) -> Stepper:
        """The rule by which sampling leads back: deterministic, or with the noises that are stored."""
        rule = Ddim(levels, self.steps)
        if tuple(rule.timesteps) != self.timesteps:
            raise InputError("these noise levels have other timesteps than this inversion; invert again")
        return rule if self.noises is None else StoredNoise(levels, self.steps, self.noises, self.first)

    def check(self, backbone: Backbone, steps: int) -> None:
        """Refuse a model or a number of steps that it was not found with."""
        if self.model != backbone.hash:
            raise InputError(f"this inversion was made with model {self.model!r}, not {backbone.hash!r}; invert again")
        if self.steps != steps:
            raise InputError(f"this inversion has {self.steps} steps, not {steps}; use as many, or invert again")

    def to(self, device: torch.device | str) -> Inversion:
        """The same on a device; what was loaded is on the CPU."""
        tensors = {name: getattr(self, name) for name in TENSORS}
        there: dict[str, Any] = {name: tensor.to(device) for name, tensor in tensors.items() if tensor is not None}
        return replace(self, **there)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Keep it in one safetensors file."""
        facts = {name: getattr(self, name) for name in FACTS}
        tensors = {name: getattr(self, name) for name in TENSORS if getattr(self, name) is not None}
        with atomic_path(Path(path)) as temporary:
            kept = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
            save_file(kept, temporary, metadata={"format": FORMAT, "facts": json.dumps(facts)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Inversion:
        """What `save` wrote."""
        if not Path(path).is_file():
            raise NotFoundError(f"no inversion at {path}; make one: innerlight invert")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                _check_format(path, metadata.get("format"))
                tensors = {name: file.get_tensor(name) for name in file.keys() if name in TENSORS}  # noqa: SIM118
            found = cls(**tensors, **_facts(json.loads(metadata["facts"])))
        except (SafetensorError, KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} cannot be read as an inversion ({error}); invert again") from error
        wrong = _wrong(found)
        if wrong:
            told = f"{len(found.prompts)} pictures in {found.steps} steps"
            raise InputError(f"{path} is no trajectory of {told} ({wrong}); invert again")
        return found


def with_nulls(inversion: Inversion, stream: str = ONLY) -> Listener:
    """Before each step: "no prompt" is, for one stream, what the inversion found for that step."""

    def listen(step: Step) -> None:
        if inversion.nulls is None:
            return
        index = step.index - inversion.first
        if not 0 <= index < len(inversion.nulls):
            raise InputError(f"step: this inversion begins at step {inversion.first}, got step {step.index}")
        states = inversion.nulls[index]
        step.rows = [
            replace(row, context=_null(row.context, states, inversion))
            if (row.stream, row.role) == (stream, "uncond")
            else row
            for row in step.rows
        ]

    return listen


def reconstruct(
    backbone: Backbone, inversion: Inversion, guidance: float | None = None, run: Run | None = None
) -> Tensor:
    """The latents (n, c, h, w) that sampling gives under the inversion's prompts, and its guidance or another."""
    inversion.check(backbone, inversion.steps)
    inversion = inversion.to(backbone.device)
    terms = Guidance(inversion.guidance if guidance is None else guidance)
    rows, columns = (side * backbone.shrink for side in inversion.size)
    return run_steps(
        backbone,
        inversion.stepper(backbone.levels),
        {ONLY: inversion.latents},
        rows_for(backbone, inversion.prompts, terms, size=(rows, columns)),
        terms,
        {ONLY: ()},
        before=(with_nulls(inversion),),
        run=run,
        first=inversion.first,
    )[ONLY]


def _null(context: Context, states: Tensor, found: Inversion) -> Context:
    device = context.states.device
    changed = context.with_states(states.to(device))
    if found.pooled is not None:
        changed = changed.with_pooled(found.pooled.to(device))
    return changed if found.placed is None else changed.with_placed(found.placed.to(device))


def _check_format(path: str | os.PathLike[str], named: str | None) -> None:
    if named in OLDER:
        raise InputError(
            f"{path} was written by an older version ({named}), which this one does not read; invert again"
        )
    if named != FORMAT:
        raise InputError(f"{path} is not an inversion ({named or 'no format is named'})")


def _facts(kept: Mapping[str, Any]) -> dict[str, Any]:
    """As they were before they were JSON."""
    return {
        "prompts": tuple(str(one) for one in kept["prompts"]),
        "timesteps": tuple(int(one) for one in kept["timesteps"]),
        "guidance": float(kept["guidance"]),
        "method": str(kept["method"]),
        "model": str(kept["model"]),
        "psnr": tuple(float(one) for one in kept["psnr"]),
        "floor": tuple(float(one) for one in kept["floor"]),
        "first": int(kept["first"]),
    }


def _wrong(found: Inversion) -> str | None:
    """What does not fit together."""
    steps, images = found.steps - found.first, len(found.prompts)
    shape = tuple(found.trajectory.shape)
    if found.first < 0 or steps < 1:
        return f"it begins at step {found.first}"
    if len(shape) != 5 or shape[:2] != (steps + 1, images):
        return f"trajectory {shape}"
    if found.nulls is not None and (found.nulls.ndim != 4 or found.nulls.shape[:2] != (steps, images)):
        return f"nulls {tuple(found.nulls.shape)}"
    if found.noises is not None and found.noises.shape != (steps, *shape[1:]):
        return f"noises {tuple(found.noises.shape)}"
    if found.pooled is not None and (found.pooled.ndim != 2 or len(found.pooled) != images):
        return f"pooled {tuple(found.pooled.shape)}"
    if found.placed is not None and (found.placed.ndim != 4 or len(found.placed) != images):
        return f"placed {tuple(found.placed.shape)}"
    if not len(found.psnr) == len(found.floor) == images:
        return f"{len(found.psnr)} and {len(found.floor)} scores"
    return None
