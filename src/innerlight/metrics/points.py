"""Points against true points: distances in pixels, kept so that any threshold can be asked for later.

Points are (x, y) pixels, pixel centres at .5; found and true ones both of the target picture's own size. Only points
that both pictures show are scored: leave out the others first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.metrics.masks import _mask
from innerlight.types import InputError

Averaging = Literal["image", "point", "category"]


def distances(found: ArrayLike, true: ArrayLike) -> NDArray[np.float64]:
    """(n,) how far each found point (n, 2) lies from its true one."""
    here, there = _points("found", found), _points("true", true)
    if here.shape != there.shape:
        raise InputError(f"found is {here.shape} and true {there.shape}; give one found point for each true one")
    return np.hypot(*(here - there).T)


def swapped_distances(found: ArrayLike, true: ArrayLike, partners: Sequence[int]) -> NDArray[np.float64]:
    """`distances` as found or with left and right swapped, all points at once, whichever has the smaller mean.

    `partners` (n,) says which point is the mirror twin of each; a point without one is its own.
    """
    here = _points("found", found)
    if sorted(partners) != list(range(len(here))):
        raise InputError(f"partners: expected each of 0 to {len(here) - 1} once, got {list(partners)}")
    plain, swapped = distances(here, true), distances(here[list(partners)], true)
    return swapped if swapped.sum() < plain.sum() else plain


# What a threshold alpha is a share of.


def box_side(box: ArrayLike) -> float:
    """The longer side of a box (left, top, right, bottom): SPair-71k and CUB, of the target's box."""
    sides = np.asarray(box, np.float64)
    if sides.shape != (4,) or not (sides[2:] > sides[:2]).all():
        raise InputError(f"box: expected (left, top, right, bottom), right and bottom beyond, got {box!r:.60}")
    return float((sides[2:] - sides[:2]).max())


def points_side(points: ArrayLike) -> float:
    """The longer side of the box around the target's points (n, 2), all of them real: PF-Willow."""
    corners = _points("points", points)
    side = float(np.ptp(corners, axis=0).max()) if len(corners) else 0.0
    if not side:
        raise InputError(f"points: expected two that differ, got {len(corners)} at one place; take another size")
    return side


def image_side(size: tuple[int, int]) -> float:
    """The longer side of the target picture (height, width): PF-PASCAL."""
    return float(max(size))


# Share of correct points


@dataclass(frozen=True, eq=False)
class PairErrors:
    """How far the points of one pair of pictures were off, (n,), and the size that thresholds are shares of."""

    distances: NDArray[np.float64]
    size: float | NDArray[np.float64]
    category: str | None = None


def pck_hits(distances: ArrayLike, sizes: ArrayLike, alphas: ArrayLike) -> NDArray[np.bool_]:
    """(n, alphas) whether each distance (n,) is at most alpha times its size, one for all or (n,)."""
    off, wide = np.asarray(distances, np.float64), np.asarray(sizes, np.float64)
    shares = np.asarray(alphas, np.float64)
    if off.ndim != 1 or not (np.isfinite(off) & (off >= 0)).all():
        raise InputError(f"distances: expected numbers from 0 on, (n,), got {off!r:.60}")
    if wide.shape not in ((), off.shape) or not (np.isfinite(wide) & (wide > 0)).all():
        raise InputError(f"sizes: expected pixels above 0, one or {off.shape}, got {wide!r:.60}")
    if shares.ndim != 1 or not (shares > 0).all():
        raise InputError(f"alphas: expected shares above 0, (alphas,), such as [0.1], got {alphas!r:.60}")
    return off[:, None] <= shares * np.broadcast_to(wide, off.shape)[:, None]


def pck(pairs: Iterable[PairErrors], alphas: ArrayLike, average: Averaging) -> NDArray[np.float64]:
    """(alphas,) share of correct points: "point" of all, "image" the mean of pairs' shares, "category" of categories'.

    A category's share is that of its points. Pairs without points are left out; nan if no point is left.
    """
    groups: dict[Hashable, list[NDArray[np.bool_]]] = {}
    for number, pair in enumerate(pairs):
        hits = pck_hits(pair.distances, pair.size, alphas)
        if len(hits):
            groups.setdefault(_group(average, number, pair), []).append(hits)
    shares = [np.concatenate(hits).mean(0) for hits in groups.values()]
    return np.mean(shares, axis=0) if shares else np.full(np.shape(alphas), np.nan)


def _group(average: Averaging, number: int, pair: PairErrors) -> Hashable:
    """Points of one group are pooled, then groups are averaged."""
    match average:
        case "image":
            return number
        case "point":
            return "all"
        case "category":
            if pair.category is None:
                raise InputError(f"pair {number} has no category; name it, or average by image or point")
            return pair.category
    raise InputError(f'average: expected "image", "point" or "category", got {average!r}')


