"""Boundaries of label maps, moved to where the picture has them: by graph cuts, or by a conditional random field."""

from __future__ import annotations

from innerlight.maps.refinement.costs import costs_of_labels, costs_of_scores
from innerlight.maps.refinement.graph_cut import (
    Cut,
    GraphCutConfig,
    alpha_expansion,
    energy,
    graph_cut,
    link_weights,
    minimum_cut,
)
from innerlight.maps.refinement.mean_field import MeanFieldConfig, mean_field
from innerlight.maps.refinement.refining import refine

__all__ = [
    "Cut",
    "GraphCutConfig",
    "MeanFieldConfig",
    "alpha_expansion",
    "costs_of_labels",
    "costs_of_scores",
    "energy",
    "graph_cut",
    "link_weights",
    "mean_field",
    "minimum_cut",
    "refine",
]
