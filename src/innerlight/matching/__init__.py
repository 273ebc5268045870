"""Two pictures or many: features to matches and rankings. No model; the index alone touches the disk.

Points are (x, y) in pixels of their picture, (0, 0) its upper left corner; pixel centres lie at .5.
"""

from __future__ import annotations

from innerlight.matching.approximate import search_approximately
from innerlight.matching.features import Features, checked_points
from innerlight.matching.matches import Finder, Matches, joined
from innerlight.matching.nearest import mutual, nearest, nearest_cells, similarity
from innerlight.matching.ranking import Ranking
from innerlight.matching.store import Entry, Index, Stamp, Store

__all__ = [
    "Entry",
    "Features",
    "Finder",
    "Index",
    "Matches",
    "Ranking",
    "Stamp",
    "Store",
    "checked_points",
    "joined",
    "mutual",
    "nearest",
    "nearest_cells",
    "search_approximately",
    "similarity",
]
