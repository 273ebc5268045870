"""Vectors of cells in clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from innerlight.types import InputError

TRIES = 3  # random beginnings, of which the best counts


def k_means(vectors: Tensor, clusters: int | Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The cluster of each of vectors (n, c), (n,), and the centres (k, c). `clusters`: how many, begun at random, or
    the centres to begin at.
    """
    from sklearn.cluster import KMeans  # takes half a second to import
    from threadpoolctl import threadpool_limits

    count = len(clusters) if isinstance(clusters, Tensor) else clusters
    if not 1 <= count <= len(vectors):
        raise InputError(f"clusters: expected 1 to {len(vectors)}, as many as there are vectors, got {count}")
    start: Any = clusters.cpu().double().numpy() if isinstance(clusters, Tensor) else "k-means++"
    tries: Any = 1 if isinstance(clusters, Tensor) else TRIES
    with threadpool_limits(torch.get_num_threads()):
        found: Any = KMeans(count, init=start, n_init=tries, random_state=seed % 2**32).fit(
            vectors.cpu().double().numpy()
        )
    labels = torch.from_numpy(found.labels_.astype(np.int64)).to(vectors.device)
    return labels, torch.from_numpy(found.cluster_centers_).to(vectors)
