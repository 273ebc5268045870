"""Recognition in the world as tasks with a known answer: segments, points of two things, one thing among its like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from innerlight.metrics import (
    assigned_counts,
    boundary_iou,
    box_side,
    cluster_table,
    distances,
    edge_band,
    matched_per_image,
)
from innerlight.world import CATEGORIES, render, sample, search, truth
from innerlight.world.draw import Render

ALPHA, CLOSE = 0.1, 0.05  # of the longer side of the target's box
ANIMALS = tuple(name for name, kind in CATEGORIES.items() if kind.kind == "animal")
LEAST = 0.005  # share of a picture below which a mask is not asked about


# Segments


def best_segments(drawn: Render, found: NDArray[np.integer]) -> float:
    """Mean IoU over setting and things, each with one segment of its own (Hungarian, in this picture)."""
    true = truth.instances(drawn)
    return matched_per_image(cluster_table(true, found, int(true.max()) + 1, int(found.max()) + 1), by="iou").mean_iou


@dataclass(frozen=True)
class Drawing:
    """How well segments draw what they are of, were each called by what most of it is."""

    miou: float
    boundary_iou: float  # mean over things
    band_miou: float  # near true edges


def drawing(drawn: Render, found: NDArray[np.integer], band: int) -> Drawing:
    """Of a label map at the size of the picture; `band` pixels on either side of an edge."""
    true = truth.instances(drawn)
    classes = int(true.max()) + 1
    table = cluster_table(true, found, classes, int(found.max()) + 1)
    called = table.argmax(0)[found]
    near = edge_band(true, band)
    counts = [
        assigned_counts(cluster_table(true[where], called[where], classes, classes), np.arange(classes))
        for where in (np.ones_like(near), near)
    ]
    things = [boundary_iou(true == thing, called == thing) for thing in range(1, classes) if (true == thing).any()]
    return Drawing(counts[0].mean_iou, float(np.mean(things)), counts[1].mean_iou)


# Points


@dataclass(frozen=True, eq=False)
class Pair:
    """Two things in a picture each, and the keypoints that both show."""

    source: Render
    target: Render
    names: tuple[str, ...]
    points: NDArray[np.floating]  # (n, 2), of the source
    true: NDArray[np.floating]  # (n, 2), of the target
    twins: NDArray[np.floating]  # (n, 2), what each is most easily mistaken for; nan where there is nothing

    def only(self, chosen: Sequence[int]) -> Pair:
        """Some of its points."""
        kept = list(chosen)
        return replace(
            self, names=tuple(self.names[k] for k in kept), points=self.points[kept], true=self.true[kept],
            twins=self.twins[kept],
        )  # fmt: skip

    def hits(
        self, found: NDArray[np.floating], places: NDArray[np.floating] | None = None, alpha: float = ALPHA
    ) -> NDArray[np.bool_]:
        """(n,): found points that lie near the true ones, or near other places: within a share of the longer side of
        the target's box.
        """
        box = truth.boxes(self.target)[0]
        assert box is not None
        wanted = self.true if places is None else places
        near = np.zeros(len(found), bool)
        known = ~np.isnan(wanted).any(1)
        near[known] = distances(found[known], wanted[known]) <= alpha * box_side(box)
        return near


def pair(seed: int, kind: Literal["within", "across"], size: int) -> Pair | None:
    """Two things of one category, or two animals of different ones; None if they show no keypoint of one name."""
    random = np.random.default_rng(seed)
    if kind == "within":
        kinds = [name for name in CATEGORIES if truth.keypoint_names(name)]
        categories = [kinds[seed % len(kinds)]] * 2
    else:
        categories = [str(name) for name in random.choice(ANIMALS, 2, replace=False)]
    drawn = [
        render(sample(f"{kind}/{seed}/{side}", categories=[name], style="photo"), size)
        for side, name in zip("ab", categories, strict=True)
    ]
    seen = [{name: one for name, one in truth.keypoints(one)[0].items() if one.visible} for one in drawn]
    names = tuple(sorted(set(seen[0]) & set(seen[1])))
    if not names or truth.boxes(drawn[1])[0] is None:
        return None
    xy = [np.array([(points[name].x, points[name].y) for name in names]) for points in seen]
    twins = [truth.twin_of(categories[1], name) for name in names]
    other = [(seen[1][twin].x, seen[1][twin].y) if twin in seen[1] else (np.nan, np.nan) for twin in twins]
    return Pair(drawn[0], drawn[1], names, xy[0], xy[1], np.array(other))


def own_or_twin(asked: Pair, found: NDArray[np.floating]) -> dict[str, float] | None:
    """Of points that have a twin (the other ear, the right wheel), how many land at their own place, and how many at
    the twin's instead; None if none has one.
    """
    known = ~np.isnan(asked.twins).any(1)
    if not known.any():
        return None
    own, other = asked.hits(found)[known], asked.hits(found, asked.twins)[known]
    return {"method": float(own.mean()), "its twin": float((other & ~own).mean())}


# One thing among its like


@dataclass(frozen=True, eq=False)
class Hunt:
    """A thing in a reference, and a gallery in which some pictures show it; all show others of its class."""

    reference: Render
    gallery: Sequence[Render]
    positives: NDArray[np.bool_]
    category: str

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Of the thing in the reference."""
        return truth.instances(self.reference) == 1

    def masks(self) -> list[NDArray[np.bool_]]:
        """Of the thing in each positive picture."""
        return [truth.instances(one) == 1 for one, shown in zip(self.gallery, self.positives, strict=True) if shown]


def hunt(seed: int, size: int, *, near: bool = True) -> Hunt | None:
    """The retrieval task number `seed`, among things that differ from it in marks and build alone, or in all that two
    of a class may; None if the reference, or a picture that shows the thing, shows too little of it.
    """
    task = search(seed, near=near)
    reference = render(task.reference, size)
    gallery = [render(scene, size) for scene in (*task.positives, *task.negatives)]
    shown = np.arange(len(gallery)) < len(task.positives)
    made = Hunt(reference, gallery, shown, task.look.category)
    smallest = min(float(mask.mean()) for mask in (made.mask, *made.masks()))
    return made if smallest >= LEAST else None
