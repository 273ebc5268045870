"""Pictures in segments: a label map for each, with the names of labels and how sure they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from innerlight import viz
from innerlight.files import rle, write_json, write_label_map, write_picture
from innerlight.files.stems import stem_of
from innerlight.maps.resizing import resize
from innerlight.types import LabelMap


@dataclass(frozen=True, eq=False)
class Segments:
    """What a method of segmentation gives."""

    images: list[Image.Image]
    labels: list[LabelMap]  # of each picture, at its size
    scores: list[dict[int, float]]  # of each label of each picture, larger is surer
    recipe: Mapping[str, Any]

    def masks(self, image: int = 0) -> dict[int, NDArray[np.bool_]]:
        """Of one picture, by label."""
        return {label: self.labels[image].labels == label for label in self.scores[image]}

    def picture(self, image: int = 0) -> Image.Image:
        """One picture under its segments."""
        return viz.labels(self.images[image], self.labels[image])

    def named(self, names: Mapping[int, str], image: int = 0) -> Segments:
        """The same with names for the labels of one picture."""
        labels = list(self.labels)
        labels[image] = replace(labels[image], names=dict(names))
        return replace(self, labels=labels)

    def refined(self, how: Literal["graph_cut", "crf"] = "graph_cut") -> Segments:
        """The same with borders moved to where the pictures have them; see `innerlight.maps.refinement`."""
        from innerlight.maps.refinement import refine

        labels = [
            replace(one, labels=refine(one.labels, np.asarray(image), how))
            for one, image in zip(self.labels, self.images, strict=True)
        ]
        scores = [
            {label: score for label, score in own.items() if (one.labels == label).any()}
            for one, own in zip(labels, self.scores, strict=True)
        ]
        return replace(self, labels=labels, scores=scores, recipe={**self.recipe, "refined": how})

    def annotations(self, image: int = 0) -> list[dict[str, Any]]:
        """Segments of one picture as COCO has them: category, box, area, run-length mask, score."""
        found = []
        for label, mask in self.masks(image).items():
            runs = rle.encode(mask)
            found.append(
                {
                    "id": len(found) + 1,
                    "category_id": label,
                    "category": self.labels[image].names.get(label, ""),
                    "segmentation": runs,
                    "area": rle.area(runs),
                    "bbox": list(rle.box(runs)),
                    "score": self.scores[image][label],
                }
            )
        return found

    def save(self, path: str | os.PathLike[str], image: int = 0) -> list[Path]:
        """Write one picture's labels as indexed PNG, masks as JSON, and the picture under them; says where."""
        stem = stem_of(path)
        places = [Path(f"{stem}{end}") for end in (".png", ".json", "-overlay.png")]
        write_label_map(self.labels[image], places[0])
        write_json({"annotations": self.annotations(image), "recipe": dict(self.recipe)}, places[1])
        write_picture(self.picture(image), places[2])
        return places


def segments_of(soft: Tensor, size: tuple[int, int]) -> tuple[NDArray[np.integer], dict[int, float]]:
    """Of soft maps (k, h, w), resized to `size`, the winner of each pixel, numbered anew from 0 on; and for each how
    sure it is: its mean share of the sum of all maps where it wins. Negative numbers count as 0 in that share.
    """
    best, total = torch.full(size, -torch.inf, device=soft.device), torch.zeros(size, device=soft.device)
    winner = torch.zeros(size, dtype=torch.long, device=soft.device)
    for number, one in enumerate(soft):  # one at a time: all of them at the size of a photograph would not fit
        fine = resize(one.float(), size)
        winner[fine > best] = number
        best, total = torch.maximum(best, fine), total + fine.clamp(min=0)
    share = best.clamp(min=0) / total.clamp(min=torch.finfo(total.dtype).tiny)
    kept, labels = winner.unique(return_inverse=True)
    scores = {label: float(share[labels == label].mean()) for label in range(len(kept))}
    return labels.cpu().numpy().astype(np.uint8 if len(kept) <= 255 else np.uint16), scores
