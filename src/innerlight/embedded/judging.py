"""Stage `judge`: the judge's training on renders, clean and spoilt, and what it gets right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from innerlight.embedded.data import FACTS, MOST_THINGS, OnScenes, Scenes
from innerlight.embedded.judge import Judge, Reading
from innerlight.embedded.oracle import world_judge
from innerlight.embedded.vae import RoundTrip, to_tensor
from innerlight.files import write_labels
from innerlight.tuning.training import CHECKPOINT, averaged_weights
from innerlight.types import InputError


def trained_judge(folder: Path) -> Judge | None:
    """The judge trained in `folder`, as it stands now; None if there is none yet."""
    if not (folder / CHECKPOINT).exists():
        return None
    judge = world_judge().eval()
    judge.load_state_dict(averaged_weights(folder))
    return judge


class JudgeStage(OnScenes):
    """All heads at once. Identity is learnt by telling one individual from the others of its class in the batch."""

    def __init__(self, scenes: Scenes, round_trip: RoundTrip | None = None) -> None:
        super().__init__(scenes)
        self.module: nn.Module = world_judge()
        self.round_trip = round_trip

    def loss(self, step: int, batch: int) -> tuple[Tensor, Mapping[str, float]]:
        if batch % 4:
            raise InputError(
                f"the judge learns from two free scenes and the two of a search; a share of {batch} has none"
            )
        random, device = self.random(step), next(self.module.parameters()).device
        # Eight in a row: six free scenes, then the two of a search.
        starts = 8 * random.integers(0, len(self.scenes) // 8, batch // 4)
        offsets = np.stack([random.choice(6, len(starts)), random.choice(6, len(starts))], axis=1)
        indices = np.concatenate([starts[:, None] + offsets, starts[:, None] + [6, 7]], axis=1).ravel()
        pictures = to_tensor(self.scenes.gather("pictures", indices))
        owners, parts = (torch.from_numpy(self.scenes.gather(f, indices)).long() for f in ("owners", "parts"))
        things = torch.from_numpy(self.scenes.gather("things", indices)).long()
        frames = torch.from_numpy(self.scenes.gather("frames", indices)).long()
        pictures, owners, parts = _mirrored(pictures, owners, parts, random)
        pictures, owners, parts, things, frames = (
            x.to(device) for x in (self._spoilt(pictures, random), owners, parts, things, frames)
        )
        reading: Reading = self.module(pictures)
        losses = self._map_losses(reading, owners, parts, things)
        losses["setting"] = F.cross_entropy(reading.setting, frames[:, 0])
        losses["style"] = F.cross_entropy(reading.style, frames[:, 1])
        losses |= self._thing_losses(reading, owners, things)
        weights = {"pose": 0.3, "identity": 0.5, "setting": 0.3, "style": 0.3}
        total = sum(weights.get(name, 1.0) * loss for name, loss in losses.items())
        assert isinstance(total, Tensor)
        return total, {name: round(float(loss.detach()), 4) for name, loss in losses.items()}

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        """The categories it sees in the first eight pictures."""
        with torch.no_grad():
            pictures = to_tensor(self.scenes.gather("pictures", np.arange(8)))
            reading: Reading = averaged(pictures.to(next(averaged.parameters()).device))
        seen = reading.maps["category"].argmax(1).cpu().numpy().astype(np.uint8)
        write_labels(np.concatenate(list(seen), axis=1), folder / f"sample-{step:07d}.png")

    def _map_losses(self, reading: Reading, owners: Tensor, parts: Tensor, things: Tensor) -> dict[str, Tensor]:
        wanted = {"part": parts, "category": of_pixels(owners, things, "category")}
        for name in ("colour", "pattern"):  # the setting has neither
            wanted[name] = of_pixels(owners, things, name) + (owners > 0)
        weights = _weights(owners)
        losses = {
            name: (weights * F.cross_entropy(reading.maps[name], labels, reduction="none")).mean()
            for name, labels in wanted.items()
        }
        edges = _edges(owners).float()
        losses["boundary"] = F.binary_cross_entropy_with_logits(
            reading.maps["boundary"][:, 0], edges, pos_weight=torch.tensor(3.0, device=owners.device)
        )
        return losses

    def _thing_losses(self, reading: Reading, owners: Tensor, things: Tensor) -> dict[str, Tensor]:
        picture, row = torch.nonzero(things[..., 0] >= 0, as_tuple=True)
        masks = owners[picture] == row[:, None, None] + 1
        large = masks.sum((1, 2)) >= 12
        picture, row, masks = picture[large], row[large], masks[large]
        module = self.module
        assert isinstance(module, Judge)
        pose, identity = module.describe_things(reading.features[picture], masks)
        facts = things[picture, row]
        same = facts[:, None, FACTS.index("individual")] == facts[None, :, FACTS.index("individual")]
        kin = facts[:, None, 0] == facts[None, :, 0]
        itself = torch.eye(len(facts), dtype=torch.bool, device=facts.device)
        # log-likelihood of the same individual among all of its class in the batch
        logits = (identity @ identity.T / 0.1).masked_fill(~kin | itself, -1e4)
        wanted = same & ~itself
        paired = wanted.any(1) & (kin & ~wanted & ~itself).any(1)
        likelihood = torch.logsumexp(logits.masked_fill(~wanted, -1e4), 1) - torch.logsumexp(logits, 1)
        nothing = identity.sum() * 0
        return {
            "pose": F.cross_entropy(pose, facts[:, FACTS.index("pose")]),
            "identity": -likelihood[paired].mean() if paired.any() else nothing,
        }

    def _spoilt(self, pictures: Tensor, random: np.random.Generator) -> Tensor:
        """A third as they are, a third blurred or noisy, a third through the VAE (where there is one)."""
        kinds = random.integers(0, 3, len(pictures))
        spoilt = pictures.clone(memory_format=torch.channels_last)
        for number in np.flatnonzero(kinds == 1):
            spoilt[number] = _worn(pictures[number], random)
        through = torch.from_numpy(np.flatnonzero(kinds == 2))
        if self.round_trip is not None and len(through):
            spoilt[through] = self.round_trip(pictures[through])
        return spoilt


def of_pixels(owners: Tensor, things: Tensor, fact: str) -> Tensor:
    """One fact of the thing that each pixel belongs to: (n, h, w); 0 at the setting."""
    column = things[..., FACTS.index(fact)]
    table = torch.cat([torch.zeros_like(column[:, :1]), column], dim=1)
    return torch.gather(table, 1, owners.flatten(1)).view_as(owners)


def _weights(owners: Tensor) -> Tensor:
    """(n, h, w), of mean 1: a thing, or the setting, weighs the square root of its area, as things are asked about one
    by one, and most of a picture is setting.
    """
    regions = F.one_hot(owners, MOST_THINGS + 1).flatten(1, 2).float()  # (n, h * w, 5)
    areas = regions.sum(1, keepdim=True).clamp(min=1)
    weights = (regions * areas.rsqrt()).sum(2)
    return (weights / weights.mean(1, keepdim=True)).view(owners.shape)


def _edges(owners: Tensor) -> Tensor:
    """Where a neighbour above or to the left belongs to another thing, on both sides of the border."""
    edges = torch.zeros_like(owners, dtype=torch.bool)
    down, across = owners[:, 1:] != owners[:, :-1], owners[:, :, 1:] != owners[:, :, :-1]
    edges[:, 1:] |= down
    edges[:, :-1] |= down
    edges[:, :, 1:] |= across
    edges[:, :, :-1] |= across
    return edges


def _mirrored(
    pictures: Tensor, owners: Tensor, parts: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    if random.integers(2):
        return pictures, owners, parts
    return pictures.flip(3), owners.flip(2), parts.flip(2)


def _worn(picture: Tensor, random: np.random.Generator) -> Tensor:
    """Blurred, noisy, or both."""
    side = int(picture.shape[-1] * random.uniform(0.5, 1.0))
    small = F.interpolate(picture[None], size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    worn = F.interpolate(small, size=picture.shape[-2:], mode="bilinear", align_corners=False)[0]
    noise = torch.from_numpy(random.standard_normal(picture.shape, dtype=np.float32))
    return worn + noise * float(random.uniform(0, 0.1))
