"""Boundaries of a label map, moved to where the picture has them."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.maps.refinement.costs import checked_picture, costs_of_labels, costs_of_scores
from innerlight.maps.refinement.graph_cut import GraphCutConfig, graph_cut
from innerlight.maps.refinement.mean_field import MeanFieldConfig, mean_field
from innerlight.types import InputError

Refinement = Literal["graph_cut", "crf"]
Config = TypeVar("Config", GraphCutConfig, MeanFieldConfig)


def refine(
    labels_or_scores: ArrayLike,
    picture: ArrayLike,
    how: Refinement = "graph_cut",
    config: GraphCutConfig | MeanFieldConfig | None = None,
    *,
    confidence: float = 0.7,  # of 0.6 to 0.9 the one that served both ways on coarse masks of the world
) -> NDArray[Any]:
    """Labels (h, w) whose boundaries follow those of a picture (h, w, 3), uint8.

    Given is a label map (h, w) of whole numbers, any, or a mask: each label is trusted with probability `confidence`,
    and the result has the same labels and dtype, at most. Or scores (labels, h, w) from 0 on, as attention maps are:
    their share in a pixel's sum is the label's probability there, and the result says which, from 0.
    "graph_cut" takes a GraphCutConfig and "crf" a MeanFieldConfig.
    """
    if how not in get_args(Refinement):
        raise InputError(f"how: expected one of {', '.join(get_args(Refinement))}, got {how!r}")
    given = np.asarray(labels_or_scores)
    if given.ndim == 3:
        values, costs = np.arange(len(given)), costs_of_scores(given)
    elif given.ndim == 2:
        values, costs = costs_of_labels(given, confidence)
    else:
        raise InputError(f"expected labels (h, w) or scores (labels, h, w), got {given.dtype} {given.shape}")
    image = checked_picture(picture, costs.shape[1:])
    if how == "graph_cut":
        return values[graph_cut(costs, image, _of_kind(GraphCutConfig, config, how)).labels]
    return values[mean_field(costs, image, _of_kind(MeanFieldConfig, config, how)).argmax(0)]


def _of_kind(kind: type[Config], config: object, how: str) -> Config:
    """`config`, the default if it is None, if it is one for this way of refining."""
    if config is None:
        return kind()
    if not isinstance(config, kind):
        raise InputError(f"config: {how} takes a {kind.__name__}, got a {type(config).__name__}")
    return config
