"""What the core must show: agreement with diffusers, taps that change nothing, and what reading costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from innerlight.backbones import Backbone, blank, ddim_step, scheduler_named
from innerlight.backbones.building import build_unet
from innerlight.backbones.noise import NoiseLevels
from innerlight.backbones.sites import sites_of
from innerlight.bench.costs import GEOMETRY, passes, peak_of
from innerlight.bench.evidence import Row, measure_all, measured
from innerlight.bench.malformed_core import run_commands
from innerlight.embedded.unet import POCKET_UNET
from innerlight.sampling import Ddim, Ddpm
from innerlight.sampling.noise import generators_of
from innerlight.taps import HeadMean, Heads, Read, Write, tapped

COMMAND = "innerlight bench core"
PACKAGES = ("torch", "diffusers", "numpy")
FAMILIES = ("sd15", "sd21", "sdxl")
STEPS = (2, 25, 50)
ROUNDS = 6
MAP_BYTES = 4096 * 4096 * 4  # one N x N map of Stable Diffusion 1.5
LEVELS = NoiseLevels.scaled_linear()

Progress = Callable[[int, int], None]


def score(
    path: Path, main: Callable[[], object], *, quick: bool = False, progress: Progress = lambda done, of: None
) -> list[Row]:
    """Measure all rows and write them to `path`; with `quick` no timings. `main` is the command line's entry."""
    measures: list[Callable[[], list[Row]]] = [
        lambda: [ddim_parity()],
        lambda: [ddpm_parity()],
        lambda: [inversion_parity()],
        lambda: [neutral()],
        lambda: [probabilities()],
        lambda: [malformed(main)],
    ]
    if not quick:
        measures += [costs, memories, lambda: [tiny_cost()]]
    return measure_all(measures, path, progress)


def ddim_parity() -> Row:
    """Whole runs beside diffusers' DDIMScheduler, eps and v."""
    worst = 0.0
    for prediction in ("epsilon", "v_prediction"):
        for steps in STEPS:
            theirs = _scheduler("DDIMScheduler", prediction)
            theirs.set_timesteps(steps)
            rule = Ddim(LEVELS, steps)
            worst = max(worst, _run_difference(rule, theirs, prediction))
    return _parity("sampling.ddim_parity", worst, len(STEPS) * 2, "largest relative difference over whole runs, eta 0")


def ddpm_parity() -> Row:
    """The same for DDPMScheduler, fed with the same noise."""
    worst = 0.0
    for prediction in ("epsilon", "v_prediction"):
        for steps in STEPS:
            theirs = _scheduler("DDPMScheduler", prediction, steps_offset=0)
            theirs.set_timesteps(steps)
            worst = max(worst, _run_difference(Ddpm(LEVELS, steps), theirs, prediction))
    return _parity("sampling.ddpm_parity", worst, len(STEPS) * 2, "largest relative difference, small variance")


def inversion_parity() -> Row:
    """Whole runs from clean to noisy beside diffusers' DDIMInverseScheduler, which predicts eps."""
    worst = 0.0
    for steps in STEPS:
        theirs = _scheduler("DDIMInverseScheduler", "epsilon")
        theirs.set_timesteps(steps)
        times = [0, *reversed(LEVELS.timesteps(steps))]
        assert times[1:] == theirs.timesteps.tolist()
        ours = other = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
        for lower, upper in pairwise(times):
            ours = ddim_step(LEVELS, ours, _toy_network(ours), lower, upper)
            other = theirs.step(_toy_network(other), upper, other).prev_sample
            worst = max(worst, _difference(ours, other))
    return _parity("sampling.inversion_parity", worst, len(STEPS), "largest relative difference over whole runs")


