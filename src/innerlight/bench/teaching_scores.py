"""What a step of teaching costs beside the bare network, and how many numbers its optimiser moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.optim.optimizer import register_optimizer_step_post_hook

from innerlight.backbones import Backbone
from innerlight.bench.evidence import Row, measure_all, measured
from innerlight.methods import get, names
from innerlight.sampling import Run, draw, generators_of
from innerlight.world import render, sample

COMMAND = "innerlight bench teaching"
PACKAGES = ("torch", "numpy")
BATCH, STEPS, ROUNDS = 8, 5, 4
MOST = {"p_plus": 1.5}  # a text for each layer; all others 1.25
WEIGHTS = ("dreambooth",)  # learn weights of the network itself; all others leave it as it is
SHOWN, LIKE, NAME = 4, "dog", "<thing>"

Progress = Callable[[int, int], None]


@dataclass
class Steps:
    """The steps of a training: when each ended, and how many numbers were trained."""

    ends: list[float] = field(default_factory=list)
    trained: int = 0

    @property
    def seconds(self) -> float:
        """Of the fastest, from the end of the one before."""
        return min(later - before for before, later in zip(self.ends, self.ends[1:], strict=False))


def score(path: Path, backbone: Backbone, *, progress: Progress = lambda done, of: None) -> list[Row]:
    """Measure all rows and write them to `path`."""
    return measure_all([lambda: cost_rows(backbone)], path, progress)


def cost_rows(backbone: Backbone, batch: int = BATCH, steps: int = STEPS, rounds: int = ROUNDS) -> list[Row]:
    """Time of a step of each method over that of the bare network, forward and back; and what Textual Inversion
    trains, over the numbers of one token.
    """
    methods = names("teaching")
    own: dict[str, list[Steps]] = {name: [] for name in methods}
    bare: dict[str, list[float]] = {name: [] for name in methods}
    opened = backbone.copy()
    opened.unet.float().requires_grad_(True)
    for _ in range(rounds):
        for name in methods:
            own[name].append(taught(backbone, name, batch, steps))
            network = opened if name in WEIGHTS else backbone
            bare[name] += [bare_step(network, batch) for _ in range(steps)]
    shared: dict[str, Any] = {
        "kind": "cost", "n": rounds * steps, "command": COMMAND, "packages": PACKAGES, "model": backbone.hash
    }  # fmt: skip
    rows = [
        measured(
            f"{name}.cost", min(one.seconds for one in own[name]) / min(bare[name]), MOST.get(name, 1.25), "<=",
            note=f"{backbone.name}, {batch} pictures a step; {own[name][0].trained} numbers are trained", **shared,
        )
        for name in methods
    ]  # fmt: skip
    token = sum(encoder.model.get_input_embeddings().weight.shape[1] for encoder in backbone.texts)
    trained = own["textual_inversion"][0].trained
    rows.append(
        measured(
            "textual_inversion.optimiser", trained / token, 1.0, "<=", note=f"{trained} numbers are trained", **shared
        )
    )
    return rows


def taught(backbone: Backbone, name: str, batch: int, steps: int) -> Steps:
    """A few steps of a method, without a prior."""
    method = get(name)
    pictures = [Image.fromarray(render(sample(seed), *backbone.size).picture) for seed in range(SHOWN)]
    given: dict[str, Any] = {"steps": steps + 1, "batch": batch}
    if "weight" in method.config.__dataclass_fields__:  # of the prior
        given["weight"] = 0.0
    with watched() as found:
        method.function(
            backbone, pictures, NAME, LIKE, method.config(**given), report=0, seed=0, run=Run(progress=False)
        )
    return found


def bare_step(backbone: Backbone, batch: int) -> float:
    """Seconds of one pass of the network and back: to its weights, where they are learned, and to the text's states."""
    rows, columns = (side // backbone.shrink for side in backbone.size)
    latents = draw(generators_of(range(batch)), (backbone.unet.config.in_channels, rows, columns)).to(backbone.device)
    context = backbone.embed([f"a {LIKE}"] * batch)
    context = context.with_states(context.states.detach().requires_grad_())
    start = time.perf_counter()
    backbone.estimate(latents, torch.full((batch,), 500, device=backbone.device), context).square().mean().backward()
    seconds = time.perf_counter() - start
    backbone.unet.zero_grad()
    return seconds


@contextmanager
def watched() -> Iterator[Steps]:
    """The steps of the optimiser that runs in a block."""
    found = Steps()

    def after(optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        found.ends.append(time.perf_counter())
        found.trained = sum(one.numel() for group in optimiser.param_groups for one in group["params"])

    handle = register_optimizer_step_post_hook(after)
    try:
        yield found
    finally:
        handle.remove()
