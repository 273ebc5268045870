"""Masks that carry embeddings: a mask is called the class whose mean embedding is nearest (EmerDiff's evaluation).

The classes' means are made with the true labels, so this grades masks and embeddings, not discovery.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.metrics._sums import Sums
from innerlight.metrics.clusters import cluster_table
from innerlight.types import InputError


@dataclass(frozen=True, eq=False)
class ConceptSums(Sums):
    """The embeddings of all pixels of each class, added up; those of many pictures add up."""

    sums: NDArray[np.float64]  # (classes, channels)
    pixels: NDArray[np.int64]  # (classes,)

    @property
    def prototypes(self) -> NDArray[np.float64]:
        """(classes, channels) the mean embedding of each class; nan for classes that no pixel has."""
        seen = self.pixels[:, None] > 0
        return np.where(seen, self.sums / np.maximum(self.pixels[:, None], 1), np.nan)


def concept_sums(
    truth: ArrayLike, masks: ArrayLike, embeddings: ArrayLike, classes: int, ignore: int | None = None
) -> ConceptSums:
    """The sums of one picture: `masks` numbers the mask of each pixel, `embeddings` is (masks, channels).

    Pixels whose true label is `ignore` count for nothing.
    """
    vectors = _vectors("embeddings", embeddings)
    counts = cluster_table(truth, masks, classes, len(vectors), ignore)  # (classes, masks)
    return ConceptSums(counts @ vectors, counts.sum(1))


def nearest_concept(embeddings: ArrayLike, prototypes: ArrayLike) -> NDArray[np.int64]:
    """The class (masks,) whose prototype is nearest by cosine to each embedding; of equals the first.

    `nearest_concept(...)[masks]` is the label map to score; prototypes of nan are never chosen.
    """
    vectors, means = _vectors("embeddings", embeddings), np.asarray(prototypes, np.float64)
    if means.ndim != 2 or means.shape[1] != vectors.shape[1]:
        raise InputError(f"prototypes: expected (classes, {vectors.shape[1]}), got {means.shape}")
    seen = np.isfinite(means).all(1)
    if not seen.any():
        raise InputError("prototypes: every class is without one; add up pictures whose truth has classes")
    cosines = _directions(vectors) @ _directions(means[seen]).T  # (masks, classes seen)
    return np.flatnonzero(seen)[cosines.argmax(1)]


def _directions(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _vectors(name: str, given: ArrayLike) -> NDArray[np.float64]:
    vectors = np.asarray(given, np.float64)
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise InputError(f"{name}: expected finite numbers (masks, channels), got {vectors.dtype} {vectors.shape}")
    return vectors
