"""What a network says of each place of a picture, with the size of the picture it lies on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from innerlight.maps import resize
from innerlight.types import InputError

NUMBERS = 2**25  # of a picture's size, resized at a time


@dataclass(frozen=True, eq=False)
class Features:
    """A vector for each cell of a grid over a picture."""

    values: Tensor  # (c, h, w)
    image_size: tuple[int, int]  # (height, width)

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or not self.values.numel() or not self.values.is_floating_point():
            raise InputError(f"features: expected floats (c, h, w), got {self.values.dtype} {tuple(self.values.shape)}")
        if not torch.isfinite(self.values).all():
            raise InputError("features: expected finite numbers, got nan or infinity")

    @property
    def grid(self) -> tuple[int, int]:
        """Cells (rows, columns)."""
        return self.values.shape[1], self.values.shape[2]

    @property
    def cells(self) -> Tensor:
        """(h w, c) as directions: each of length 1, or 0 where there is nothing."""
        return F.normalize(self.values.flatten(1).T, dim=1)

    def centres(self) -> Tensor:
        """(h w, 2), the middle of each cell as (x, y) in pixels of the picture."""
        rows, columns = self.grid
        y = (torch.arange(rows, device=self.values.device) + 0.5) * self.image_size[0] / rows
        x = (torch.arange(columns, device=self.values.device) + 0.5) * self.image_size[1] / columns
        return torch.stack(torch.broadcast_tensors(x[None], y[:, None]), -1).reshape(-1, 2)

    def at(self, points: Tensor) -> Tensor:
        """(n, c) at points (n, 2) of the picture, bilinear; beyond the middle of the outermost cells, theirs."""
        given = checked_points(points, self.image_size).to(self.values)
        size = torch.tensor([self.image_size[1], self.image_size[0]]).to(given)
        places = (2 * given / size - 1)[None, None]  # -1..1 from edge to edge
        found = F.grid_sample(self.values[None], places, mode="bilinear", padding_mode="border", align_corners=False)
        return found[0, :, 0].T

    def lengths(self) -> Tensor:
        """(height, width): the length of the vector at each pixel of the picture, were the grid resized to it."""
        total = torch.zeros(self.image_size, dtype=self.values.dtype, device=self.values.device)
        for part in self.values.split(max(1, NUMBERS // (self.image_size[0] * self.image_size[1]))):
            total += resize(part, self.image_size).square().sum(0)
        return total.sqrt()


def points_of(points: ArrayLike, image_size: tuple[int, int]) -> Tensor:
    """Points as a tensor (n, 2), if they are that and lie in the picture."""
    try:
        given = torch.as_tensor(np.asarray(points, dtype=np.float32))
    except (TypeError, ValueError) as error:  # rows of different lengths, or no numbers
        raise InputError(f"points: expected one or more (x, y), shape (n, 2), got {points!r:.60}") from error
    return checked_points(given, image_size)


def checked_points(points: Tensor, image_size: tuple[int, int]) -> Tensor:
    """`points`, if they are (n, 2) and lie in the picture."""
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise InputError(f"points: expected one or more (x, y), shape (n, 2), got {tuple(points.shape)}")
    height, width = image_size
    limits = torch.tensor([width, height], device=points.device)
    outside = ~((points >= 0) & (points <= limits)).all(1)
    if outside.any():
        x, y = points[outside][0].tolist()
        raise InputError(f"point ({x:g}, {y:g}) lies outside its picture of {width} x {height} pixels")
    return points
