"""What editing must show beside its methods' claims: pictures that come back under guidance, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from innerlight.backbones import Backbone, blank
from innerlight.backbones.hashing import hash_files
from innerlight.bench.claims import SCORING, journal
from innerlight.bench.editing_costs import PLAIN, map_bytes, peak_of, ratios
from innerlight.bench.evidence import Row, interval, measure_all, measured
from innerlight.methods import names
from innerlight.sampling import inversion, invert
from innerlight.sampling.generate import default_steps, guidance_of
from innerlight.world import caption, render, sample

COMMAND = "innerlight bench editing"
PACKAGES = ("torch", "diffusers", "numpy")
LATENT = 32  # cells of the side at which costs are measured, on both models
SCENES, BATCH = 128, 8
RIVALS = "null_text", "edit_friendly"  # of plain DDIM inversion
MEGABYTE = 1e6

Progress = Callable[[int, int], None]


def score(
    path: Path,
    backbone: Backbone,
    *,
    folder: Path,
    scenes: int | None = None,
    quick: bool = False,
    progress: Progress = lambda done, of: None,
) -> list[Row]:
    """Measure all rows and write them to `path`, keeping raw scores in `folder`; with `quick` no costs."""
    measures: list[Callable[[], list[Row]]] = [lambda: reconstructions(backbone, scenes or SCENES, folder)]
    if not quick:
        measures += [
            lambda: cost_rows(backbone, "cost_pocket", rounds=12),
            lambda: cost_rows(blank("sd15", "real"), "cost", rounds=2),
            memory_rows,
        ]
    return measure_all(measures, path, progress)


def reconstructions(backbone: Backbone, scenes: int, folder: Path) -> list[Row]:
    """Drawn scenes with their captions, inverted, and brought back under the model's guidance: PSNR above that of plain
    DDIM inversion.
    """
    weight = guidance_of(backbone, None).weight
    settings = {
        "source": hash_files(sorted(Path(inversion.__file__).parent.glob("*.py"))), "model": backbone.hash,
        "guidance": weight, "steps": default_steps(backbone, None),
    }  # fmt: skip
    with journal(folder, "reconstruction", "reconstruction", settings) as manifest:
        keys = [str(seed) for seed in range(SCORING, SCORING + scenes)]
        left = list(manifest.pending(keys))
        for start in range(0, len(left), BATCH):
            some = left[start : start + BATCH]
            for key, arms in zip(some, _brought_back(backbone, [int(key) for key in some], weight), strict=True):
                manifest.record(key, **arms)
        results = [manifest.result(key) for key in keys]
    psnrs = {arm: np.array([one[arm] for one in results]) for arm in results[0]}
    note = f"dB under guidance {weight:g}: " + ", ".join(f"{arm} {own.mean():.1f}" for arm, own in psnrs.items())
    rows = []
    for method in RIVALS:
        gains = psnrs[method] - psnrs["ddim"]
        low, high = interval(gains)
        rows.append(
            measured(
                f"{method}.reconstruction", float(gains.mean()), 0.0, ">", n=len(gains), command=COMMAND, low=low,
                high=high, baseline="ddim inversion", seeds=f"{SCORING}..{SCORING + scenes - 1}", model=backbone.hash,
                packages=PACKAGES, note=note,
            )
        )  # fmt: skip
    return rows


def _brought_back(backbone: Backbone, seeds: Sequence[int], weight: float) -> list[dict[str, float]]:
    """PSNR of each scene by way of each inversion; of plain ones without guidance too, and of the VAE alone."""
    drawn = [render(sample(seed), backbone.size[0]).picture for seed in seeds]
    texts = [caption(sample(seed)).text for seed in seeds]
    plain = invert(backbone, drawn, texts)
    arms = {"unguided": plain.psnr, "floor": plain.floor}
    for method in ("ddim", *RIVALS):
        arms[method] = invert(backbone, drawn, texts, method=method, guidance=weight).psnr
    return [{arm: psnrs[k] for arm, psnrs in arms.items()} for k in range(len(seeds))]


def cost_rows(backbone: Backbone, id: str, rounds: int) -> list[Row]:
    """Time of each method over as many plain passes of as many rows."""
    return [
        measured(
            f"{name}.{id}", ratio, 1.15, "<=", kind="cost", n=rounds, command=COMMAND, packages=PACKAGES,
            model=backbone.hash if id == "cost_pocket" else None,
            note=f"{backbone.name}, {LATENT} x {LATENT} latents, 4 steps; passes by rows: "
            + ", ".join(f"{count} of {number}" for number, count in sorted(rows.items())),
        )
        for name, (ratio, rows) in ratios(backbone, LATENT, rounds).items()
    ]  # fmt: skip


def memory_rows() -> list[Row]:
    """Peaks of memory of edits over that of the same two streams with nothing between them."""
    shape: Any = blank("sd15", "real", device="meta")
    plain = peak_of(PLAIN, "sd15", LATENT)
    stored = {kind: map_bytes(shape, LATENT, kind, 1) / MEGABYTE for kind in ("text", "self")}
    return [
        measured(
            f"{name}.memory", (peak_of(name, "sd15", LATENT) - plain) / MEGABYTE, None, "<=", kind="cost", n=1,
            command=COMMAND, packages=PACKAGES,
            note=f"MB above a plain run of four rows ({plain / 1e9:.2f} GB); the maps of one row and one step would "
            f"take {stored['text']:.0f} MB of words and {stored['self']:.0f} MB of cells",
        )
        for name in names("editing")
    ]  # fmt: skip
