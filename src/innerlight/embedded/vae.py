"""Stage `vae`: pictures to latents of four channels and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from innerlight.backbones.building import build_vae
from innerlight.embedded.data import OnScenes, Scenes
from innerlight.files import write_picture
from innerlight.tuning.training import CHECKPOINT, averaged_weights

RoundTrip = Callable[[Tensor], Tensor]  # pictures (n, 3, h, w) through a VAE and back

POCKET_VAE: dict[str, Any] = {
    "block_out_channels": (16, 32, 96),  # three levels: f = 4
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "mid_block_add_attention": False,  # convolutions alone: any size, crops train as well as pictures
    "sample_size": 128,
}


class VaeStage(OnScenes):
    """Reconstruction of random crops: robust pixel error, error of edges, a whisper of KL."""

    def __init__(self, scenes: Scenes, config: Mapping[str, Any], *, crop: int = 64, kl: float = 1e-6) -> None:
        super().__init__(scenes)
        self.module: nn.Module = build_vae(config)
        self.crop, self.kl = crop, kl

    def loss(self, step: int, batch: int) -> tuple[Tensor, Mapping[str, float]]:
        pictures = self._batch(step, batch).to(next(self.module.parameters()).device)
        posterior = self.module.encode(pictures).latent_dist  # type: ignore[operator]
        generator = torch.Generator().manual_seed(self.first + step)
        noise = torch.randn(posterior.mean.shape, generator=generator).to(posterior.mean)
        latents = posterior.mean + posterior.std * noise
        restored = self.module.decode(latents).sample.float()  # type: ignore[operator]
        error = restored - pictures
        pixel = torch.sqrt(error.square() + 1e-6).mean() + 2.0 * error.square().mean()
        edges = sum(_differences(error, axis).abs().mean() for axis in (2, 3))
        divergence = posterior.kl().mean()
        psnr = -10 * torch.log10(error.detach().square().mean() / 4)
        figures = {"psnr": float(psnr), "kl": float(divergence.detach())}
        return pixel + 0.5 * edges + self.kl * divergence, figures

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        """Pictures above what comes back of them."""
        pictures = to_tensor(self.scenes.gather("pictures", np.arange(8))).to(next(averaged.parameters()).device)
        with torch.no_grad():
            restored = _restored(averaged, pictures)
        rows = [np.concatenate(list(to_pixels(x)), axis=1) for x in (pictures, restored)]
        write_picture(np.concatenate(rows), folder / f"sample-{step:07d}.png")

    def _batch(self, step: int, batch: int) -> Tensor:
        """Crops (n, 3, crop, crop) in -1..1, from one place; half of the batches are mirrored."""
        random = self.random(step)
        pictures = self.scenes.gather("pictures", random.integers(0, len(self.scenes), batch))
        top, left = random.integers(0, pictures.shape[1] - self.crop + 1, 2)
        crops = pictures[:, top : top + self.crop, left : left + self.crop]
        return to_tensor(crops[:, :, ::-1] if random.integers(2) else crops)


def to_tensor(pictures: np.ndarray) -> Tensor:
    """(n, h, w, 3) of 0..255 to (n, 3, h, w) of -1..1."""
    scaled = torch.tensor(np.ascontiguousarray(pictures)).float() / 127.5 - 1  # a copy: shards are read-only
    return scaled.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def to_pixels(pictures: Tensor) -> np.ndarray:
    """(n, 3, h, w) of -1..1 to (n, h, w, 3) of 0..255."""
    scaled = ((pictures.float().clamp(-1, 1) + 1) * 127.5).round()
    return scaled.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()


def _restored(vae: Any, pictures: Tensor) -> Tensor:
    return vae.decode(vae.encode(pictures).latent_dist.mean).sample


def _differences(values: Tensor, axis: int) -> Tensor:
    return values.narrow(axis, 1, values.shape[axis] - 1) - values.narrow(axis, 0, values.shape[axis] - 1)


def trained_vae(folder: Path) -> Any:
    """The VAE trained in `folder`, as it stands now; None if there is none yet."""
    if not (folder / CHECKPOINT).exists():
        return None
    vae = build_vae(POCKET_VAE)
    vae.load_state_dict(averaged_weights(folder))
    return vae.eval()


def round_trip_of(folder: Path) -> RoundTrip | None:
    """Pictures through the VAE trained in `folder` and back; None if there is none yet."""
    vae = trained_vae(folder)
    return None if vae is None else round_trip_through(vae)


def round_trip_through(vae: Any) -> RoundTrip:
    """Pictures through a VAE and back."""

    def round_trip(pictures: Tensor) -> Tensor:
        with torch.no_grad():
            return _restored(vae, pictures).float()

    return round_trip
