"""What every method of inversion is given: pictures, their latents, their prompts; and how its result is measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from innerlight.backbones import Backbone, Context, Size
from innerlight.files import Source, read_pictures
from innerlight.metrics import psnr
from innerlight.sampling.generate import prompts_for
from innerlight.sampling.inversion.value import Inversion, reconstruct
from innerlight.sampling.run import Run
from innerlight.sampling.steppers import Ddim
from innerlight.types import InputError


@dataclass(frozen=True, eq=False)
class Task:
    """Pictures to be inverted in `steps` steps."""

    backbone: Backbone
    original: NDArray[np.uint8]  # (n, rows, columns, 3), what comes back is compared with
    clean: Tensor  # (n, c, h, w)
    prompts: tuple[str, ...]
    steps: int
    run: Run

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        pictures: Source | Iterable[Source] | None,
        latents: Tensor | None,
        prompts: str | Sequence[str],
        steps: int,
        size: Size | None,
        run: Run,
    ) -> Task:
        """The task for pictures, or for latents, which stand in for them."""
        if (pictures is None) == (latents is None):
            raise InputError("pictures: expected pictures, or latents= in place of them; got both or neither")
        if latents is not None:
            if size is not None:
                raise InputError("size: latents have a size of their own; leave it out")
            clean = _checked(backbone, latents)
            original = _decoded(backbone, clean)
        else:
            assert pictures is not None
            images = read_pictures(pictures)
            clean = backbone.encode(images, size)
            original = backbone.pixels(images, _pixels(backbone, clean))
        return cls(backbone, original, clean, tuple(prompts_for(prompts, len(clean))), steps, run)

    @property
    def size(self) -> Size:
        """Pixels (rows, columns)."""
        return _pixels(self.backbone, self.clean)

    @property
    def stepper(self) -> Ddim:
        """The deterministic rule."""
        return Ddim(self.backbone.levels, self.steps)

    @cached_property
    def context(self) -> Context:
        """Of the prompts."""
        return self.backbone.embed(self.prompts, self.size)

    @cached_property
    def floor(self) -> tuple[float, ...]:
        """What the VAE alone keeps, in dB."""
        return self.psnr(self.clean)

    def psnr(self, latents: Tensor) -> tuple[float, ...]:
        """What latents keep of the pictures, in dB."""
        pairs = zip(self.original, _decoded(self.backbone, latents), strict=True)
        return tuple(round(float(psnr(a, b)), 3) for a, b in pairs)

    def inversion(
        self,
        method: str,
        guidance: float,
        trajectory: Tensor,
        *,
        first: int = 0,
        nulls: Tensor | None = None,
        noises: Tensor | None = None,
        pooled: Tensor | None = None,
        placed: Tensor | None = None,
    ) -> Inversion:
        """What a method found, and what sampling from it gives."""
        found = Inversion(
            trajectory,
            self.prompts,
            tuple(self.stepper.timesteps),
            float(guidance),
            method,
            self.backbone.hash,
            psnr=(),
            floor=self.floor,
            first=first,
            nulls=nulls,
            noises=noises,
            pooled=pooled,
            placed=placed,
        )
        again = reconstruct(self.backbone, found, run=Run(progress=False, cancel=self.run.cancel))
        return replace(found, psnr=self.psnr(again))


def _pixels(backbone: Backbone, clean: Tensor) -> Size:
    return clean.shape[-2] * backbone.shrink, clean.shape[-1] * backbone.shrink


def _decoded(backbone: Backbone, latents: Tensor) -> NDArray[np.uint8]:
    return np.stack([np.asarray(image) for image in backbone.decode(latents)])


def _checked(backbone: Backbone, latents: Tensor) -> Tensor:
    channels = backbone.unet.config.in_channels
    if not isinstance(latents, Tensor) or latents.ndim != 4 or latents.shape[1] != channels or not len(latents):
        got = tuple(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__
        raise InputError(f"latents: expected (n, {channels}, rows, columns), got {got}")
    backbone.latent_size(_pixels(backbone, latents))
    if not torch.isfinite(latents).all():
        raise InputError("latents: expected finite numbers, got some that are not")
    return latents.detach().float().to(backbone.device)
