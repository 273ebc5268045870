"""The judge as an oracle: which things a picture shows, where they are, and in what colour and pattern."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from scipy import ndimage
from torch import Tensor

from innerlight.backbones import WEIGHTS
from innerlight.embedded.data import COLOUR_NAMES, POSES
from innerlight.embedded.judge import Judge, JudgeConfig
from innerlight.embedded.vae import to_tensor
from innerlight.files import atomic_path
from innerlight.types import NotFoundError
from innerlight.world import truth
from innerlight.world.draw import Render
from innerlight.world.palette import PATTERNS
from innerlight.world.scene import SETTINGS, STYLES, Look

LEAST_SHARE = 0.3  # of a thing's area in the scene its caption was made from
JUDGE = WEIGHTS / "judge" / "judge.safetensors"  # who scores what is claimed of methods
LATEST_JUDGE = WEIGHTS / "judge-2" / "judge.safetensors"  # the same, trained further: who scores pocket-2


@dataclass(frozen=True)
class Region:
    """A region that the judge takes for one thing, in cells of half a pixel's resolution."""

    mask: NDArray[np.bool_]
    colour: int
    pattern: int

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of its box, in 0..1."""
        rows, columns = np.nonzero(self.mask)
        height, width = self.mask.shape
        return (columns.min() + columns.max() + 1) / 2 / width, (rows.min() + rows.max() + 1) / 2 / height

    def shows(self, role: str, look: Look) -> bool:
        """Has most of it the colour or the pattern of a look?"""
        names, found = (COLOUR_NAMES, self.colour) if role == "colour" else (PATTERNS, self.pattern)
        return found >= 0 and names[found] == getattr(look, role)


@dataclass(frozen=True, eq=False)
class Parsed:
    """What the judge sees in one picture; maps are at half its side."""

    maps: Mapping[str, NDArray[np.integer]]  # the likeliest category, colour, pattern of each cell
    chances: Mapping[str, NDArray[np.floating]]  # (kinds, h, w), by map
    features: Tensor

    def pose(self, region: Region, judge: Judge) -> str:
        """How a thing stands."""
        with torch.no_grad():
            poses, _ = judge.describe_things(self.features[None], torch.from_numpy(region.mask)[None])
        return POSES[int(poses[0].argmax())]


def parse(judge: Judge, pictures: Sequence[Image.Image | NDArray[np.uint8]]) -> list[Parsed]:
    """Pictures of one size, with sides divisible by 16."""
    with torch.no_grad():
        reading = judge(to_tensor(np.stack([np.asarray(one) for one in pictures])))
    chances = {name: reading.maps[name].softmax(1).numpy() for name in ("category", "colour", "pattern")}
    return [
        Parsed(
            {n: v[k].argmax(0) for n, v in chances.items()}, {n: v[k] for n, v in chances.items()}, reading.features[k]
        )
        for k in range(len(pictures))
    ]


def world_judge() -> Judge:
    """An untrained judge of the world as it stands."""
    config = JudgeConfig(
        categories=len(truth.category_names()),
        parts=len(truth.part_names()),
        colours=len(COLOUR_NAMES) + 1,
        patterns=len(PATTERNS) + 1,
        poses=len(POSES),
        settings=len(SETTINGS),
        styles=len(STYLES),
    )
    return Judge(config)


@cache
def shipped_judge(path: Path | None = None) -> Judge:
    """The judge that scores what is claimed of methods, or another that ships."""
    path = path or JUDGE
    if not path.exists():
        raise NotFoundError(f"no judge at {path}; pack one: innerlight embedded pack")
    judge = world_judge().eval().requires_grad_(False)
    judge.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return judge


def save_judge(judge: Judge, path: Path) -> None:
    """In float16."""
    with atomic_path(path) as temporary:
        save_file({name: value.half().contiguous() for name, value in judge.state_dict().items()}, temporary)


def regions_of(source: Render, maps: dict[str, NDArray[np.integer]]) -> list[Region | None]:
    """For each thing of the source the largest region of its category, large enough; no region serves twice. Of
    things of one category each has the regions of its colour first.
    """
    numbers = {name: number for number, name in truth.category_names().items()}
    owners = truth.instances(source)
    looks = [thing.look for thing in source.scene.things]
    taken = np.zeros(maps["category"].shape, bool)
    found: list[Region | None] = []
    for number, look in enumerate(looks):
        least = LEAST_SHARE * float((owners == number + 1).mean()) * taken.size
        regions = [
            region
            for region in components((maps["category"] == numbers[look.category]) & ~taken, maps)
            if region.mask.sum() >= least
        ]
        twins = sum(other.category == look.category for other in looks) > 1
        colour = COLOUR_NAMES.index(look.colour)
        best = max(regions, key=lambda one: (twins and one.colour == colour, one.mask.sum()), default=None)
        if best is not None:
            taken |= best.mask
        found.append(best)
    return found


def components(mask: NDArray[np.bool_], maps: dict[str, NDArray[np.integer]]) -> Iterator[Region]:
    """The connected regions of a mask, with what most of their cells are."""
    labels: Any
    labels, count = ndimage.label(mask)  # pyright: ignore[reportGeneralTypeIssues] - with no output given, a pair
    for number in range(1, count + 1):
        own = labels == number
        colour, pattern = (int(np.bincount(maps[name][own]).argmax()) - 1 for name in ("colour", "pattern"))
        yield Region(own, colour, pattern)
