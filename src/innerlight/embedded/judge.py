"""The judge: reads a picture of the world. It is the oracle that scores methods, and is never trained on a sample.

Per pixel (at half the picture's side) category, part, colour, pattern and boundary; per thing pose and an identity
vector; per picture setting and style. Relations follow from the things it finds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 8


@dataclass(frozen=True)
class JudgeConfig:
    """How many of each there are, and how wide the network is."""

    categories: int  # the setting is number 0
    parts: int  # likewise
    colours: int
    patterns: int
    poses: int
    settings: int
    styles: int
    identity: int = 64
    widths: tuple[int, ...] = (40, 80, 144, 192)

    @property
    def maps(self) -> dict[str, int]:
        """Channels of each map, in the order of the head."""
        return {
            "category": self.categories,
            "part": self.parts,
            "colour": self.colours,
            "pattern": self.patterns,
            "boundary": 1,
        }


@dataclass(frozen=True)
class Reading:
    """What the judge sees in a batch of pictures."""

    maps: dict[str, Tensor]  # logits (n, classes, h / 2, w / 2)
    features: Tensor  # (n, c, h / 2, w / 2): what things are described from
    setting: Tensor  # logits (n, settings)
    style: Tensor  # logits (n, styles)


class Judge(nn.Module):
    """A U-shaped network with a head for each thing it is asked."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.stem = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, width in enumerate(widths):
            before = widths[max(level - 1, 0)]
            self.down.append(nn.Sequential(_Residual(before, width), _Residual(width, width)))
        for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.up.append(nn.Sequential(_Residual(below + width, width), _Residual(width, width)))
        self.maps = nn.Conv2d(widths[0], sum(config.maps.values()), 1)
        self.whole = nn.Linear(widths[-1], config.settings + config.styles)
        self.describe = nn.Conv2d(widths[0] + widths[1], 128, 1)
        self.things = nn.Sequential(nn.Linear(128, 192), nn.SiLU(), nn.Linear(192, config.poses + config.identity))

    def forward(self, pictures: Tensor) -> Reading:
        """Read pictures (n, 3, h, w) of -1..1; sides divisible by 16."""
        x = self.stem(pictures)
        kept = []
        for level, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if level else x)
            kept.append(x)
        whole = self.whole(kept[-1].mean((2, 3)))
        middle = x
        for block, skip in zip(self.up, reversed(kept[:-1]), strict=True):
            middle = x
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        maps = torch.split(self.maps(x), list(self.config.maps.values()), dim=1)
        features = self.describe(torch.cat([x, F.interpolate(middle, scale_factor=2.0, mode="nearest")], dim=1))
        setting, style = whole.split([self.config.settings, self.config.styles], dim=1)
        return Reading(dict(zip(self.config.maps, maps, strict=True)), features, setting, style)

    def describe_things(self, features: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Pose logits (k, poses) and identity vectors (k, identity), of length 1, of the things with `masks`.

        features: (k, c, h, w), the picture's of each thing; masks: (k, h, w) of 0..1.
        """
        weight = masks[:, None].to(features.dtype)
        pooled = (F.silu(features) * weight).sum((2, 3)) / weight.sum((2, 3)).clamp(min=1e-6)
        pose, identity = self.things(pooled).split([self.config.poses, self.config.identity], dim=1)
        return pose, F.normalize(identity.float(), dim=1)


class _Residual(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(GROUPS, before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1),
            nn.GroupNorm(GROUPS, after), nn.SiLU(), nn.Conv2d(after, after, 3, padding=1),
        )  # fmt: skip
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.body(x)
