"""A conditional random field of pixels that look alike and lie near each other, by mean field
(Krähenbühl and Koltun 2011, arXiv:1210.5644), within a window about each pixel instead of over the whole picture.

    Q_p(l) ~ exp(-D_p(l) + sum_q k(p, q) Q_q(l)),    k = nearness n(p - q; s) + likeness n(p - q; s') n(I_p - I_q; s'')

n are Gaussians, each kernel scaled to sum to about 1 from every pixel. The sum runs over what an agreement of labels
is worth, which is Potts' model: a disagreement costs the same whatever the two labels are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.maps.refinement.costs import checked_costs, checked_picture
from innerlight.maps.refinement.neighbours import View, both_ends, half_window
from innerlight.types import InputError


@dataclass(frozen=True)
class MeanFieldConfig:
    """What agreement with neighbours is worth; the defaults are STEGO's (Hamilton et al. 2022, arXiv:2203.08414)."""

    iterations: int = 10
    nearness: float = 3.0  # nats, at most, for agreeing with what is near
    nearness_sigma: float = 1.0  # pixels
    likeness: float = 4.0  # nats, at most, for agreeing with what is near and looks alike
    likeness_sigma: float = 67.0  # pixels; more than the window: within it only colour counts
    colour_sigma: float = 3.0  # levels of RGB
    radius: int = 8  # pixels, of the window; ours: STEGO's is the whole picture

    def __post_init__(self) -> None:
        if self.iterations < 0 or self.radius < 1:
            got = f"{self.iterations!r}, {self.radius!r}"
            raise InputError(f"iterations, radius: expected numbers from 0 and from 1 on, got {got}")
        for name in ("nearness", "likeness"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"{name}: expected a finite number from 0 on, got {getattr(self, name)!r}")
        for name in ("nearness_sigma", "likeness_sigma", "colour_sigma"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name}: expected a number above 0, got {getattr(self, name)!r}")


def mean_field(
    costs: ArrayLike, picture: ArrayLike, config: MeanFieldConfig = MeanFieldConfig()
) -> NDArray[np.float32]:
    """How likely each label is at each pixel (labels, h, w), for costs (labels, h, w) on a picture (h, w, 3)."""
    unary = checked_costs(costs)
    links = _links(checked_picture(picture, unary.shape[1:]), config)
    gains = (unary.min(0) - unary).astype(np.float32)  # -D, up to what is the same for all labels
    beliefs = _softmax(gains)
    for _ in range(config.iterations):
        support = gains.copy()
        for first, second, link in links:
            support[:, *first] += link * beliefs[:, *second]
            support[:, *second] += link * beliefs[:, *first]
        beliefs = _softmax(support)
    return beliefs


Links = list[tuple[View, View, NDArray[np.float32]]]  # for each offset of half the window: both ends, and k


def _links(picture: NDArray[np.uint8], config: MeanFieldConfig) -> Links:
    """k(p, q) = sum over both kernels of weight n(p, q) / sqrt(N_p N_q), N_p = sum_q n(p, q), p itself included."""
    colours = picture.astype(np.float32)
    size = picture.shape[:2]
    links: Links = []
    nearness, near_total = [], np.ones(size, np.float32)
    alike_total = np.ones(size, np.float32)
    for offset in half_window(config.radius):
        first, second = both_ends(offset)
        difference = ((colours[first] - colours[second]) ** 2).sum(2)
        if not difference.size:  # the window is larger than the picture
            continue
        near = _normal(math.hypot(*offset), config.nearness_sigma)  # the same for all these pairs
        alike = _normal(math.hypot(*offset), config.likeness_sigma) * np.exp(-difference / (2 * config.colour_sigma**2))
        for total, kernel in ((near_total, near), (alike_total, alike)):
            total[first] += kernel
            total[second] += kernel
        nearness.append(near)
        links.append((first, second, alike))
    near_scale, alike_scale = 1 / np.sqrt(near_total), 1 / np.sqrt(alike_total)
    for near, (first, second, link) in zip(nearness, links, strict=True):
        link *= config.likeness * alike_scale[first] * alike_scale[second]  # in place: these are the large arrays
        link += config.nearness * near * near_scale[first] * near_scale[second]
    return links


def _normal(distance: float, sigma: float) -> float:
    return math.exp(-((distance / sigma) ** 2) / 2)


def _softmax(gains: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the labels."""
    exponentials = np.exp(gains - gains.max(0))
    return exponentials / exponentials.sum(0)
