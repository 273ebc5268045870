"""Features of a picture at one noise level, averaged over noises: what DIFT reads (Tang et al. 2023,
arXiv:2306.03881), and who builds on it.
"""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.matching import Features
from innerlight.sampling.noise import draw, generators_of, seeds_of
from innerlight.sampling.probe import probe
from innerlight.taps import Read
from innerlight.types import InputError

ROWS = 4  # noises in one pass


def noisy_features(
    backbone: Backbone,
    image: Image.Image,
    t: int,
    site: str,
    *,
    draws: int = 1,
    prompt: str = "",
    size: Size | None = None,
    seed: int = 0,
) -> Features:
    """What a site says of a picture at timestep `t`: the mean over `draws` noises, each with a sample of its own from
    the posterior of the VAE. Draw number k has the seed `seed + k`.
    """
    if draws < 1:
        raise InputError(f"draws: expected at least 1, got {draws}")
    mean, spread = backbone.posterior(image, size)
    generators = generators_of(seeds_of(seed, draws))
    latents = mean + spread * draw(generators, mean.shape[1:], mean)  # (draws, c, h, w)
    noise = draw(generators, mean.shape[1:], mean)
    read = Read(site, "features")
    parts: list[Tensor] = []
    with torch.no_grad():
        for some, own in zip(latents.split(ROWS), noise.split(ROWS), strict=True):
            seen = probe(backbone, some, t, read, prompts=[prompt] * len(some), noise=own)
            parts.append(seen.features(read).float())
    return Features(torch.cat(parts).mean(0), (image.height, image.width))
