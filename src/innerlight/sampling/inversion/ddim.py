"""DDIM inversion (Song et al. 2021, arXiv:2010.02502), plain and refined to a fixed point at each step."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from innerlight.backbones import Backbone, Context, Size, ddim_step
from innerlight.files import Source, atomic_path, read_pictures
from innerlight.metrics import psnr
from innerlight.sampling.generate import default_steps, prompts_for, rows_for
from innerlight.sampling.guidance import Guidance
from innerlight.sampling.loop import ONLY, run_steps
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Ddim
from innerlight.taps import Moment, Rows
from innerlight.types import InputError, NotFoundError

FORMAT = "innerlight inversion 1"
FACTS = ("prompts", "timesteps", "guidance", "method", "model", "psnr", "floor")
PLAIN = Guidance(1.0)


@dataclass(frozen=True, eq=False)
class Inversion:
    """Where sampling must begin to arrive at given pictures, and what it was found with.

    `trajectory` (steps + 1, n, c, h, w) goes from the noisiest latents to the clean ones. `psnr` compares the pictures
    with what sampling gives, `floor` with what the VAE alone keeps of them, in dB.
    """

    trajectory: Tensor
    prompts: tuple[str, ...]
    timesteps: tuple[int, ...]  # noisy to clean
    guidance: float  # under which sampling leads back
    method: str
    model: str  # hash
    psnr: tuple[float, ...]
    floor: tuple[float, ...]

    @property
    def steps(self) -> int:
        """How many steps lead back."""
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

    def check(self, backbone: Backbone, steps: int) -> None:
        """Refuse a model or a number of steps that it was not found with."""
        if self.model != backbone.hash:
            raise InputError(f"this inversion was made with model {self.model!r}, not {backbone.hash!r}; invert again")
        if self.steps != steps:
            raise InputError(f"this inversion has {self.steps} steps, not {steps}; use as many, or invert again")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Keep it in one safetensors file."""
        facts = {name: getattr(self, name) for name in FACTS}
        with atomic_path(Path(path)) as temporary:
            tensors = {"trajectory": self.trajectory.contiguous().cpu()}
            save_file(tensors, temporary, metadata={"format": FORMAT, "facts": json.dumps(facts)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Inversion:
        """What `save` wrote."""
        if not Path(path).is_file():
            raise NotFoundError(f"no inversion at {path}; make one: innerlight invert")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise InputError(f"{path} is not an inversion ({metadata.get('format') or 'no format is named'})")
                kept: dict[str, Any] = json.loads(metadata["facts"])
                trajectory = file.get_tensor("trajectory")
            prompts, timesteps, psnr, floor = (tuple(kept[name]) for name in ("prompts", "timesteps", "psnr", "floor"))
            guidance, method, model = float(kept["guidance"]), str(kept["method"]), str(kept["model"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} cannot be read as an inversion ({error}); invert again") from error
        if trajectory.ndim != 5 or trajectory.shape[:2] != (len(timesteps) + 1, len(prompts)):
            raise InputError(
                f"{path} is no trajectory of {len(prompts)} pictures in {len(timesteps)} steps; invert again"
            )
        return cls(trajectory, prompts, timesteps, guidance, method, model, psnr, floor)


def invert(
    backbone: Backbone,
    pictures: Source | Iterable[Source],
    prompts: str | Sequence[str] = "",
    *,
    steps: int | None = None,
    refinements: int = 0,
    size: Size | None = None,
    run: Run | None = None,
) -> Inversion:
    """The noise that deterministic DDIM, without guidance and under the same prompt, turns into the pictures.

    Each step asks the network at the timestep it goes to. With `refinements` (3 to 5 do) it is asked again at the
    latents just found, which makes the step nearly exact.
    """
    if not isinstance(refinements, Integral) or refinements < 0:
        raise InputError(f"refinements: expected a whole number from 0 on, got {refinements!r}")
    run = run or Run()
    images = read_pictures(pictures)
    clean = backbone.encode(images, size)
    texts = prompts_for(prompts, len(clean))
    shape = (clean.shape[-2] * backbone.shrink, clean.shape[-1] * backbone.shrink)
    stepper = Ddim(backbone.levels, default_steps(backbone, steps))
    rows = rows_for(backbone, texts, PLAIN, size=shape)
    trajectory = trajectory_of(backbone, stepper, clean, rows[0].context, refinements, run)
    begun, quiet = {ONLY: trajectory[0]}, Run(progress=False, cancel=run.cancel)
    again = run_steps(backbone, stepper, begun, rows, PLAIN, {ONLY: ()}, run=quiet)[ONLY]
    original = backbone.pixels(images, shape)
    return Inversion(
        trajectory,
        tuple(texts),
        tuple(stepper.timesteps),
        PLAIN.weight,
        "fixed_point" if refinements else "ddim",
        backbone.hash,
        psnr=_psnr(original, backbone, again),
        floor=_psnr(original, backbone, clean),
    )


@torch.no_grad()
def trajectory_of(
    backbone: Backbone, stepper: Ddim, clean: Tensor, context: Context, refinements: int, run: Run
) -> Tensor:
    """(steps + 1, n, c, h, w), from noisy to clean."""
    times = list(stepper.timesteps)
    latents, found = clean, [clean]
    with run.bar("inverting", len(times)) as advance:
        for index in reversed(range(len(times))):
            t = times[index]
            lower = times[index + 1] if index + 1 < len(times) else 0
            moment = Moment(index, len(times), t, "main", Rows(("cond",), len(clean)))
            ahead = latents
            for _ in range(1 + refinements):
                noise = backbone.denoise(ahead, t, context, moment)
                ahead = ddim_step(backbone.levels, latents, noise, lower, t)
            latents = ahead
            found.append(latents)
            advance()
    return torch.stack(found[::-1])


def _psnr(original: np.ndarray, backbone: Backbone, latents: Tensor) -> tuple[float, ...]:
    restored = np.stack([np.asarray(image) for image in backbone.decode(latents)])
    return tuple(round(float(psnr(a, b)), 3) for a, b in zip(original, restored, strict=True))
