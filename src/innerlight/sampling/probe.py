"""One pass over a picture, to see what is inside: image, timestep, sites; out comes what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from innerlight.backbones import Backbone, Context
from innerlight.maps import WordMap
from innerlight.prompts import tokens_of_word
from innerlight.sampling.generate import prompts_for
from innerlight.sampling.noise import draw, generators_of, seeds_of
from innerlight.taps import Moment, Read, Rows, Write, tapped
from innerlight.taps.sites import Grid
from innerlight.taps.tapping import FEATURE
from innerlight.types import InputError, NotFoundError


@dataclass(frozen=True, eq=False)
class Seen:
    """What a pass showed: for each read what was kept, with the grid, the picture's size and the words."""

    backbone: Backbone
    context: Context
    latent: Grid
    kept: Mapping[Read, Mapping[Any, Any]]

    def __getitem__(self, read: Read) -> Mapping[Any, Any]:
        if read not in self.kept:
            raise NotFoundError(f"{read.name} of {read.sites!r} is not among the reads of this probe")
        return self.kept[read]

    def values(self, read: Read) -> Tensor:
        """What was read at the only site of a read."""
        found = list(self[read].values())
        if not found:
            raise NotFoundError(f"{read.name} of {read.sites!r} found nothing: a probe has rows named 'cond' alone")
        if len(found) != 1:
            raise InputError(
                f"{len(found)} sites were read; ask for one by name: {', '.join(map(str, self.kept[read]))}"
            )
        return found[0]

    def features(self, read: Read) -> Tensor:
        """What was read at the only site as (n, c, rows, columns), whatever the order of its axes."""
        values = self.values(read)
        if read.what == FEATURE:
            return values
        if read.what == "mixed":
            values = values.transpose(1, 2).flatten(2)  # (n, cells, channels)
        return values.mT.unflatten(-1, self._grid(next(iter(self.kept[read]))))

    def word(self, read: Read, word: str, *, image: int = 0) -> WordMap:
        """A word's map in a read of text attention (HeadMean, all tokens): the mean of sites, on the finest grid."""
        tokens = self.context.tokens[image][0]
        positions = list(tokens_of_word(tokens, word))
        grids = {key: self._grid(key) for key in self[read]}
        finest = max(grids.values())
        parts = []
        for key, values in self[read].items():
            one = values[image][:, positions].mean(1).view(1, 1, *grids[key])
            parts.append(torch.nn.functional.interpolate(one, finest, mode="bilinear")[0, 0])
        shrink = self.backbone.shrink
        size = (self.latent[0] * shrink, self.latent[1] * shrink)
        return WordMap(word, np.asarray(torch.stack(parts).mean(0).cpu()), size)

    def _grid(self, key: str | Grid) -> Grid:
        """Cells of what was kept for a site, or for a grid."""
        return self.backbone.sites[key].grid(self.latent) if isinstance(key, str) else key


def probe(
    backbone: Backbone,
    latents: Tensor,
    t: int,
    *items: Read | Write,
    prompts: str | Sequence[str] = "",
    context: Context | None = None,
    noise: int | Sequence[int] | Tensor | None = 0,
    draws: int = 1,
    max_bytes: int | None = None,
) -> Seen:
    """Pass over `latents` (n, c, h, w), clean ones as `Backbone.encode` gives them, noised to timestep `t`, and end
    the pass behind the last site that is read.

    `noise`: a seed, one for each picture, the noise itself, or None for clean latents under the label t. With `draws`
    each picture is seen under so many noises, and what was read is their mean.
    """
    if not isinstance(t, Integral) or not 0 <= t < len(backbone.levels):
        raise InputError(f"t: expected a whole number from 0 to {len(backbone.levels) - 1}, got {t!r}")
    if not isinstance(draws, Integral) or draws < 1 or (draws > 1 and not isinstance(noise, int)):
        raise InputError(f"draws: expected 1, or more with a seed for the noise; got {draws} with noise={noise!r:.40}")
    if draws > 1 and any(isinstance(item, Read) and (item.keep == "all" or item.what == "heads") for item in items):
        raise InputError("draws: what is kept one by one (heads, keep='all') has no mean over draws; use draws=1")
    channels = backbone.unet.config.in_channels
    if latents.ndim != 4 or latents.shape[1] != channels:
        raise InputError(f"latents: expected (n, {channels}, rows, columns), got shape {tuple(latents.shape)}")
    size = (latents.shape[-2] * backbone.shrink, latents.shape[-1] * backbone.shrink)
    count = len(latents)
    told = context or backbone.embed(prompts_for(prompts, count), size)
    if len(told) != count:
        raise InputError(f"context: expected {count} rows, one for each picture, got {len(told)}")
    sums: dict[Read, dict[Any, Any]] = {}
    for number in range(draws):
        seed = noise + number * count if isinstance(noise, int) else noise
        noisy = _noised(backbone, latents, t, seed)
        moment = Moment(timestep=t, rows=Rows(("cond",), count))
        with (
            tapped(backbone.sites, *items, stop=True, max_bytes=max_bytes) as seen,
            torch.set_grad_enabled(_graph(items)),
        ):
            backbone.denoise(noisy, t, told, moment)
        for item in items:
            if isinstance(item, Read):
                _add(sums.setdefault(item, {}), seen[item])
    kept = {
        read: {key: value / draws if draws > 1 else value for key, value in found.items()}
        for read, found in sums.items()
    }
    return Seen(backbone, told, (latents.shape[-2], latents.shape[-1]), kept)


def _noised(backbone: Backbone, latents: Tensor, t: int, noise: int | Sequence[int] | Tensor | None) -> Tensor:
    if noise is None:
        return latents
    if not isinstance(noise, Tensor):
        noise = draw(generators_of(seeds_of(noise, len(latents))), latents.shape[1:], latents)
    if noise.shape != latents.shape:
        raise InputError(f"noise: expected shape {tuple(latents.shape)}, got {tuple(noise.shape)}")
    return backbone.levels.noisy(latents, noise, torch.tensor([t], device=latents.device))


def _graph(items: Sequence[Read | Write]) -> bool:
    return torch.is_grad_enabled() and any(isinstance(item, Read) and item.gradient for item in items)


def _add(sums: dict[Any, Any], found: Mapping[Any, Any]) -> None:
    for key, value in found.items():
        sums[key] = sums[key] + value if key in sums else value
