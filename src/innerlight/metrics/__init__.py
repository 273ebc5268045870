"""Scores: pure functions of numpy arrays. Label maps are pooled over pictures as tables of counts, then scored.

A mask is `bool`, (h, w); a label map whole numbers. A score of nothing at all (no class, no count) is nan, so that
`np.nanmean` leaves it out.
"""

from __future__ import annotations

from innerlight.metrics.boundaries import boundary, boundary_iou, edge_band
from innerlight.metrics.clusters import (
    ClassCounts,
    MatchBy,
    assigned_counts,
    cluster_table,
    match_clusters,
    matched_over_set,
    matched_per_image,
)
from innerlight.metrics.concepts import ConceptSums, concept_sums, nearest_concept
from innerlight.metrics.episodes import EpisodeCounts, episode, harmonic_mean
from innerlight.metrics.label_maps import class_iou, confusion, mean_iou
from innerlight.metrics.masks import BestThreshold, auroc, best_threshold_iou, iou, pointing
from innerlight.metrics.numbers import Entropy, entropy, psnr
from innerlight.metrics.partitions import adjusted_rand, covering
from innerlight.metrics.points import (
    Averaging,
    PairErrors,
    PointRegression,
    box_side,
    cycle_distances,
    distances,
    end_point_error,
    fit_points,
    image_side,
    pck,
    pck_hits,
    points_side,
    swapped_distances,
)
from innerlight.metrics.ranking import (
    Ties,
    average_precision,
    first_rank,
    mean_average_precision,
    recall_at,
    reciprocal_rank,
)

__all__ = [
    "Averaging",
    "BestThreshold",
    "ClassCounts",
    "ConceptSums",
    "Entropy",
    "EpisodeCounts",
    "MatchBy",
    "PairErrors",
    "PointRegression",
    "Ties",
    "adjusted_rand",
    "assigned_counts",
    "auroc",
    "average_precision",
    "best_threshold_iou",
    "boundary",
    "boundary_iou",
    "box_side",
    "class_iou",
    "cluster_table",
    "concept_sums",
    "confusion",
    "covering",
    "cycle_distances",
    "distances",
    "edge_band",
    "end_point_error",
    "entropy",
    "episode",
    "first_rank",
    "fit_points",
    "harmonic_mean",
    "image_side",
    "iou",
    "match_clusters",
    "matched_over_set",
    "matched_per_image",
    "mean_average_precision",
    "mean_iou",
    "nearest_concept",
    "pck",
    "pck_hits",
    "pointing",
    "points_side",
    "psnr",
    "recall_at",
    "reciprocal_rank",
    "swapped_distances",
]
