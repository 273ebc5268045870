"""One picture's attention or features to soft maps, and soft maps to masks. Pure functions: no model, no files.

A map is (h, w), rows first; many are (..., h, w). What is put in comes back as it was.
"""

from __future__ import annotations

from innerlight.maps.clustering import k_means
from innerlight.maps.gaussians import centred_gaussian, gaussian_blur
from innerlight.maps.levels import combine_levels
from innerlight.maps.merging import anchor_cells, divergences, merge
from innerlight.maps.resizing import resize
from innerlight.maps.scaling import min_max, share, threshold
from innerlight.maps.segments import Segments, segments_of
from innerlight.maps.word_map import WordMap

__all__ = [
    "Segments",
    "WordMap",
    "anchor_cells",
    "centred_gaussian",
    "combine_levels",
    "divergences",
    "gaussian_blur",
    "k_means",
    "merge",
    "min_max",
    "resize",
    "segments_of",
    "share",
    "threshold",
]
