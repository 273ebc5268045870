"""How a thing looks and what it is, cell by cell, at the finest level with attention: what PDM reads (Samuel et al.
2024, arXiv:2405.18025).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.maps import min_max, resize
from innerlight.prompts import tokens_of_word
from innerlight.sampling.probe import probe
from innerlight.taps import Read, Site
from innerlight.taps.sites import Grid
from innerlight.types import InputError


@dataclass(frozen=True, eq=False)
class Appearance:
    """Of one picture: queries and keys of a self-attention, and queries of the text attention behind it."""

    queries: Tensor  # (cells, c)
    keys: Tensor  # (cells, c)
    words: Tensor  # (cells, c), the queries that ask the prompt
    prompt: Tensor  # (tokens, c), what answers: the keys of the prompt's tokens, from the opening to the end mark
    grid: Grid
    image_size: tuple[int, int]

    @property
    def look(self) -> Tensor:
        """(cells, c), half the sum of queries and keys, each of length 1."""
        return F.normalize(self.queries + self.keys, dim=1)

    @property
    def meaning(self) -> Tensor:
        """(cells, c), each of length 1."""
        return F.normalize(self.words, dim=1)

    def mask(self, tokens: Tensor, threshold: float) -> Tensor:
        """(cells,): where the prompt's share that falls to `tokens`, stretched to 0..1, is above a threshold."""
        shares = (self.words @ self.prompt.T / self.words.shape[1] ** 0.5).softmax(-1)
        return (min_max(shares[:, tokens].sum(1).view(self.grid)) > threshold).flatten()


def appearance(
    backbone: Backbone, image: Image.Image, t: int, *, prompt: str = "", ordinal: int = 1, size: Size | None = None
) -> Appearance:
    """One pass over the clean latent of a picture under the label `t`, ended behind what is read.

    `ordinal`: which of the finest level's self-attentions.
    """
    own, text = sites_of(backbone, ordinal)
    latents = backbone.encode(image, size)
    reads = [Read(site.name, "heads", rows="cond") for site in (own, text)]
    with torch.no_grad():
        seen = probe(backbone, latents, t, *reads, prompts=prompt, noise=None)
    heads, asking = (next(iter(seen[read].values())) for read in reads)
    tokens = seen.context.tokens[0][0]
    return Appearance(
        _cells(heads.q),
        _cells(heads.k),
        _cells(asking.q),
        _cells(asking.k)[: tokens.end + 1],
        own.grid(seen.latent),
        (image.height, image.width),
    )


def positions_of(backbone: Backbone, prompt: str, word: str) -> Tensor:
    """(k,): the tokens of a word in a prompt."""
    return torch.tensor(tokens_of_word(backbone.embed(prompt).tokens[0][0], word), device=backbone.device)


def sites_of(backbone: Backbone, ordinal: int) -> tuple[Site, Site]:
    """A self-attention of the finest level that has some, and the text attention that follows it."""
    own = backbone.sites.role("appearance", "self")
    if not 0 <= ordinal < len(own):
        raise InputError(f"ordinal: {backbone.name} has {len(own)} self-attentions at its finest level, got {ordinal}")
    text = backbone.sites.role("appearance", "text")
    return own[ordinal], next(site for site in text if site.order > own[ordinal].order)


def _cells(parts: Tensor) -> Tensor:
    """(1, heads, cells, d) as (cells, heads d), in float32."""
    return parts[0].transpose(0, 1).flatten(1).float()


def shown_in(
    seen: Appearance, image: Image.Image, mask: NDArray[np.bool_] | None, tokens: Tensor | None, threshold: float
) -> tuple[Tensor, NDArray[np.bool_]]:
    """Which cells (cells,) show the thing, and its mask at the size of the picture: those of a given mask, else those
    where the word of `tokens` is seen.
    """
    if mask is not None:
        given = one_mask(mask, image)
        return cells_of_mask(given, seen.grid).to(seen.queries.device), given
    if tokens is None:
        raise InputError("what to look for: give the reference's mask=, or the word= that names it, or both")
    inside = seen.mask(tokens, threshold)
    return inside, resize(inside.view(seen.grid), seen.image_size, how="nearest").cpu().numpy()


def one_mask(mask: NDArray[np.bool_], image: Image.Image) -> NDArray[np.bool_]:
    """A mask of a picture, if it is one."""
    given = np.asarray(mask)
    if given.dtype != np.bool_ or given.shape != (image.height, image.width) or not given.any():
        raise InputError(
            f"mask: expected bool ({image.height}, {image.width}), the size of the picture, true somewhere; got "
            f"{given.dtype} {given.shape}, true at {int(given.sum()) if given.dtype == np.bool_ else 0} pixels"
        )
    return given


def cells_of_mask(mask: NDArray[np.bool_], grid: Grid) -> Tensor:
    """(cells,): those that lie in a mask with half of their pixels; of one too thin for that, the fullest."""
    shares = F.adaptive_avg_pool2d(torch.from_numpy(mask).float()[None], grid).flatten()
    return shares >= min(0.5, float(shares.max()))
