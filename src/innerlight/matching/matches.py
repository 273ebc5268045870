"""Where points of one picture are in others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from innerlight import viz
from innerlight.files import Source, write_json, write_picture
from innerlight.files.stems import stem_of
from innerlight.types import InputError, Match


@dataclass(frozen=True, eq=False)
class Matches:
    """Points of a source and their partners in one or several targets."""

    source: Image.Image
    targets: list[Image.Image]
    points: NDArray[np.floating]  # (n, 2), (x, y) in pixels of the source
    found: NDArray[np.floating]  # (targets, n, 2), in pixels of each target
    scores: NDArray[np.floating]  # (targets, n), larger is surer
    recipe: Mapping[str, Any]

    def __post_init__(self) -> None:
        expected = (len(self.targets), len(self.points))
        if self.found.shape != (*expected, 2) or self.scores.shape != expected:
            raise InputError(
                f"matches: expected found {(*expected, 2)} and scores {expected}, got {self.found.shape} and "
                f"{self.scores.shape}"
            )

    def matches(self, target: int = 0) -> list[Match]:
        """Of one target, in the order of the points."""
        return [
            Match((float(x), float(y)), (float(u), float(v)), float(score))
            for (x, y), (u, v), score in zip(self.points, self.found[target], self.scores[target], strict=True)
        ]

    def picture(self, target: int = 0) -> Image.Image:
        """Source and target side by side, with a line for each match."""
        return viz.matches(self.source, self.targets[target], self.matches(target))

    def as_json(self) -> dict[str, Any]:
        """All of it but the pictures."""
        return {
            "points": self.points.tolist(),
            "targets": [
                {"found": found.tolist(), "scores": scores.tolist()}
                for found, scores in zip(self.found, self.scores, strict=True)
            ],
            "recipe": dict(self.recipe),
        }

    def save(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write matches as JSON, and beside it a picture with lines for each target; says where."""
        stem = stem_of(path)
        written = [Path(f"{stem}.json")]
        write_json(self.as_json(), written[0])
        for number in range(len(self.targets)):
            written.append(Path(f"{stem}.png" if len(self.targets) == 1 else f"{stem}-{number:03d}.png"))
            write_picture(self.picture(number), written[-1])
        return written


Finder = Callable[[Source], Matches]  # of points of one source, in one target after another


def joined(matches: Sequence[Matches]) -> Matches:
    """Matches of the same points in several targets, each of one target, as one."""
    first = matches[0]
    return replace(
        first,
        targets=[target for one in matches for target in one.targets],
        found=np.concatenate([one.found for one in matches]),
        scores=np.concatenate([one.scores for one in matches]),
    )
