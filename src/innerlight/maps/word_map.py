"""Where a word is in a picture: a map that knows its word and the picture's size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from innerlight import viz
from innerlight.files import Source
from innerlight.maps.resizing import checked_size, resize
from innerlight.maps.scaling import min_max, threshold
from innerlight.types import InputError


@dataclass(frozen=True, eq=False)
class WordMap:
    """How much each cell of a grid has to do with a word, and the size of the picture the grid lies on."""

    word: str
    values: NDArray[np.floating]  # (h, w)
    image_size: tuple[int, int]  # (height, width)

    def __post_init__(self) -> None:
        checked_size(self.image_size)
        if self.values.ndim != 2 or not self.values.size or self.values.dtype.kind != "f":
            got = f"{self.values.dtype} {self.values.shape}"
            raise InputError(f"values of {self.word!r}: expected floats (h, w), got {got}")
        if not np.isfinite(self.values).all():
            raise InputError(f"values of {self.word!r}: expected finite numbers, got nan or infinity")

    def at_image_size(self) -> NDArray[np.floating]:
        """The map (height, width) of the picture, bilinear: no number lies outside those of the grid."""
        return resize(torch.tensor(self.values), self.image_size).numpy()

    def mask(self, of_max: float = 0.4) -> NDArray[np.bool_]:
        """The pixels (height, width) whose number reaches `of_max` of the highest; see `threshold`."""
        return threshold(torch.tensor(self.at_image_size()), of_max).numpy()

    def peak(self) -> tuple[float, float]:
        """The centre of the highest cell as (x, y) in pixels of the picture; of equals the first, as one reads."""
        row, column = np.unravel_index(self.values.argmax(), self.values.shape)
        (height, width), (rows, columns) = self.image_size, self.values.shape
        return float((column + 0.5) * width / columns), float((row + 0.5) * height / rows)

    def picture(self, image: Source | None = None) -> Image.Image:
        """The map as colours: over `image` (see `innerlight.viz.heat`), or alone at the picture's size."""
        if image is not None:
            return viz.heat(image, self.values)
        return Image.fromarray(viz.colour_map(min_max(torch.tensor(self.at_image_size())).numpy()))
