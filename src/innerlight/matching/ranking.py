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
from innerlight.maps import WordMap
from innerlight.types import InputError

SHOWN = 24  # pictures of a contact sheet


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

    def picture(self, names: Sequence[str] | None = None, columns: int = 6) -> Image.Image:
        """The reference and the surest pictures under their maps, with their scores."""
        chosen = self.order[:SHOWN]
        told = [f"{names[k]}\n{self.scores[k]:.3f}" if names else f"{self.scores[k]:.3f}" for k in chosen]
        shown = viz.heat(self.reference, self.reference_mask.astype(np.float32))
        return viz.grid(
            [shown, *(self.maps[k].picture(self.images[k]) for k in chosen)], ["the reference", *told],
            columns=min(columns, 1 + len(chosen)),
        )  # fmt: skip

    def as_json(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Order and scores, surest first."""
        found = [
            {"picture": int(k), **({"name": names[k]} if names else {}), "score": float(self.scores[k])}
            for k in self.order
        ]
        return {"ranking": found, "recipe": dict(self.recipe)}

    def save(self, path: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Path]:
        """Write the ranking as JSON and as a contact sheet; says where."""
        stem = Path(path).with_suffix("")
        places = [stem.with_suffix(".json"), stem.with_suffix(".png")]
        write_json(self.as_json(names), places[0])
        write_picture(self.picture(names), places[1])
        return places
