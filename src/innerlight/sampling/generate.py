"""Pictures from prompts, and from a picture and a prompt: the plain runs that every method is compared with."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from innerlight import __version__
from innerlight.backbones import Backbone, Size
from innerlight.files import Source, read_pictures
from innerlight.sampling.guidance import Guidance
from innerlight.sampling.loop import ONLY, Listener, Row, run_steps
from innerlight.sampling.noise import draw, generators_of, seeds_of
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Ddim, Stepper
from innerlight.types import InputError

STEPS, GUIDANCE = 50, 7.5  # of Stable Diffusion; a model's calibration may name its own


@dataclass(frozen=True, eq=False)
class Generated:
    """Pictures, the latents they were decoded from, and what made them."""

    images: list[Image.Image]
    latents: Tensor  # (n, c, h, w)
    seeds: tuple[int, ...]
    recipe: Mapping[str, Any]

    def _repr_png_(self) -> bytes | None:
        """In a notebook: the pictures side by side."""
        return strip_png(self.images) if self.images else None


def generate(
    backbone: Backbone,
    prompts: str | Sequence[str],
    *,
    seed: int | Sequence[int] = 0,
    steps: int | None = None,
    guidance: float | Guidance | None = None,
    negative: str | None = None,
    size: Size | None = None,
    stepper: Stepper | None = None,
    latents: Tensor | None = None,
    after: Sequence[Listener] = (),
    decode: bool = True,
    run: Run | None = None,
) -> Generated:
    """One picture a prompt, of `size` (rows, columns); picture k has seed `seed + k`, or its own of a list.

    `stepper` stands in for deterministic DDIM of `steps`; `latents` (n, c, h, w) for the noise drawn from the seeds.
    Without `decode` there are latents, and no pictures.
    """
    texts = prompts_of(prompts)
    cells = backbone.latent_size(size)
    seeds = seeds_of(seed, len(texts))
    generators = generators_of(seeds)
    rule = stepper or Ddim(backbone.levels, default_steps(backbone, steps))
    terms = guidance_of(backbone, guidance)
    drawn = draw(generators, (backbone.unet.config.in_channels, *cells))
    if latents is not None and latents.shape != drawn.shape:
        raise InputError(f"latents: expected shape {tuple(drawn.shape)}, got {tuple(latents.shape)}")
    start = rule.start((drawn if latents is None else latents.float()).to(backbone.device))
    rows = rows_for(backbone, texts, terms, negative=negative, size=size)
    done = run_steps(backbone, rule, {ONLY: start}, rows, terms, {ONLY: generators}, after=after, run=run)[ONLY]
    shape = tuple(int(side) for side in size or backbone.size)
    recipe = recipe_of(backbone, "generate", texts, seeds, rule, terms, negative=negative, size=shape)
    return Generated(backbone.decode(done) if decode else [], done, seeds, recipe)


def from_image(
    backbone: Backbone,
    pictures: Source | Iterable[Source],
    prompts: str | Sequence[str],
    *,
    strength: float = 0.8,
    seed: int | Sequence[int] = 0,
    steps: int | None = None,
    guidance: float | Guidance | None = None,
    negative: str | None = None,
    size: Size | None = None,
    stepper: Stepper | None = None,
    run: Run | None = None,
) -> Generated:
    """SDEdit (Meng et al. 2022, arXiv:2108.01073): noise added up to `strength` of the way, then taken away under
    another prompt. Strength 0 gives the picture as the VAE keeps it, 1 begins at the noisiest step. Pictures are
    worked on at a size that fits the model and come back at their own; with `size` both are that.
    """
    if not isinstance(strength, Real) or not 0 <= strength <= 1:
        raise InputError(f"strength: expected 0 to 1, got {strength!r}")
    images = read_pictures(pictures)
    clean = backbone.encode(images, size)
    texts = prompts_for(prompts, len(clean))
    shape = (clean.shape[-2] * backbone.shrink, clean.shape[-1] * backbone.shrink)
    seeds = seeds_of(seed, len(texts))
    generators = generators_of(seeds)
    rule = stepper or Ddim(backbone.levels, default_steps(backbone, steps))
    terms = guidance_of(backbone, guidance)
    total = len(rule.timesteps)
    first = total - int(strength * total)
    noise = draw(generators, clean.shape[1:], clean)
    start = clean
    if first < total:
        first -= first % getattr(rule, "order", 1)  # some rules take a step in two halves
        at = torch.tensor([rule.timesteps[first]], device=clean.device)
        noisy = backbone.levels.noisy(clean, noise, at)
        # a rule that keeps latents at another scale than the network sees them at
        start = noisy / rule.scaled(torch.ones(1, device=clean.device), first)
    rows = rows_for(backbone, texts, terms, negative=negative, size=shape)
    done = run_steps(backbone, rule, {ONLY: start}, rows, terms, {ONLY: generators}, run=run, first=first)[ONLY]
    recipe = recipe_of(
        backbone, "from_image", texts, seeds, rule, terms, negative=negative,
        size=None if size is None else shape, pictures=facts_of(pictures, images), strength=float(strength),
    )  # fmt: skip
    made = backbone.decode(done)
    if size is None:
        made = [one.resize(own.size, Image.Resampling.LANCZOS) for one, own in zip(made, images, strict=True)]
    return Generated(made, done, seeds, recipe)


def rows_for(
    backbone: Backbone,
    prompts: Sequence[str],
    guidance: Guidance,
    *,
    negative: str | None = None,
    size: Size | None = None,
    stream: str = ONLY,
) -> list[Row]:
    """The rows that a stream of pictures of `prompts` needs under `guidance`."""
    rows = []
    for role in guidance.roles:
        if role == "cond":
            rows.append(Row(role, backbone.embed(prompts, size), stream))
        elif negative:
            rows.append(Row(role, backbone.embed([negative] * len(prompts), size), stream))
        else:
            rows.append(Row(role, backbone.unconditional(len(prompts), size), stream))
    return rows


def prompts_of(prompts: str | Sequence[str]) -> list[str]:
    """One prompt or several as a list."""
    texts = [prompts] if isinstance(prompts, str) else list(prompts) if isinstance(prompts, Iterable) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(f"prompts: expected one string or several, got {prompts!r:.60}")
    return texts


def prompts_for(prompts: str | Sequence[str], count: int) -> list[str]:
    """A prompt for each of `count` pictures: those given, or the same for all."""
    texts = prompts_of(prompts)
    texts = texts * count if len(texts) == 1 else texts
    if len(texts) != count:
        raise InputError(f"prompts: expected one, or one for each of {count} pictures, got {len(texts)}")
    return texts


def default_steps(backbone: Backbone, steps: int | None) -> int:
    """Steps as given, or as the model's calibration says, or as Stable Diffusion's authors."""
    return steps if steps is not None else int(backbone.calibration.get("steps", STEPS))


def guidance_of(backbone: Backbone, guidance: float | Guidance | None) -> Guidance:
    """Guidance as given, or of the model's own weight."""
    if isinstance(guidance, Guidance):
        return guidance
    return Guidance(backbone.calibration.get("guidance", GUIDANCE) if guidance is None else guidance)