def neutral() -> Row:
    """Bits that differ between plain passes and passes with taps that read, or that never write."""
    differing, checked = 0, 0
    for family in FAMILIES:
        backbone, latents, run = _pass_of(family)
        plain = run()
        reads = [
            Read("*.text", "probabilities", reduce=HeadMean()),
            Read("*.self", "probabilities", reduce=HeadMean(), pool="grid", keep="sum"),
            Read("*.self", "heads"),
            Read("*.text", "output"),
            Read(["*.residual", "*.output", "*.incoming", "*.skip"]),
        ]
        never = Write(["*.self", "*.text"], "probabilities", lambda view: view.own, when=lambda moment: False)
        for items in (reads, [never], []):
            with tapped(backbone.sites, *items):
                differing += int((run().view(torch.int32) != plain.view(torch.int32)).sum())
            checked += latents.numel()
        differing += int((run().view(torch.int32) != plain.view(torch.int32)).sum())
    return measured(
        "taps.neutral", float(differing), 0, "<=", kind="parity", n=checked, command=COMMAND, packages=PACKAGES,
        note=f"numbers whose bits differ, float32, {', '.join(FAMILIES)}, two rows of 24 x 32 latents",
    )  # fmt: skip


def probabilities() -> Row:
    """Read probabilities beside an explicit softmax of the q and k that were read."""
    worst, count = 0.0, 0
    for family in FAMILIES:
        backbone, _, run = _pass_of(family)
        found, heads = (Read(["*.self", "*.text"], what) for what in ("probabilities", "heads"))
        with tapped(backbone.sites, found, heads) as seen:
            run()
        for site, one in seen[heads].items():
            assert isinstance(one, Heads)
            explicit = ((one.q @ one.k.mT) / one.q.shape[-1] ** 0.5).softmax(-1).mean(1)
            values = seen[found][site]
            worst = max(worst, float((values - explicit).abs().max()), float((values.sum(-1) - 1).abs().max()))
            count += 1
    return _parity("taps.probabilities", worst, count, "largest difference to an explicit softmax, and of sums from 1")


def costs() -> list[Row]:
    """Time of reading at the true geometry of Stable Diffusion 1.5, over a plain pass in the same run; the fastest of
    each counts, for whatever else the machine does makes a pass slower and never faster.
    """
    seconds = passes(GEOMETRY[0], GEOMETRY[1], int(GEOMETRY[2]), ("plain", "cross", "self"), ROUNDS)
    plain = min(seconds["plain"])
    return [
        measured(
            f"taps.{arm}_cost", min(seconds[arm]) / plain, limit, "<=", kind="cost", n=ROUNDS, command=COMMAND,
            packages=PACKAGES, note=f"fastest passes of one row, 64 x 64 latents, float32; plain {plain:.2f} s",
        )
        for arm, limit in (("cross", 1.10), ("self", 1.6))
    ]  # fmt: skip


def memories() -> list[Row]:
    """Peak of memory of reading over that of a plain pass, each in a process of its own."""
    peaks = {arm: peak_of(arm) for arm in ("plain", "cross", "self", "cross-everything")}
    plain = peaks["plain"]
    everything = f"storing every probability of text attention: {peaks['cross-everything'] / plain:.3f} of plain"
    return [
        measured(
            "taps.cross_memory", peaks["cross"] / plain, 1.05, "<=", kind="cost", n=1, command=COMMAND,
            packages=PACKAGES, note=f"plain {plain / 1e9:.2f} GB; {everything}",
        ),
        measured(
            "taps.self_memory", (peaks["self"] - plain) / MAP_BYTES, 2.0, "<=", kind="cost", n=1, command=COMMAND,
            packages=PACKAGES,
            note=f"in maps of 4096 x 4096 float32 above a plain pass; all heads of all layers would be about "
            f"{_all_self_bytes() / 1e9:.1f} GB",
        ),
    ]  # fmt: skip


