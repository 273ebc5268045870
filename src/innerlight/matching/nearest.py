"""Nearest neighbours between two pictures, by the cosine of their features (as in DIFT, Tang et al. 2023,
arXiv:2306.03881).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from innerlight.maps import resize
from innerlight.matching.features import Features
from innerlight.types import InputError

NUMBERS = 16_000_000  # of a similarity at a time


def nearest(source: Features, target: Features, points: Tensor) -> tuple[Tensor, Tensor]:
    """For points (n, 2) of the source the pixels of the target most like them, (n, 2) at their centres, and how
    alike they are, (n,) from -1 to 1.

    What is compared are features resized to the size of the picture; of equals the first, as one reads.
    """
    found, scores = [], []
    for maps in _similarities(source, target, points):
        score, place = maps.flatten(1).max(1)
        width = target.image_size[1]
        found.append(torch.stack([place % width + 0.5, place // width + 0.5], -1))
        scores.append(score)
    return torch.cat(found), torch.cat(scores)


def similarity(source: Features, target: Features, points: Tensor) -> Tensor:
    """(n, height, width): how alike each pixel of the target is to each of the points (n, 2) of the source."""
    return torch.cat(list(_similarities(source, target, points)))


def nearest_cells(source: Features, target: Features) -> tuple[Tensor, Tensor]:
    """For each cell of the source the number of the most similar cell of the target, and how alike they are."""
    _refuse_other_kind(source, target)
    rows, columns = source.cells, target.cells
    parts = [(part @ columns.T).max(1) for part in rows.split(max(1, NUMBERS // len(columns)))]
    return torch.cat([part.indices for part in parts]), torch.cat([part.values for part in parts])


def mutual(source: Features, target: Features) -> Tensor:
    """(n, 2): the cells of the source and of the target that are each other's nearest."""
    there, _ = nearest_cells(source, target)
    back, _ = nearest_cells(target, source)
    own = torch.arange(len(there), device=there.device)
    kept = back[there] == own
    return torch.stack([own[kept], there[kept]], -1)


def _similarities(source: Features, target: Features, points: Tensor) -> Iterator[Tensor]:
    """(some, height, width) at a time."""
    _refuse_other_kind(source, target)
    wanted = F.normalize(source.at(points), dim=1)  # (n, c)
    lengths = target.lengths().clamp(min=torch.finfo(target.values.dtype).tiny)
    height, width = target.image_size
    for part in wanted.split(max(1, NUMBERS // (height * width))):
        # resizing is linear: products are taken on the small grid, only lengths at the size of the picture
        products = torch.einsum("nc,chw->nhw", part, target.values)
        yield resize(products, target.image_size) / lengths


def _refuse_other_kind(source: Features, target: Features) -> None:
    if source.values.shape[0] != target.values.shape[0]:
        raise InputError(
            f"features of {source.values.shape[0]} and of {target.values.shape[0]} numbers a cell cannot be compared; "
            "extract both from one model and site"
        )