def facts_of(given: Source | Iterable[Source], images: Sequence[Image.Image]) -> list[dict[str, Any]]:
    """For recipes: the path of each picture that has one, and the hash of its pixels."""
    several = isinstance(given, Sequence) and not isinstance(given, (str, bytes))
    ones: list[Any] = [*given] if several else [given]  # pyright: ignore[reportGeneralTypeIssues]
    paths = [os.fspath(one) if isinstance(one, (str, os.PathLike)) else None for one in ones]
    if len(paths) != len(images):  # something to go through once, of which no path is known any more
        paths = [None] * len(images)
    return [
        {"path": path, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}
        for path, image in zip(paths, images, strict=True)
    ]


def strip_png(images: Sequence[Image.Image]) -> bytes:
    """Pictures side by side, as a PNG."""
    strip = Image.new("RGB", (sum(image.width for image in images), max(image.height for image in images)))
    left = 0
    for image in images:
        strip.paste(image, (left, 0))
        left += image.width
    buffer = io.BytesIO()
    strip.save(buffer, "PNG")
    return buffer.getvalue()


def recipe_of(
    backbone: Backbone,
    method: str,
    prompts: Sequence[str],
    seeds: Sequence[int],
    stepper: Stepper,
    guidance: Guidance,
    **rest: Any,
) -> dict[str, Any]:
    """What is needed to do it again."""
    return {
        "method": method,
        "version": __version__,
        "model": backbone.name,
        "model_hash": backbone.hash,
        "prompts": list(prompts),
        "seeds": list(seeds),
        "stepper": type(stepper).__name__,
        "steps": len(stepper.timesteps),
        **getattr(stepper, "settings", {}),
        "guidance": float(guidance.weight),
        "terms": [repr(term) for term in guidance.terms],
        "dtype": str(backbone.dtype).removeprefix("torch."),
        **learned_of(backbone),
        **rest,
    }


def learned_of(backbone: Backbone) -> dict[str, Any]:
    """For recipes and journals: the words that a model was taught, if there are any."""
    return {"learned": {word.name: word.hash for word in backbone.learned}} if backbone.learned else {}
