"""Pictures of maps, labels, matches, points, boxes and grids, as Pillow images for a page or a paper.

Coordinates are (x, y) in pixels of the picture given, (0, 0) its upper left corner; pixel centres lie at .5.
"""

from __future__ import annotations

from innerlight.viz.canvas import Enlarging, enlarge
from innerlight.viz.colours import colour_map, distinct_colour
from innerlight.viz.grids import grid
from innerlight.viz.marks import boxes, matches, points
from innerlight.viz.overlays import heat, labels

__all__ = [
    "Enlarging",
    "boxes",
    "colour_map",
    "distinct_colour",
    "enlarge",
    "grid",
    "heat",
    "labels",
    "matches",
    "points",
]
