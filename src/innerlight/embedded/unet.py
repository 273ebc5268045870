"""Stage `unet`: the network that ships, trained on cached latents and the frozen text encoder's states.

It grows: a first share of the steps sees the pictures at half their side, where a sample costs a quarter and a scene of
one or two things is still legible; the rest sees all scenes at full size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from innerlight.backbones.building import build_unet
from innerlight.backbones.noise import NoiseLevels, ddim_step
from innerlight.embedded.data import CAPTIONS, SHARD, OnScenes, Scenes
from innerlight.embedded.towers import WIDTH, tokens_of
from innerlight.embedded.vae import to_pixels, to_tensor
from innerlight.files import Manifest, atomic_path, write_picture
from innerlight.tuning.attention import cached_attention

POCKET_UNET: dict[str, Any] = {
    "sample_size": 32,
    "block_out_channels": (32, 64, 128),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3,
    "up_block_types": ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 1,
    "transformer_layers_per_block": (1, 2, 1),  # two at 16 x 16, above the semantic level
    "attention_head_dim": (1, 2, 4),  # heads, by diffusers' old name for them: 32 numbers each
    "cross_attention_dim": WIDTH,
    "norm_num_groups": 8,
}

DROPOUT = 0.1  # of captions, for guidance
FILLED = 0.25  # of samples see what the filling tells of their caption; for the rest it is that of no caption
NOISY = 1.0  # where the logit-normal of timesteps has its middle: 0.73 of all, where words decide on colours
THINGS_WEIGH = 4.0  # as much as the setting, cell by cell: they are a fifth of a picture, and most of a caption
# How often scenes of so many things are shown; of a hundred that are drawn there are 26, 55, 12 and 7.
COUNTS = {1: 0.33, 2: 0.55, 3: 0.08, 4: 0.04}
COARSE = 2  # things at most in a scene that is learnt from at half size: five cells across, or more
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

Latents = Sequence[NDArray[np.float16]]  # of each shard (n, 4, h, w)
TextStates = Callable[[Sequence[str], Sequence[bool]], Tensor]  # captions, and which are filled, to (n, 77, width)


class UNetStage(OnScenes):
    """v prediction; half of the timesteps from a logit-normal, which favours much noise, half from anywhere; errors of
    little noise weigh less, as by min-SNR, those of much noise do not: there the words decide on colours. Things weigh
    more than their setting.
    """

    def __init__(
        self,
        scenes: Scenes,
        latents: Latents,
        coarse: Latents,
        states: TextStates,
        decode: Callable[[Tensor], Tensor],
        config: Mapping[str, Any] = POCKET_UNET,
        *,
        coarse_steps: int = 0,
        snr_cap: float = 5.0,
    ) -> None:
        super().__init__(scenes)
        self.module: nn.Module = build_unet(config)
        self.states, self.decode = states, decode
        self.latents, self.coarse, self.coarse_steps = latents, coarse, coarse_steps
        things = np.concatenate([(rows[:, :, 0] >= 0).sum(1) for rows in scenes.things])
        self.few = np.flatnonzero(things <= COARSE)
        self.shown = shown(things)
        self.levels, self.snr_cap = NoiseLevels.scaled_linear(), snr_cap

    def loss(self, step: int, batch: int) -> tuple[Tensor, Mapping[str, float]]:
        random, generator = self.random(step), torch.Generator().manual_seed(self.first + step)
        coarse = step < self.coarse_steps
        indices = random.choice(self.few, batch) if coarse else np.searchsorted(self.shown, random.random(batch))
        latents = self.coarse if coarse else self.latents
        clean = torch.from_numpy(np.stack([latents[i // SHARD][i % SHARD] for i in indices])).float()
        noise = torch.randn(clean.shape, generator=generator)
        share = (torch.randn(batch, generator=generator) + NOISY).sigmoid()
        share[::2] = torch.rand(len(share[::2]), generator=generator)
        t = (share * len(self.levels)).long()
        states = self.states(self._captions(indices, random), list(random.random(batch) < FILLED))
        device = next(self.module.parameters()).device
        clean, noise, t, states = (x.to(device) for x in (clean, noise, t, states))
        noisy = self.levels.noisy(clean, noise, t).contiguous(memory_format=torch.channels_last)
        with cached_attention():
            estimate = self.module(noisy, t, encoder_hidden_states=states).sample
        squared = (estimate.float() - self.levels.velocity(clean, noise, t)).square().mean(1)
        shares = self._shares(indices, squared.shape[-1]).to(device)
        error = (shares * squared).sum((1, 2))
        loss = (self._weight(t) * error).mean()
        return loss, {"error": round(float(error.detach().mean()), 4)}

    def _shares(self, indices: NDArray[np.integer], side: int) -> Tensor:
        """(n, side, side): how much of a scene's error each cell is; a thing's cells count more."""
        inside = torch.from_numpy(self.scenes.gather("owners", indices) > 0).float()
        weights = 1 + (THINGS_WEIGH - 1) * F.adaptive_avg_pool2d(inside, side)
        return weights / weights.sum((1, 2), keepdim=True)

    def _captions(self, indices: NDArray[np.integer], random: np.random.Generator) -> list[str]:
        variants = random.integers(0, CAPTIONS, len(indices))
        texts = [str(row[k]) for row, k in zip(self.scenes.gather("captions", indices), variants, strict=True)]
        return ["" if random.random() < DROPOUT else text for text in texts]

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        """The same prompts from the same noise, each time."""
        side = (self.coarse if step <= self.coarse_steps else self.latents)[0].shape[-1]
        latents = torch.randn(len(SAMPLE_PROMPTS), 4, side, side, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            drawn = self._guided(averaged, latents.to(next(averaged.parameters()).device), SAMPLE_PROMPTS)
            pictures = self.decode(drawn.cpu())
        write_picture(np.concatenate(list(to_pixels(pictures)), axis=1), folder / f"sample-{step:07d}.png")

    def _weight(self, t: Tensor) -> Tensor:
        """min(1, cap / (SNR + 1)): the min-SNR weights of an error of v where there is little noise, 1 where there is
        much.
        """
        abar = self.levels.abar.to(t.device)[t]
        snr = abar / (1 - abar)
        return (self.snr_cap / (snr + 1)).clamp(max=1)

    def _guided(self, module: nn.Module, latents: Tensor, prompts: Sequence[str]) -> Tensor:
        texts = [*[""] * len(prompts), *prompts]
        states = self.states(texts, [True] * len(texts)).to(latents.device)
        times = self.levels.timesteps(SAMPLE_STEPS)
        for t, later in zip(times, [*times[1:], 0], strict=True):
            both, now = torch.cat([latents, latents]), torch.tensor([t], device=latents.device)
            estimate = module(both, now, encoder_hidden_states=states).sample
            without, given = self.levels.noise_of(estimate, both, now, "v_prediction").chunk(2)
            latents = ddim_step(self.levels, latents, without + GUIDANCE * (given - without), t, later)
        return latents


def shown(things: NDArray[np.integer]) -> NDArray[np.float64]:
    """(n,) up to 1: below which random number in 0..1 a scene is shown, by how many things each has."""
    present = np.bincount(things, minlength=max(COUNTS) + 1)
    weights = np.array([COUNTS[int(count)] / present[count] for count in things])
    sums = np.cumsum(weights)
    return sums / sums[-1]


def cache_latents(
    scenes: Scenes, vae: Any, folder: Path, shrink: int, scale: float, progress: Callable[[int, int], None]
) -> Latents:
    """Means of the latents of all pictures, `shrink` times smaller, times `scale`; one file a shard. Resumable."""
    settings = {"shard": SHARD, "shrink": shrink, "scale": scale}
    with Manifest.open(folder / "manifest.jsonl", task="embedded latents", settings=settings) as manifest:
        for number, pictures in enumerate(scenes.pictures):
            if not manifest.done(str(number)):
                with atomic_path(_path(folder, number)) as temporary:
                    np.save(temporary, (_encoded(vae, pictures, shrink) * scale).astype(np.float16))
                manifest.record(str(number))
            progress(number + 1, len(scenes.pictures))
    return [np.load(_path(folder, number), mmap_mode="r") for number in range(len(scenes.pictures))]


def scale_of(scenes: Scenes, vae: Any) -> float:
    """What latents are multiplied by to vary by 1."""
    return round(1.0 / float(_encoded(vae, scenes.pictures[0][:256]).std()), 4)


def text_states(text_model: Any, tokenizer: Any) -> TextStates:
    """What the frozen text encoder says of captions. Of those that are not filled, the states behind the end mark are
    those of the empty caption: a network cannot read there what things are, and looks at words.
    """
    text_model.eval().requires_grad_(False)

    def encoded(tokens: Tensor) -> Tensor:
        with torch.no_grad():
            return text_model(input_ids=tokens).last_hidden_state

    empty = encoded(tokens_of(tokenizer, [""]))

    def states(texts: Sequence[str], filled: Sequence[bool]) -> Tensor:
        tokens = tokens_of(tokenizer, list(texts))
        ends = (tokens == tokenizer.eos_token_id).int().argmax(1)  # the first: filling may be the same token
        filling = torch.arange(tokens.shape[1]) > ends[:, None]
        return torch.where((filling & ~torch.tensor(filled)[:, None])[..., None], empty, encoded(tokens))

    return states


def _encoded(vae: Any, pictures: NDArray[np.uint8], shrink: int = 1) -> NDArray[np.float32]:
    batches = (F.avg_pool2d(to_tensor(pictures[k : k + 32]), shrink) for k in range(0, len(pictures), 32))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        parts = [vae.encode(batch).latent_dist.mean for batch in batches]
    return torch.cat(parts).float().numpy()


def _path(folder: Path, number: int) -> Path:
    return folder / f"latents-{number:05d}.npy"
