"""Pictures in the order in which they show a thing, and where they show it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from innerlight import viz
from innerlight.files import write_json, write_picture
from innerlight.files.stems import stem_of
from innerlight.maps import WordMap
from innerlight.types import InputError

SHOWN = 24  # pictures of a contact sheet
SIDE = 512  # pixels of each there, at most: a hundred photographs at their own size are no picture that can be written


@dataclass(frozen=True, eq=False)
class Ranking:
    """A reference with its thing, and pictures with a score and a map each, in the order they were given in."""

    reference: Image.Image
    reference_mask: NDArray[np.bool_]  # (height, width)
    images: list[Image.Image]
    scores: NDArray[np.floating]  # (n,), larger is surer
    maps: list[WordMap]  # where each picture shows it
    threshold: float  # of a map stretched to 0..1
    recipe: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.scores) == len(self.maps):
            raise InputError(
                f"ranking: expected as many pictures, scores and maps; got {len(self.images)}, {len(self.scores)} and "
                f"{len(self.maps)}"
            )

    @property
    def order(self) -> NDArray[np.integer]:
        """Numbers of the pictures, the surest first; of equals the one given first."""
        return np.argsort(-self.scores, kind="stable")

    def mask(self, image: int = 0) -> NDArray[np.bool_]:
        """Where a picture shows the thing, at its size."""
        fine = self.maps[image].at_image_size()
        span = fine.max() - fine.min()
        return (fine - fine.min()) > self.threshold * span

    def picture(self, names: Sequence[str] | None = None, columns: int = 6, count: int | None = SHOWN) -> Image.Image:
        """The reference and the `count` surest pictures (None: all) under their maps, with their scores."""
        chosen = self.order[:count]
        told = [f"{names[k]}\n{self.scores[k]:.3f}" if names else f"{self.scores[k]:.3f}" for k in chosen]
        shown = [_small(viz.heat(self.reference, self.reference_mask.astype(np.float32)))]
        shown += [_small(self.maps[k].picture(self.images[k])) for k in chosen]
        return viz.grid(shown, ["the reference", *told], columns=min(columns, len(shown)))

    def as_json(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Order and scores, surest first."""
        found = [
            {"picture": int(k), **({"name": names[k]} if names else {}), "score": float(self.scores[k])}
            for k in self.order
        ]
        return {"ranking": found, "recipe": dict(self.recipe)}

    def save(
        self, path: str | os.PathLike[str], names: Sequence[str] | None = None, count: int | None = SHOWN
    ) -> list[Path]:
        """Write the ranking as JSON, and a contact sheet of the `count` surest (None: all); says where."""
        stem = stem_of(path)
        places = [Path(f"{stem}.json"), Path(f"{stem}.png")]
        write_json(self.as_json(names), places[0])
        short = [Path(name).name for name in names] if names else None  # a caption has no room for folders
        write_picture(self.picture(short, count=count), places[1])
        return places


def _small(image: Image.Image) -> Image.Image:
    image.thumbnail((SIDE, SIDE))
    return image
