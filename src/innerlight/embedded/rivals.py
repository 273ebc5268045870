"""What anybody would try first, to be beaten: colours and places, a word alone, a mean of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.embedded.recognition import Hunt
from innerlight.maps import min_max, resize
from innerlight.matching import Features, Ranking
from innerlight.metrics import average_precision, boundary_iou, iou, recall_at
from innerlight.sampling import appearance, noisy_features
from innerlight.sampling.appearance import cells_of_mask, positions_of

PATCH = 7  # pixels along a side
BINS = 6  # of each colour channel
TIMESTEP = 261  # of the features whose mean is looked for
# Where a rival's map shows the thing, of the map's range: the best of tenths on 24 hunts of development.
THRESHOLDS = {"features' mean": 0.7, "the word alone": 0.5, "colours": 0.1}


def colour_segments(picture: NDArray[np.uint8], segments: int, weight: float = 1.0) -> NDArray[np.integer]:
    """k-means on RGB and position, each of unit variance, RGB times `weight`."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    height, width, _ = picture.shape
    rows, columns = np.mgrid[:height, :width]
    features = np.column_stack([picture.reshape(-1, 3), columns.ravel(), rows.ravel()]).astype(np.float64)
    features = (features - features.mean(0)) / (features.std(0) + 1e-9) * ([weight] * 3 + [1.0, 1.0])
    tries: Any = 3
    with threadpool_limits(1):  # its threads would wait for one another longer than they work
        return KMeans(segments, n_init=tries, random_state=0).fit_predict(features).reshape(height, width)


def patches(picture: NDArray[np.uint8], step: int = 1) -> Features:
    """Around each pixel, of a picture `step` times smaller, all that is near."""
    values = F.avg_pool2d(torch.from_numpy(picture).permute(2, 0, 1).float()[None] / 127.5 - 1, step)
    near = F.unfold(values, PATCH, padding=PATCH // 2).unflatten(2, values.shape[-2:])[0]
    return Features(near, (picture.shape[0], picture.shape[1]))


def histogram(picture: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> NDArray[np.floating]:
    """(bins ** 3,) shares of colours, of a picture or inside a mask, as a direction."""
    pixels = picture[mask] if mask is not None else picture.reshape(-1, 3)
    counts, _ = np.histogramdd(pixels, BINS, [(0, 256)] * 3)
    return (counts / np.linalg.norm(counts)).ravel()


def projected(colours: NDArray[np.floating], picture: NDArray[np.uint8]) -> Tensor:
    """(height, width): how usual the colour of each pixel is among `colours`, a histogram."""
    bins = picture.astype(np.int64) * BINS // 256
    return torch.from_numpy(colours[(bins[..., 0] * BINS + bins[..., 1]) * BINS + bins[..., 2]]).float()


@dataclass(frozen=True, eq=False)
class Attempt:
    """How sure an arm is of each picture of a hunt, and where it sees the thing in those that show it."""

    scores: NDArray[np.floating] | None  # None: it ranks nothing
    masks: Sequence[NDArray[np.bool_]] | None  # of the positive pictures; None: it has no map

    def measures(self, asked: Hunt) -> dict[str, float]:
        """Average precision, whether the first is right, mean IoU and boundary IoU."""
        found: dict[str, float] = {}
        if self.scores is not None:
            found["retrieval_map"] = average_precision(self.scores, asked.positives)
            found["r1"] = recall_at(1, self.scores, asked.positives)
        if self.masks is not None:
            pairs = list(zip(self.masks, asked.masks(), strict=True))
            found["miou"] = float(np.mean([iou(own, true) for own, true in pairs]))
            found["biou"] = float(np.mean([boundary_iou(own, true) for own, true in pairs]))
        return found


def attempt_of(ranking: Ranking, asked: Hunt) -> Attempt:
    """What a method's ranking says."""
    return Attempt(ranking.scores, [ranking.mask(int(k)) for k in np.flatnonzero(asked.positives)])


def hunted(backbone: Backbone, asked: Hunt, seed: int) -> dict[str, Attempt]:
    """The thing by the mean of its matching features, by its word alone, by its colours, and at random; and where it
    was in the reference.
    """
    pictures = [Image.fromarray(one.picture) for one in asked.gallery]
    reference = Image.fromarray(asked.reference.picture)
    own = noisy_features(backbone, reference, TIMESTEP, "match", draws=2, seed=seed)
    vector = own.cells[cells_of_mask(asked.mask, own.grid)].mean(0)
    tokens = positions_of(backbone, asked.category, asked.category)
    looks, words = [], []
    for number, picture in enumerate(pictures):
        seen = noisy_features(backbone, picture, TIMESTEP, "match", draws=2, seed=seed + 2 * (number + 1))
        looks.append((seen.cells @ vector).view(seen.grid))
        told = appearance(backbone, picture, 1, prompt=asked.category)
        words.append((told.meaning @ F.normalize(told.prompt[tokens], dim=1).mean(0)).view(told.grid))
    shown = [int(k) for k in np.flatnonzero(asked.positives)]
    colours = histogram(asked.reference.picture, asked.mask)
    maps = {
        "features' mean": looks,
        "the word alone": words,
        "colours": [projected(colours, one.picture) for one in asked.gallery],
    }
    scores = {arm: np.array([float(one.mean()) for one in own]) for arm, own in maps.items()}
    scores["colours"] = np.array([histogram(one.picture) @ colours for one in asked.gallery])
    arms = {
        arm: Attempt(scores[arm], [_mask(own[k], pictures[0], THRESHOLDS[arm]) for k in shown])
        for arm, own in maps.items()
    }
    arms["at random"] = Attempt(np.random.default_rng(seed).random(len(pictures)), None)
    arms["the mask of the reference"] = Attempt(None, [asked.mask] * len(shown))
    return arms


def _mask(values: Tensor, picture: Image.Image, threshold: float) -> NDArray[np.bool_]:
    return (min_max(resize(values, (picture.height, picture.width))) > threshold).cpu().numpy()
