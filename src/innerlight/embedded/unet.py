"""Stage `unet`: the network that ships, trained on cached latents and the frozen text encoder's states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from innerlight.backbones.building import build_unet
from innerlight.embedded.data import CAPTIONS, SHARD, Scenes
from innerlight.embedded.towers import WIDTH, tokens_of
from innerlight.embedded.vae import to_pixels, to_tensor
from innerlight.files import Manifest, atomic_path, write_picture
from innerlight.sampling.noise import NoiseLevels, ddim_step

POCKET_UNET: dict[str, Any] = {
    "sample_size": 32,
    "block_out_channels": (32, 64, 128),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3,
    "up_block_types": ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 1,
    "transformer_layers_per_block": (1, 2, 1),  # two at the semantic level, 16 x 16
    "attention_head_dim": (2, 4, 4),  # heads, by diffusers' old name for them
    "cross_attention_dim": WIDTH,
    "norm_num_groups": 8,
}

DROPOUT = 0.1  # of captions, for guidance
GUIDANCE = 4.0  # of samples
SAMPLE_STEPS = 25
SAMPLE_PROMPTS = (
    "a red cat on the grass",
    "a blue dotted car on the street",
    "a giraffe in the snow",
    "a cat and a frog",
    "a red chair and a yellow clock",
    "a green striped fish in the water",
    "an orange star in the sky",
    "a castle on the sand at night",
)

TextStates = Callable[[Sequence[str]], Tensor]  # captions to (n, 77, width)


class UNetStage:
    """v prediction; timesteps from a logit-normal, which favours the middle; errors weighted by min-SNR."""

    def __init__(
        self,
        scenes: Scenes,
        latents: Sequence[NDArray[np.float16]],
        states: TextStates,
        decode: Callable[[Tensor], Tensor],
        config: Mapping[str, Any] = POCKET_UNET,
        *,
        snr_cap: float = 5.0,
    ) -> None:
        self.module: nn.Module = build_unet(config)
        self.scenes, self.latents, self.states, self.decode, self.snr_cap = scenes, latents, states, decode, snr_cap
        self.levels = NoiseLevels.scaled_linear()

    def loss(self, step: int, batch: int) -> tuple[Tensor, Mapping[str, float]]:
        random, generator = np.random.default_rng(step), torch.Generator().manual_seed(step)
        indices = random.integers(0, SHARD * len(self.latents), batch)
        variants = random.integers(0, CAPTIONS, batch)
        texts = [str(row[k]) for row, k in zip(self.scenes.gather("captions", indices), variants, strict=True)]
        texts = ["" if random.random() < DROPOUT else text for text in texts]
        clean = torch.from_numpy(np.stack([self.latents[i // SHARD][i % SHARD] for i in indices])).float()
        noise = torch.randn(clean.shape, generator=generator)
        t = (torch.randn(batch, generator=generator).sigmoid() * len(self.levels)).long()
        noisy = self.levels.noisy(clean, noise, t).contiguous(memory_format=torch.channels_last)
        estimate = self.module(noisy, t, encoder_hidden_states=self.states(texts)).sample
        error = (estimate.float() - self.levels.velocity(clean, noise, t)).square().mean((1, 2, 3))
        loss = (self._weight(t) * error).mean()
        return loss, {"error": round(float(error.detach().mean()), 4)}

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        """The same prompts from the same noise, each time."""
        latents = torch.randn(len(SAMPLE_PROMPTS), 4, 32, 32, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            pictures = self.decode(self._guided(averaged, latents, SAMPLE_PROMPTS))
        write_picture(np.concatenate(list(to_pixels(pictures)), axis=1), folder / f"sample-{step:07d}.png")

    def _weight(self, t: Tensor) -> Tensor:
        """min(SNR, cap) / (SNR + 1): min-SNR weights, for an error of v."""
        abar = self.levels.abar[t]
        snr = abar / (1 - abar)
        return snr.clamp(max=self.snr_cap) / (snr + 1)

    def _guided(self, module: nn.Module, latents: Tensor, prompts: Sequence[str]) -> Tensor:
        states = torch.cat([self.states([""] * len(prompts)), self.states(prompts)])
        times = self.levels.timesteps(SAMPLE_STEPS)
        for t, later in zip(times, [*times[1:], 0], strict=True):
            both, now = torch.cat([latents, latents]), torch.tensor([t])
            estimate = module(both, now, encoder_hidden_states=states).sample
            without, given = self.levels.noise_of(estimate, both, now, "v_prediction").chunk(2)
            latents = ddim_step(self.levels, latents, without + GUIDANCE * (given - without), t, later)
        return latents


def cache_latents(scenes: Scenes, vae: Any, folder: Path, progress: Callable[[int, int], None]) -> float:
    """Means of the latents of all pictures, scaled to variance 1, one file a shard; returns the scale. Resumable."""
    with Manifest.open(folder / "manifest.jsonl", task="embedded latents", settings={"shard": SHARD}) as manifest:
        if not manifest.done("scale"):
            manifest.record("scale", value=1.0 / float(_encoded(vae, scenes.pictures[0][:256]).std()))
        scale = float(manifest.result("scale")["value"])
        for number, pictures in enumerate(scenes.pictures):
            if not manifest.done(str(number)):
                with atomic_path(_path(folder, number)) as temporary:
                    np.save(temporary, (_encoded(vae, pictures) * scale).astype(np.float16))
                manifest.record(str(number))
            progress(number + 1, len(scenes.pictures))
    return scale


def open_latents(folder: Path) -> list[NDArray[np.float16]]:
    """The shards cached so far."""
    return [np.load(path, mmap_mode="r") for path in sorted(folder.glob("latents-*.npy"))]


def text_states(text_model: Any, tokenizer: Any) -> TextStates:
    """What the frozen text encoder says of captions."""
    text_model.eval().requires_grad_(False)

    def states(texts: Sequence[str]) -> Tensor:
        with torch.no_grad():
            return text_model(input_ids=tokens_of(tokenizer, list(texts))).last_hidden_state

    return states


def _encoded(vae: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        parts = [vae.encode(to_tensor(pictures[k : k + 32])).latent_dist.mean for k in range(0, len(pictures), 32)]
    return torch.cat(parts).float().numpy()


def _path(folder: Path, number: int) -> Path:
    return folder / f"latents-{number:05d}.npy"