def tiny_cost(rounds: int = 30) -> Row:
    """An open tap that never writes, on the embedded model's geometry."""
    unet: Any = build_unet(POCKET_UNET).eval().requires_grad_(False)
    sites = sites_of(unet)
    latents, states = torch.randn(2, 4, 32, 32), torch.randn(2, 77, unet.config.cross_attention_dim)
    never = Write(["*.self", "*.text"], "probabilities", lambda view: view.own, when=lambda moment: False)

    def seconds() -> float:
        start = time.perf_counter()
        with torch.no_grad():
            unet(latents, 500, encoder_hidden_states=states)
        return time.perf_counter() - start

    seconds()
    pairs = []
    for _ in range(rounds):
        plain = seconds()
        with tapped(sites, never):
            pairs.append((plain, seconds()))
    plain, own = (min(times) for times in zip(*pairs, strict=True))
    return measured(
        "taps.tiny_cost", own / plain, 1.05, "<=", kind="cost", n=rounds, command=COMMAND, packages=PACKAGES,
        note=f"fastest passes of two rows of 32 x 32 latents; plain {1e3 * plain:.0f} ms",
    )  # fmt: skip


def malformed(main: Callable[[], object]) -> Row:
    """Odd input through the commands: a sentence and an exit code, never a traceback."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run_commands(main, Path(folder))
    wrong = [outcome.name for outcome in outcomes if not outcome.passed]
    return measured(
        "cli.malformed", float(len(outcomes) - len(wrong)), max(40, len(outcomes)), ">=", n=len(outcomes),
        command=COMMAND, packages=PACKAGES, note=f"commands that answered rightly; wrong: {', '.join(wrong) or 'none'}",
    )  # fmt: skip


def _pass_of(family: str) -> tuple[Backbone, Tensor, Callable[[], Tensor]]:
    backbone = blank(family)
    latents = torch.randn(2, 4, 24, 32, generator=torch.Generator().manual_seed(0))
    context = backbone.embed(["a red cat", "a dog and a frog"])

    def run() -> Tensor:
        with torch.no_grad():
            return backbone.denoise(latents, 500, context)

    return backbone, latents, run


def _run_difference(rule: Any, theirs: Any, prediction: str) -> float:
    """Largest difference between two runs with one made-up network, whose output is taken for eps or for v."""
    ours = other = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    mine, stock = generators_of([5, 6]), generators_of([5, 6])
    worst = 0.0
    assert list(rule.timesteps) == theirs.timesteps.tolist()
    for index, t in enumerate(theirs.timesteps):
        at = torch.tensor([int(t)])
        ours = rule.step(ours, LEVELS.noise_of(_toy_network(ours), ours, at, prediction), index, mine)
        other = theirs.step(_toy_network(other), t, other, generator=stock, return_dict=False)[0]
        worst = max(worst, _difference(ours, other))
    return worst


def _difference(one: Tensor, other: Tensor) -> float:
    """The largest, beside the largest number: a made-up network lets latents grow."""
    return float((one - other).abs().max() / other.abs().max())


def _toy_network(latents: Tensor) -> Tensor:
    weights = torch.randn(4, 4, generator=torch.Generator().manual_seed(2)) / 4
    return torch.einsum("oc,nchw->nohw", weights, latents).tanh()


def _scheduler(name: str, prediction: str, **settings: Any) -> Any:
    made = scheduler_named(name)
    return type(made).from_config(made.config, prediction_type=prediction, **settings)


def _all_self_bytes() -> int:
    """All heads of all self attention of Stable Diffusion 1.5 at 64 x 64 latents, in float32."""
    sites = blank(GEOMETRY[0], "real", device="meta").sites
    cells = [(site.heads, int(torch.tensor(site.grid((64, 64))).prod())) for site in sites.select("*.self")]
    return sum(4 * heads * n * n for heads, n in cells)


def _parity(id: str, value: float, n: int, note: str) -> Row:
    return measured(id, value, 1e-5, "<=", kind="parity", n=n, command=COMMAND, packages=PACKAGES, note=note)
