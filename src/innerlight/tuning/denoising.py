"""What teaching learns from: pictures as latents, what is said of them, and how wrong the network is about them.

    z_t = sqrt(abar_t) z_0 + sqrt(1 - abar_t) eps,    loss = mean (target - estimate(z_t, t, prompt))^2

with the target that the network was trained on: eps, or v. A batch is made of named parts, each with a weight of its
own, and goes through the network as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from innerlight.backbones import Backbone, Context, NoiseLevels, Size
from innerlight.files import Source, read_pictures
from innerlight.tuning.freezing import offloaded
from innerlight.types import InputError

Say = Callable[[Sequence[int], np.random.Generator], list[str]]  # of the pictures of these numbers
Mask = Callable[[Sequence[int], Sequence[str]], Tensor]  # (n, 1, h, w), of pictures of these numbers and what is said
Times = Callable[[int, torch.Generator], Tensor]  # as many timesteps
TOGETHER = 8  # pictures that are encoded in one batch


@dataclass(frozen=True, eq=False)
class Shots:
    """Pictures as the VAE's posterior has them: latents are drawn anew each time they are shown."""

    mean: Tensor  # (n, c, h, w)
    spread: Tensor
    size: Size  # rows, columns of pixels

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        pictures: Source | Iterable[Source],
        size: Size | None = None,
        *,
        mirrored: bool = False,
    ) -> Shots:
        """Of pictures of any shape, cut to that of `size` (the model's own), and of their mirror images behind them:
        latents themselves must not be flipped.
        """
        if offloaded(backbone):
            raise InputError(
                f"{backbone.name} moves its parts between devices, which a training cannot follow; open it before"
            )
        cells = backbone.latent_size(size)
        rows, columns = (side * backbone.shrink for side in cells)
        images = [ImageOps.fit(one, (columns, rows), Image.Resampling.LANCZOS) for one in read_pictures(pictures)]
        images += [ImageOps.mirror(one) for one in images] if mirrored else []
        seen = [backbone.posterior(images[k : k + TOGETHER], (rows, columns)) for k in range(0, len(images), TOGETHER)]
        mean, spread = (torch.cat(one) for one in zip(*seen, strict=True))
        return cls(mean, spread, (rows, columns))

    @classmethod
    def exactly(cls, latents: Tensor, size: Size) -> Shots:
        """Latents that are such already: what the network itself drew."""
        return cls(latents, torch.zeros_like(latents), size)

    def __len__(self) -> int:
        return len(self.mean)

    def draw(self, chosen: Sequence[int], generator: torch.Generator) -> Tensor:
        """Latents of some of the pictures."""
        wanted = list(chosen)
        noise = torch.randn(self.mean[wanted].shape, generator=generator).to(self.mean)
        return self.mean[wanted] + self.spread[wanted] * noise


@dataclass(frozen=True, eq=False)
class Part:
    """One named part of every batch."""

    name: str
    shots: Shots
    say: Say
    count: int  # of its pictures in a batch
    weight: float = 1.0  # of its loss
    mask: Mask | None = None  # where its loss counts; None: everywhere
    over: Literal["map", "mask"] = "map"  # of which a masked loss is the mean
    weighs: Callable[[Tensor], Tensor] | None = None  # the weight of a picture by its timestep, such as `min_snr`


class TextStates:
    """Contexts of prompts, each read once; those that change while something is learned are read every time."""

    def __init__(self, size: Size, changing: Callable[[str], bool]) -> None:
        self.size, self.changing = size, changing
        self._kept: dict[str, Context] = {}

    def of(self, backbone: Backbone, prompts: Sequence[str]) -> Context:
        """One row a prompt, with gradient to what changes."""
        distinct = list(dict.fromkeys(prompts))
        live = [prompt for prompt in distinct if self.changing(prompt)]
        missing = [prompt for prompt in distinct if prompt not in live and prompt not in self._kept]
        if missing:
            read = backbone.embed(missing, self.size)
            self._kept |= {prompt: read.take([row]) for row, prompt in enumerate(missing)}
        fresh = backbone.embed(live, self.size, gradient=True) if live else None
        rows = {prompt: self._kept[prompt] for prompt in distinct if prompt not in live}
        rows |= {prompt: fresh.take([row]) for row, prompt in enumerate(live) if fresh is not None}
        joined = Context.join([rows[prompt] for prompt in distinct])
        return joined.take([distinct.index(prompt) for prompt in prompts])


