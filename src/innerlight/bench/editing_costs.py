"""What an edit costs beside its passes through the UNet: time in one run, peaks of memory in processes of their own.

`python -m innerlight.bench.editing_costs ARM FAMILY LATENT` prints JSON: the peak in bytes of one edit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from innerlight.backbones import Backbone, blank
from innerlight.bench.costs import forget_peak, peak
from innerlight.methods import get, names
from innerlight.sampling import Inversion, draw, generators_of
from innerlight.sampling.editing import Control, Part, edit
from innerlight.types import InputError

PLAIN = "plain"  # two streams with nothing between them
SOURCE, TARGET = "a cat and a dog", "a cat and a frog"
STEPS, GUIDANCE = 4, 7.5
GRADIENT = 3  # passes that a pass with its gradient counts as


@dataclass
class Passes:
    """The passes of a run: how many of so many rows, and the time from the first to the end of the last."""

    rows: Counter[int] = field(default_factory=Counter)  # passes by their number of rows
    begun: float = 0.0
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.ended - self.begun


@contextmanager
def watched(backbone: Backbone) -> Iterator[Passes]:
    """The passes that run in a block."""
    passes = Passes()

    def enter(module: Any, args: Any) -> None:
        del module
        passes.begun = passes.begun or time.perf_counter()
        passes.rows[len(args[0])] += GRADIENT if torch.is_grad_enabled() else 1

    def leave(module: Any, args: Any, output: Any) -> None:
        del module, args, output
        passes.ended = time.perf_counter()

    with (
        backbone.unet.conv_in.register_forward_pre_hook(enter),
        backbone.unet.register_forward_hook(leave, always_call=True),
    ):
        yield passes


@contextmanager
def undecoded(backbone: Backbone) -> Iterator[None]:
    """The VAE's decoder, whose time and memory are not what is measured, gives grey pictures at once."""

    def grey(latents: torch.Tensor) -> torch.Tensor:
        rows, columns = (side * backbone.shrink for side in latents.shape[-2:])
        return torch.zeros(len(latents), 3, rows, columns)

    backbone.decode_values = grey  # type: ignore[method-assign]
    try:
        yield
    finally:
        del backbone.decode_values


def ratios(backbone: Backbone, latent: int, rounds: int) -> dict[str, tuple[float, Counter[int]]]:
    """For each method of editing its time over that of as many plain passes, the fastest of `rounds` of each; and
    what it counts.
    """
    arms = names("editing")
    found: dict[str, list[Passes]] = {arm: [] for arm in arms}
    plain: dict[int, list[float]] = {}
    for number in range(rounds + 1):  # the first does not count
        for arm in arms:
            with watched(backbone) as passes:
                run(arm, backbone, latent)
            for rows in passes.rows:
                seconds = plain_pass(backbone, rows, latent)
                if number:
                    plain.setdefault(rows, []).append(seconds)
            if number:
                found[arm].append(passes)
    return {
        arm: (
            min(one.seconds for one in own) / sum(count * min(plain[rows]) for rows, count in own[0].rows.items()),
            own[0].rows,
        )
        for arm, own in found.items()
    }


def run(arm: str, backbone: Backbone, latent: int) -> None:
    """One edit of one picture; those that go by way of an inversion are given one."""
    size = latent * backbone.shrink, latent * backbone.shrink
    shared: dict[str, Any] = {"steps": STEPS, "guidance": GUIDANCE, "seed": 1}
    if arm in ("plug_and_play", "masactrl", "diffedit"):
        get(arm).function(backbone, "", TARGET, inversion=trajectory(backbone, latent), **shared)
    elif arm == PLAIN:
        edit(backbone, SOURCE, TARGET, [Part(PLAIN, {}, lambda case: Control())], size=size, **shared)
    elif arm == "attend_and_excite":
        get(arm).function(backbone, TARGET, size=size, **shared)
    else:
        get(arm).function(backbone, SOURCE, TARGET, size=size, **shared)


def trajectory(backbone: Backbone, latent: int) -> Inversion:
    """The trajectory of no picture in particular: noise, at every level."""
    channels = backbone.unet.config.in_channels
    noise = draw(generators_of(range(STEPS + 1)), (channels, latent, latent))[:, None].to(backbone.device)
    times = tuple(backbone.levels.timesteps(STEPS))
    return Inversion(noise, ("",), times, 1.0, "ddim", backbone.hash, (0.0,), (0.0,))


def map_bytes(backbone: Backbone, latent: int, kind: str, rows: int) -> int:
    """All maps of one kind, of one pass, in float32."""
    total = 0
    for site in backbone.sites.values():
        if site.kind == kind:
            height, width = site.grid((latent, latent))
            total += site.heads * height * width * (height * width if kind == "self" else 77)
    return 4 * rows * total


def peak_of(arm: str, family: str, latent: int) -> int:
    """Peak of resident memory of one edit, in bytes, in a fresh process."""
    command = [sys.executable, "-m", "innerlight.bench.editing_costs", arm, family, str(latent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout)["peak"])


def main(arm: str, family: str, latent: str) -> None:
    """Measure one arm and print it."""
    if arm not in (PLAIN, *names("editing")):
        raise InputError(f"arm: expected one of {', '.join((PLAIN, *names('editing')))}, got {arm!r}")
    backbone = blank(family, "real")
    forget_peak()
    with undecoded(backbone):
        run(arm, backbone, int(latent))
    print(json.dumps({"peak": peak()}))


def plain_pass(backbone: Backbone, rows: int, latent: int) -> float:
    """Seconds of a plain pass of so many rows."""
    context = backbone.embed([TARGET] * rows, (latent * backbone.shrink, latent * backbone.shrink))
    latents = draw(generators_of(range(rows)), (backbone.unet.config.in_channels, latent, latent)).to(backbone.device)
    start = time.perf_counter()
    with torch.no_grad():
        backbone.denoise(latents, 500, context)
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
