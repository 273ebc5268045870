"""What weights are tuned on: pictures of a thing under a rare word, and what the model itself draws of its class."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.backbones.hashing import LENGTH
from innerlight.files import atomic_path
from innerlight.sampling import Run, generate
from innerlight.sampling.generate import learned_of
from innerlight.sampling.noise import seeds_of
from innerlight.tuning.denoising import Part, Say, Shots
from innerlight.tuning.lessons import Folder
from innerlight.tuning.words import opened_tensors
from innerlight.types import InputError

NAME = "sks"  # a word that hardly means anything, and that the vocabulary has or can spell
TOGETHER = 4  # pictures of a class that are drawn in one batch


def rare_name(backbone: Backbone, name: str) -> str:
    """A name as it stands in prompts: brackets are for learned words, and for no others."""
    known = {one.name for one in backbone.learned}
    words = (word if word in known else word.strip("<>") for word in name.split())
    return " ".join(filter(None, words))


def subject_parts(
    backbone: Backbone,
    shots: Shots,
    name: str,
    like: str,
    *,
    batch: int,
    weight: float,
    prior: int,
    seed: int,
    folder: Folder | None,
    run: Run,
) -> Callable[[], list[Part]]:
    """What makes every batch: `batch` pictures of "a NAME LIKE" and, if they have a `weight`, as many of "a LIKE".
    What is asked is checked at once; the class is drawn when its parts are asked for.
    """
    if not like.strip():
        raise InputError("like: expected the word for its class, such as 'dog'; got none")
    if not name.strip():
        raise InputError(f"name: expected a rare word that stands before {like!r}, such as {NAME!r}; got none")
    if batch < 1 or weight < 0 or (weight and prior < 1):
        raise InputError(
            f"expected a batch and a prior of 1 or more, and a weight of 0 or more; got {batch}, {prior}, {weight}"
        )
    thing = Part("thing", shots, _saying(f"a {name} {like}"), batch)

    def parts() -> list[Part]:
        if not weight:
            return [thing]
        drawn = class_shots(backbone, like, prior, shots.size, seed=seed, folder=folder, run=run)
        return [thing, Part("class", drawn, _saying(f"a {like}"), batch, weight)]

    return parts


def class_shots(
    backbone: Backbone, like: str, count: int, size: Size, *, seed: int, folder: Folder | None, run: Run
) -> Shots:
    """What the model draws of a class, decided by the model, prompt and seed; in `folder` it is kept as it comes, for
    this run and others.
    """
    settings = [backbone.calibration.get(key) for key in ("steps", "guidance")]
    (seed,) = seeds_of(seed, 1)
    told = [backbone.hash, str(backbone.dtype), settings, learned_of(backbone), like, count, list(size), seed]
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:LENGTH]
    kept = None if folder is None else Path(folder) / f"prior-{key}.safetensors"
    latents = [_kept_latents(kept)] if kept and kept.exists() else []
    with run.bar("drawing the class", count) as advance:
        for _ in range(sum(map(len, latents))):
            advance()
        for start in range(sum(map(len, latents)), count, TOGETHER):
            prompts = [f"a {like}"] * min(TOGETHER, count - start)
            quiet = replace(run, progress=False)
            made = generate(backbone, prompts, seed=seed + start, size=size, decode=False, run=quiet)
            latents.append(made.latents.cpu())
            if kept:
                with atomic_path(kept) as temporary:
                    save_file({"latents": torch.cat(latents).contiguous()}, temporary)
            for _ in prompts:
                advance()
    return Shots.exactly(torch.cat(latents).to(backbone.device), size)


def _kept_latents(path: Path) -> Tensor:
    tensors, _ = opened_tensors(path)
    if "latents" not in tensors:
        raise InputError(f"{path} holds no pictures of a class ('latents'); remove it, and they are drawn again")
    return tensors["latents"]


def _saying(prompt: str) -> Say:
    return lambda chosen, random: [prompt] * len(chosen)
