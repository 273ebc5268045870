"""What teaching learns from: pictures as latents, what is said of them, and how wrong the network is about them.

    z_t = sqrt(abar_t) z_0 + sqrt(1 - abar_t) eps,    loss = mean (target - estimate(z_t, t, prompt))^2

with the target that the network was trained on: eps, or v. A batch is made of named parts, each with a weight of its
own, and goes through the network as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from innerlight.backbones import Backbone, Context, Size
from innerlight.files import Source, read_pictures

Say = Callable[[Sequence[int], np.random.Generator], list[str]]  # of the pictures of these numbers
Times = Callable[[int, torch.Generator], Tensor]  # as many timesteps


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
        rows, columns = size or backbone.size
        images = [ImageOps.fit(one, (columns, rows), Image.Resampling.LANCZOS) for one in read_pictures(pictures)]
        images += [ImageOps.mirror(one) for one in images] if mirrored else []
        mean, spread = backbone.posterior(images, (rows, columns))
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


def losses(
    backbone: Backbone,
    parts: Sequence[Part],
    states: TextStates,
    *,
    seed: int,
    step: int,
    times: Times | None = None,
) -> dict[str, Tensor]:
    """The mean squared error of each part in batch number `step`, which that number and the seed alone decide."""
    random = np.random.default_rng((seed, step))  # which pictures, what is said
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))  # latents, timesteps, noise
    chosen = {part.name: [int(k) for k in random.integers(len(part.shots), size=part.count)] for part in parts}
    said = [prompt for part in parts for prompt in part.say(chosen[part.name], random)]
    clean = torch.cat([part.shots.draw(chosen[part.name], generator) for part in parts])
    t = (times or uniform(len(backbone.levels)))(len(clean), generator).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    estimate = backbone.estimate(backbone.levels.noisy(clean, noise, t), t, states.of(backbone, said))
    target = backbone.levels.target(clean, noise, t, backbone.prediction)
    errors = (estimate - target).square().flatten(1).mean(1).split([part.count for part in parts])
    return {part.name: error.mean() for part, error in zip(parts, errors, strict=True)}


def weighed(found: Mapping[str, Tensor], parts: Sequence[Part]) -> Tensor:
    """The sum of the parts' losses, as much as each counts."""
    return torch.stack([part.weight * found[part.name] for part in parts]).sum()
