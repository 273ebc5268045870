"""Every method once on networks of the published shapes, with random weights: two rectangles at once, a few steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from innerlight.backbones import Backbone, Size, blank
from innerlight.bench.claims import journal, source_hash
from innerlight.bench.evidence import Row, measured, write_rows
from innerlight.files import Manifest
from innerlight.methods import get, names
from innerlight.sampling import Run
from innerlight.types import InnerlightError
from innerlight.world import render, sample

COMMAND = "innerlight bench geometry"
PACKAGES = ("torch", "diffusers", "numpy")
FAMILIES = ("sd15", "sd21", "sdxl")
SIZE = (256, 320)  # height and width
LARGE = 512  # pixels of the side of a network that is no tiny one
SOURCE, TARGET = "a cat and a dog", "a cat and a frog"
STEPS = 2
FEW: dict[str, dict[str, Any]] = {  # settings with which a method is done in seconds
    "daam": {"steps": STEPS},
    "attend_and_excite": {"refine": (0.0,), "targets": (0.9,), "iterations": 1},
    "diffedit": {"noises": 2},
    "emerdiff": {"steps": 4, "clusters": 3},
    "embedding_correspondence": {"steps": 1, "restarts": 1, "crops": 1},
    "textual_inversion": {"steps": STEPS, "batch": 2},
    "p_plus": {"steps": STEPS, "batch": 2},
    "dreambooth": {"steps": 1, "batch": 1, "prior": 1},
    "dreambooth_lora": {"steps": STEPS, "batch": 2},
}
TOO_LARGE = {("dreambooth", "sdxl"): "weights, a copy, gradients and two moments are 51 GB"}

Progress = Callable[[int, int], None]


def score(
    path: Path,
    folder: Path,
    wanted: Sequence[str] = (),
    families: Sequence[str] = FAMILIES,
    opened: Callable[[str], Backbone] = lambda family: blank(family, "real"),
    size: Size = SIZE,
    progress: Progress = lambda done, of: None,
) -> list[Row]:
    """One row a method (all, if none are named), written to `path`: on how many families it runs, or says why not.

    What ran or refused is kept in `folder`, by method and family: as long as a method's text is the same it is not
    tried again.
    """
    methods = [get(name).name for name in wanted or names()]
    told: dict[str, list[tuple[bool | None, str]]] = {name: [] for name in methods}
    for number, family in enumerate(families):
        backbone: Backbone | None = None  # none is made where everything was tried
        for done, name in enumerate(methods):
            progress(number * len(methods) + done, len(families) * len(methods))
            with _kept(folder, name, size) as kept:
                if kept.done(family):
                    result = kept.result(family)
                    told[name].append((result["fine"], result["what"]))
                    continue
                backbone = backbone or opened(family)
                fine, what = _tried(backbone, family, name, size)
                if fine is not False:  # what failed is tried again
                    kept.record(family, fine=fine, what=what)
                told[name].append((fine, what))
        del backbone  # before the next is made: together they may not fit
    height, width = size
    rows = [
        measured(
            f"{name}.geometry", sum(fine is True for fine, _ in own), sum(fine is not None for fine, _ in own), ">=",
            kind="parity", n=len(families),
            command=COMMAND, packages=PACKAGES, note=f"published shapes, random weights, two pictures of {width} x "
            f"{height}: " + ", ".join(f"{family} {what}" for family, (_, what) in zip(families, own, strict=True)),
        )
        for name, own in told.items()
    ]  # fmt: skip
    write_rows(path, rows)
    return rows


def _kept(folder: Path, name: str, size: Size) -> Manifest:
    """By family, what came of a method."""
    settings = {"method": source_hash(get(name)), "size": list(size), "settings": FEW.get(name, {})}
    return journal(folder, f"{name}.geometry", "geometry", settings)


def _tried(backbone: Backbone, family: str, name: str, size: Size) -> tuple[bool | None, str]:
    """Whether a method runs or refuses with a reason (None: it was not tried); and what it did."""
    if (name, family) in TOO_LARGE and backbone.size[0] > LARGE:
        return None, f"not tried: {TOO_LARGE[name, family]}"
    start = time.perf_counter()
    try:
        sound = run(backbone, name, size)
    except InnerlightError as error:
        return True, f"refuses: {error}"
    except Exception as error:
        return False, f"fails: {type(error).__name__}: {error}"
    return sound, f"{time.perf_counter() - start:.0f} s" if sound else "gives results of another size, or no numbers"


def run(backbone: Backbone, name: str, size: Size) -> bool:
    """One method on two pictures or prompts; whether what it gives is of their size, and finite."""
    method = get(name)
    config = method.config(**FEW.get(name, {}))
    height, width = size
    shared: dict[str, Any] = {"size": size, "run": Run(progress=False)}
    if method.family == "reading":
        found = method.function(backbone, [SOURCE, TARGET], None, config, **shared)
        return all(one.size == (width, height) for one in found.images) and len(found.maps) == 2
    if method.family == "editing":
        found = method.function(backbone, [SOURCE] * 2, [TARGET] * 2, config, steps=STEPS, **shared)
        return [one.size for one in (*found.images, *found.sources)] == [(width, height)] * 4
    pictures = [render(sample(seed), height, width).picture for seed in (0, 1)]
    if method.family == "segmentation":
        found = method.function(backbone, pictures, config, **shared)
        return [one.labels.shape for one in found.labels] == [size] * 2
    if method.family == "correspondence":
        found = method.function(backbone, pictures[0], pictures, [(100, 60), (30, 200)], config, **shared)
        return found.found.shape == (2, 2, 2) and bool(np.isfinite(found.found).all())
    if method.family == "retrieval":
        mask = np.zeros(size, bool)
        mask[height // 4 : -height // 4, width // 4 : -width // 4] = True
        found = method.function(backbone, pictures[0], pictures, config, mask=mask, word="dog", **shared)
        return found.scores.shape == (2,) and bool(np.isfinite(found.scores).all())
    found = method.function(backbone, pictures, "<thing>", "dog", config, report=0, **shared)
    if found.kind == "word":
        return all(bool(vectors.isfinite().all()) for vectors in found.word.vectors)
    weights = found.backbone.unet.parameters()
    return found.backbone.hash != backbone.hash and all(bool(one.isfinite().all()) for one in weights)