def uniform(levels: int) -> Times:
    """Every timestep as often."""
    return lambda count, generator: torch.randint(levels, (count,), generator=generator)


def min_snr(levels: NoiseLevels, prediction: str, gamma: float = 5.0) -> Callable[[Tensor], Tensor]:
    """Weights of pictures by their timesteps (Hang et al. 2023, arXiv:2303.09556): that of clean ones is bounded.

    w = min(s, gamma) / s for eps, / (s + 1) for v,    s = abar / (1 - abar)
    """

    def weighs(t: Tensor) -> Tensor:
        signal, sigma = levels.at(t, t.float()[:, None])
        ratio = (signal / sigma).square().flatten()
        return ratio.clamp(max=gamma) / (ratio if prediction == "epsilon" else ratio + 1)

    return weighs


@dataclass(frozen=True, eq=False)
class Draw:
    """What a batch shows, before the network sees it; rows are those of the parts, one after another."""

    step: int
    chosen: Mapping[str, Sequence[int]]  # the pictures of each part
    said: Sequence[str]
    times: Tensor  # (n,)
    noisy: Tensor  # (n, c, h, w)
    target: Tensor


def draw(backbone: Backbone, parts: Sequence[Part], *, seed: int, step: int, times: Times | None = None) -> Draw:
    """Batch number `step`, which that number and the seed alone decide."""
    random = np.random.default_rng((seed, step))  # which pictures, what is said
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))  # latents, timesteps, noise
    chosen = {part.name: [int(k) for k in random.integers(len(part.shots), size=part.count)] for part in parts}
    said = [prompt for part in parts for prompt in part.say(chosen[part.name], random)]
    clean = torch.cat([part.shots.draw(chosen[part.name], generator) for part in parts])
    t = (times or uniform(len(backbone.levels)))(len(clean), generator).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    target = backbone.levels.target(clean, noise, t, backbone.prediction)
    return Draw(step, chosen, said, t, backbone.levels.noisy(clean, noise, t), target)


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch(Draw):
    """One batch and what the network made of it."""

    backbone: Backbone
    context: Context
    estimate: Tensor

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        parts: Sequence[Part],
        states: TextStates,
        *,
        seed: int,
        step: int,
        times: Times | None = None,
    ) -> Batch:
        """Batch number `step`, as the network sees it."""
        shown = draw(backbone, parts, seed=seed, step=step, times=times)
        context = states.of(backbone, shown.said)
        estimate = backbone.estimate(shown.noisy, shown.times, context)
        return cls(**vars(shown), backbone=backbone, context=context, estimate=estimate)


def losses(batch: Batch, parts: Sequence[Part]) -> dict[str, Tensor]:
    """The mean squared error of each part."""
    found, first = {}, 0
    errors = (batch.estimate - batch.target).square()
    for part in parts:
        rows = slice(first, first + part.count)
        own = errors[rows]
        if part.mask is not None:
            where = part.mask(batch.chosen[part.name], batch.said[rows]).to(own).expand_as(own)
            own = own * where
            if part.over == "mask":
                own = own * (where[0].numel() / where.flatten(1).sum(1).clamp(min=1))[:, None, None, None]
        means = own.flatten(1).mean(1)
        found[part.name] = (means if part.weighs is None else means * part.weighs(batch.times[rows])).mean()
        first += part.count
    return found


def weighed(found: Mapping[str, Tensor], parts: Sequence[Part]) -> Tensor:
    """The sum of the parts' losses, as much as each counts."""
    return torch.stack([part.weight * found[part.name] for part in parts]).sum()
