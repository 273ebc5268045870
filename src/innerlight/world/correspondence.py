"""Which pixel of one render shows the same spot of the same thing in another; exact, by the frames of the shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from innerlight.types import InputError
from innerlight.world._checks import whole
from innerlight.world.draw import Render, pixel_centres
from innerlight.world.shapes import Frame
from innerlight.world.things import CATEGORIES


@dataclass(frozen=True, eq=False)
class Correspondence:
    """For each source pixel its partner in the target.

    flow: (h, w, 2), (x, y) pixels of the target picture (pixel centres lie at .5); nan where there is no partner.
    visible: (h, w), the partner is seen in the target, neither hidden nor outside the picture.
    """

    flow: NDArray[np.float64]
    visible: NDArray[np.bool_]


def correspond(source: Render, target: Render, partners: Mapping[int, int] | None = None) -> Correspondence:
    """The partner of each pixel of `source` in `target`.

    `partners` says which thing of the source is which of the target; left out, things of equal look (the same
    individual) are paired. Things of one category match part by part, and so do animals of any; others have nothing
    in common. Pixels of the setting match where both scenes have the same backdrop.
    """
    partners = same_individuals(source, target) if partners is None else _checked(partners, source, target)
    frames, owners = _tables(source, target, partners)
    affine = frames[source.owners]  # (h, w, 6): x' = a x + b y + c, y' = d x + e y + f
    height, width = source.owners.shape
    x, y = pixel_centres(height, width)
    flow = np.stack(
        [
            affine[..., 0] * x + affine[..., 1] * y + affine[..., 2],
            affine[..., 3] * x + affine[..., 4] * y + affine[..., 5],
        ],
        axis=-1,
    )
    return Correspondence(flow, _seen(flow, owners[source.owners], target))


def same_individuals(source: Render, target: Render) -> dict[int, int]:
    """Things of equal look, in order of appearance."""
    return _paired([p.thing.look for p in source.placed], [p.thing.look for p in target.placed])


def same_categories(source: Render, target: Render) -> dict[int, int]:
    """Things of equal category, in order of appearance."""
    return _paired([p.thing.look.category for p in source.placed], [p.thing.look.category for p in target.placed])


def _paired(names: Sequence[object], others: Sequence[object]) -> dict[int, int]:
    """Each name's number to the number of the first equal one that is still free."""
    pairs: dict[int, int] = {}
    for number, name in enumerate(names):
        free = (k for k, other in enumerate(others) if other == name and k not in pairs.values())
        partner = next(free, None)
        if partner is not None:
            pairs[number] = partner
    return pairs


def _checked(partners: Mapping[int, int], source: Render, target: Render) -> Mapping[int, int]:
    for number, partner in partners.items():
        whole("partners: a thing of the source", number, 0, len(source.placed) - 1)
        whole("partners: a thing of the target", partner, 0, len(target.placed) - 1)
    if len(set(partners.values())) < len(partners):
        raise InputError(f"partners: each thing of the target can be the partner of one only, got {dict(partners)}")
    return partners


def _akin(category: str, other: str) -> bool:
    """Whether the keys of their shapes mean the same parts."""
    return category == other or CATEGORIES[category].kind == CATEGORIES[other].kind == "animal"


def _tables(
    source: Render, target: Render, partners: Mapping[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For each owner of the source: the affine map to the target (n, 6), and its owner number there (n,), -1: none."""
    count = 1 + sum(len(placed.shapes) for placed in source.placed)
    frames, owners = np.full((count, 6), np.nan), np.full(count, -1)
    backdrop = [(r.scene.setting, r.scene.decor, r.scene.horizon) for r in (source, target)]
    if backdrop[0] == backdrop[1]:
        frames[0], owners[0] = _between(source.canvas, target.canvas), 0
    for number, partner in partners.items():
        here, there = source.placed[number], target.placed[partner]
        if not _akin(here.thing.look.category, there.thing.look.category):
            continue
        numbers = {shape.key: k for k, shape in enumerate(there.shapes)}
        for k, shape in enumerate(here.shapes):
            if shape.key in numbers:
                other = numbers[shape.key]
                frames[here.first + k] = _between(shape.frame, there.shapes[other].frame)
                owners[here.first + k] = there.first + other
    return frames, owners


def _between(source: Frame, target: Frame) -> tuple[float, ...]:
    """The affine map of the plane that carries one frame to the other."""
    matrices = [np.array([[f.ux, f.vx, f.ox], [f.uy, f.vy, f.oy], [0.0, 0.0, 1.0]]) for f in (source, target)]
    return tuple((matrices[1] @ np.linalg.inv(matrices[0]))[:2].ravel())


def _seen(flow: NDArray[np.float64], owners: NDArray[np.int64], target: Render) -> NDArray[np.bool_]:
    height, width = target.owners.shape
    known = owners >= 0
    column, row = (np.floor(np.where(known, flow[..., k], -1.0)).astype(np.int64) for k in (0, 1))
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    shown = target.owners[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return known & inside & (shown == owners)
