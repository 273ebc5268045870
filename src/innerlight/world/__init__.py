"""Procedural scenes whose truth is known: sample, draw, caption, alter, export. numpy only.

`sample(seed)` is a scene, `render(scene)` its picture, and the functions of `truth` say what is where in it.
"""

from __future__ import annotations

from innerlight.world import truth
from innerlight.world.alteration import CHANGES, Altered, alter, alterable
from innerlight.world.captions import caption
from innerlight.world.casting import possible_arrangements
from innerlight.world.correspondence import Correspondence, correspond, same_categories, same_individuals
from innerlight.world.draw import Render, render
from innerlight.world.episodes import FOLDS, Episode, Search, episode, fold, outside, search
from innerlight.world.exports import Exported, export
from innerlight.world.layout import sample
from innerlight.world.looks import distractors, individual
from innerlight.world.scene import SETTINGS, STYLES, UNIT, Look, Mark, Relation, Scene, Thing
from innerlight.world.things import CATEGORIES, Category
from innerlight.world.truth import Keypoint

__all__ = [
    "CATEGORIES",
    "CHANGES",
    "FOLDS",
    "SETTINGS",
    "STYLES",
    "UNIT",
    "Altered",
    "Category",
    "Correspondence",
    "Episode",
    "Exported",
    "Keypoint",
    "Look",
    "Mark",
    "Relation",
    "Render",
    "Scene",
    "Search",
    "Thing",
    "alter",
    "alterable",
    "caption",
    "correspond",
    "distractors",
    "episode",
    "export",
    "fold",
    "individual",
    "outside",
    "possible_arrangements",
    "render",
    "same_categories",
    "same_individuals",
    "sample",
    "search",
    "truth",
]
