"""Segments of many pictures by what they are of: a vector each, and what is one kind over a whole set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from innerlight.backbones import Backbone
from innerlight.maps import k_means
from innerlight.methods.correspondence.dift import DiftConfig, features
from innerlight.metrics import ConceptSums, nearest_concept


def embed_segments(
    backbone: Backbone, picture: Image.Image, labels: NDArray[np.integer], seed: int = 0
) -> NDArray[np.floating]:
    """(segments, c): the mean matching feature of the pixels of each segment; `labels` (h, w) are of the picture."""
    seen = features(backbone, picture, DiftConfig(), seed=seed)
    (rows, columns), (height, width) = seen.grid, labels.shape
    down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
    cells = down[:, None] * columns + across  # the feature cell of each pixel
    segments = int(labels.max()) + 1
    pairs = labels.astype(np.int64) * (rows * columns) + cells
    counts = np.bincount(pairs.ravel(), minlength=segments * rows * columns).reshape(segments, -1)
    return counts @ seen.cells.numpy(force=True) / np.maximum(counts.sum(1, keepdims=True), 1)


def clustered(
    tables: Sequence[NDArray[np.integer]], vectors: Sequence[NDArray[np.floating]], clusters: int
) -> NDArray[np.int64]:
    """The table (classes, clusters) of a whole set, of those of its pictures (classes, segments): segments are
    gathered by k-means of the directions of their vectors.
    """
    directions = F.normalize(torch.from_numpy(np.concatenate(vectors)).float(), dim=1)
    found, _ = k_means(directions, min(clusters, len(directions.unique(dim=0))))
    total = np.zeros((len(tables[0]), clusters), np.int64)
    for table, own in zip(tables, found.split([len(one) for one in vectors]), strict=True):
        np.add.at(total.T, own.numpy(force=True), table.T)
    return total


def named_by_concept(
    tables: Sequence[NDArray[np.integer]], vectors: Sequence[NDArray[np.floating]]
) -> list[NDArray[np.int64]]:
    """The class of each segment of each picture: that whose pixels, over the set, have the nearest mean vector."""
    pairs = zip(tables, vectors, strict=True)
    means = reduce(add, (ConceptSums(table @ own, table.sum(1)) for table, own in pairs)).prototypes
    return [nearest_concept(own, means) for own in vectors]