# Dense correspondence


def end_point_error(found: ArrayLike, true: ArrayLike, visible: ArrayLike | None = None) -> float:
    """The mean distance of partners (h, w, 2) from the true ones, over pixels whose partner is `visible` (h, w).

    nan if none is. For shares of correct pixels give `distances` the points `found[visible]` and `true[visible]`.
    """
    here, there = np.asarray(found, np.float64), np.asarray(true, np.float64)
    if here.shape != there.shape or here.ndim != 3:
        raise InputError(f"expected partners (h, w, 2) in both, got found {here.shape} and true {there.shape}")
    chosen = np.ones(here.shape[:2], bool) if visible is None else _mask("visible", visible)
    if chosen.shape != here.shape[:2]:
        raise InputError(f"visible: expected {here.shape[:2]}, got {chosen.shape}")
    return float(distances(here[chosen], there[chosen]).mean()) if chosen.any() else float("nan")


def cycle_distances(there: ArrayLike, back: ArrayLike) -> NDArray[np.float64]:
    """(h, w) how far each pixel of a picture is from itself after the way to another and back; nan where it is lost.

    `there` (h, w, 2) holds its pixels' partners in the other picture, `back` (h', w', 2) those of the other's pixels;
    the way back is that of the pixel in which the partner lies.
    """
    out, home = _partners("there", there), _partners("back", back)
    rows, columns = np.indices(out.shape[:2])
    inside = ((out >= 0) & (out < home.shape[1::-1])).all(-1)  # nan is not
    x, y = out[inside].astype(np.int64).T
    off = np.full(out.shape[:2], np.nan)
    off[inside] = np.hypot(*(home[y, x] - np.stack([columns, rows], -1)[inside] - 0.5).T)
    return off


# Points found without names, mapped to named ones


@dataclass(frozen=True, eq=False)
class PointRegression:
    """A linear map from k found points to m named ones, both as shares of the picture; its centre stays in place."""

    weights: NDArray[np.float64]  # (2 k, 2 m), of coordinates minus 0.5

    def __call__(self, found: ArrayLike) -> NDArray[np.float64]:
        """The named points (n, m, 2) of the found ones (n, k, 2) of n pictures."""
        points = _point_sets("found", found)
        if 2 * points.shape[1] != len(self.weights):
            raise InputError(f"found: expected {len(self.weights) // 2} points each, got {points.shape[1]}")
        return (_centred(points) @ self.weights).reshape(len(points), -1, 2) + 0.5


def fit_points(found: ArrayLike, true: ArrayLike, visible: ArrayLike | None = None) -> PointRegression:
    """The map of least squares from found points (n, k, 2) to named ones (n, m, 2) of n pictures.

    Points are shares of the picture, from 0 to 1. Each named point is fitted on the pictures where it is `visible`
    (n, m). Fit on training pictures, measure on others.
    """
    points, named = _point_sets("found", found), np.asarray(true, np.float64)
    if named.ndim != 3 or named.shape[::2] != points.shape[::2]:
        raise InputError(f"true: expected ({len(points)}, m, 2), got {named.shape}")
    seen = np.ones(named.shape[:2], bool) if visible is None else _mask("visible", visible)
    if seen.shape != named.shape[:2] or not seen.any(0).all():
        raise InputError(f"visible: expected {named.shape[:2]} with every point seen once, got {seen.shape}")
    if not np.isfinite(named[seen]).all():
        raise InputError("true: expected finite numbers where visible, got nan or infinity")
    rows = _centred(points)  # (n, 2 k)
    fitted = [_least_squares(rows[seen[:, m]], named[seen[:, m], m] - 0.5) for m in range(named.shape[1])]
    return PointRegression(np.concatenate(fitted, axis=1))


def _least_squares(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linalg.lstsq(x, y, rcond=None)[0].astype(np.float64)  # W = pinv(X'X) X'Y


def _centred(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points.reshape(len(points), -1) - 0.5


def _points(name: str, given: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(given, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise InputError(f"{name}: expected finite points (x, y), (n, 2), got {points!r:.60}; leave out hidden ones")
    return points


def _point_sets(name: str, given: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(given, np.float64)
    if points.ndim != 3 or points.shape[2] != 2 or not points.size or not np.isfinite(points).all():
        raise InputError(f"{name}: expected finite points (pictures, points, 2), got {points.shape}")
    return points


def _partners(name: str, given: ArrayLike) -> NDArray[np.float64]:
    flow = np.asarray(given, np.float64)
    if flow.ndim != 3 or flow.shape[2] != 2 or not flow.size:
        raise InputError(f"{name}: expected a partner (x, y) for each pixel, (h, w, 2), got {flow.shape}")
    return flow
