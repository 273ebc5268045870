"""Label maps of least energy: binary ones as a minimum cut (Greig, Porteous and Seheult 1989, with the links of
Boykov and Jolly 2001, weak where colours change), several labels by alpha-expansion (Boykov, Veksler and Zabih 2001).

    E(l) = sum_p D_p(l_p) + sum_pq w_pq [l_p != l_q],    w_pq = smoothness exp(-|I_p - I_q|^2 / 2 sigma^2) / |p - q|

Two labels are Ising's model and solved exactly. More are Potts', whose minimum is out of reach in general; where no
expansion lowers the energy any more it is at most twice the least, if no cost is below 0. Costs that follow things
are cut quickly; mere noise under strong links takes ten times as long or more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from innerlight.maps.refinement.costs import checked_costs, checked_labels, checked_picture
from innerlight.maps.refinement.neighbours import Offset, both_ends
from innerlight.types import InputError

OFFSETS: tuple[Offset, ...] = ((0, 1), (1, 0), (1, 1), (1, -1))  # the first two alone: 4 neighbours; all: 8
CAPACITY = 2**29  # of what a cut costs in whole units; twice this, a link's largest residual, is an int32


@dataclass(frozen=True)
class GraphCutConfig:
    """How dear boundaries are, and what makes them cheap."""

    smoothness: float = 5.0  # nats for one link on an even surface; 1 to 10 are usual with costs in nats
    contrast: float | None = None  # sigma in levels of RGB; None: the root of the mean squared neighbour difference
    neighbours: int = 8  # or 4
    sweeps: int = 5  # of expansion, each over all labels, at most; 2 to 3 are usual
    fineness: int = 1000  # whole units in a nat: the solver counts in whole units, fewer where int32 would overflow

    def __post_init__(self) -> None:
        if not (math.isfinite(self.smoothness) and self.smoothness >= 0):
            raise InputError(f"smoothness: expected a finite number from 0 on, got {self.smoothness!r}")
        if self.contrast is not None and not self.contrast > 0:
            raise InputError(f"contrast: expected levels of RGB above 0, or None, got {self.contrast!r}")
        if self.neighbours not in (4, 8):
            raise InputError(f"neighbours: expected 4 or 8, got {self.neighbours!r}")
        if self.sweeps < 1 or self.fineness < 1:
            raise InputError(f"sweeps, fineness: expected numbers from 1 on, got {self.sweeps!r}, {self.fineness!r}")


@dataclass(frozen=True, eq=False)
class Cut:
    """Labels, numbers of their costs, with the energy of the cheapest labels pixel by pixel and that of these."""

    labels: NDArray[np.intp]  # (h, w)
    before: float
    after: float
    settled: bool  # no expansion lowers the energy any more; of two labels it is the least


def graph_cut(costs: ArrayLike, picture: ArrayLike, config: GraphCutConfig = GraphCutConfig()) -> Cut:
    """The labels of least energy for costs (labels, h, w) in nats on a picture (h, w, 3); exact for two labels."""
    unary = checked_costs(costs)
    weights = link_weights(checked_picture(picture, unary.shape[1:]), config)
    if len(unary) == 2:
        return minimum_cut(unary, weights, config)
    return alpha_expansion(unary, weights, config)


def link_weights(picture: ArrayLike, config: GraphCutConfig = GraphCutConfig()) -> NDArray[np.float64]:
    """(2 or 4, h, w): what it costs a pixel to differ from the one on its right, below, below right, below left.

    0 where that one is outside.
    """
    colours = checked_picture(picture).astype(np.float64)
    offsets = OFFSETS[: config.neighbours // 2]
    ends = [both_ends(offset) for offset in offsets]
    differences = [((colours[first] - colours[second]) ** 2).sum(2) for first, second in ends]
    if config.contrast is not None:
        variance = config.contrast**2
    else:
        pairs = sum(difference.size for difference in differences)
        variance = sum(difference.sum() for difference in differences) / max(pairs, 1)
    weights = np.zeros((len(offsets), *colours.shape[:2]))
    for number, (offset, (first, _), difference) in enumerate(zip(offsets, ends, differences, strict=True)):
        likeness = np.exp(-difference / (2 * variance)) if variance > 0 else 1.0
        weights[number, *first] = config.smoothness * likeness / math.hypot(*offset)
    return weights


def energy(labels: ArrayLike, costs: ArrayLike, weights: ArrayLike) -> float:
    """E of labels (h, w), numbers of `costs` (labels, h, w), with links as `link_weights` gives them."""
    unary, links = checked_costs(costs), _checked_weights(weights, np.shape(costs))
    given = checked_labels(labels).astype(np.intp)
    if given.shape != unary.shape[1:] or given.min() < 0 or given.max() >= len(unary):
        expected = f"{unary.shape[1:]} from 0 to {len(unary) - 1}"
        raise InputError(f"labels: expected {expected}, got {given.shape} from {given.min()} to {given.max()}")
    return _energy(given, unary, links)


def minimum_cut(costs: ArrayLike, weights: ArrayLike, config: GraphCutConfig = GraphCutConfig()) -> Cut:
    """The labels of least energy for costs (2, h, w) and links as `link_weights` gives them.

    Exact in whole units, `fineness` to a nat: every cost and every link may be off by half a unit.
    """
    unary, links = checked_costs(costs), _checked_weights(weights, np.shape(costs))
    if len(unary) != 2:
        raise InputError(f"costs: expected those of 2 labels, got {len(unary)}; use alpha_expansion")
    cheapest = unary.argmin(0)
    firsts, seconds, weight = _pairs(links)
    ones = _cheapest_ones((unary[1] - unary[0]).ravel(), firsts, seconds, weight, weight, config.fineness)
    best = ones.reshape(cheapest.shape).astype(np.intp)
    before, after = _energy(cheapest, unary, links), _energy(best, unary, links)
    if before < after:  # by less than a unit, which the solver cannot tell
        best, after = cheapest, before
    return Cut(best, before, after, settled=True)


def alpha_expansion(costs: ArrayLike, weights: ArrayLike, config: GraphCutConfig = GraphCutConfig()) -> Cut:
    """Labels no expansion of one of them would make cheaper, from those that are cheapest pixel by pixel.

    An expansion is the best way to turn any pixels at all into one label. Each is kept only if the energy falls.
    """
    unary, links = checked_costs(costs), _checked_weights(weights, np.shape(costs))
    pairs = _pairs(links)
    labels = unary.argmin(0)
    before = after = _energy(labels, unary, links)
    since_change = 0  # expansions in a row that changed nothing; one of each label: no move is left
    for alpha in list(range(len(unary))) * config.sweeps:
        moved = _expanded(labels, alpha, unary, pairs, config.fineness)
        moved_energy = _energy(moved, unary, links)
        if moved_energy < after:
            labels, after, since_change = moved, moved_energy, 0
        since_change += 1
        if since_change >= len(unary):
            break
    return Cut(labels, before, after, settled=since_change >= len(unary))


# first and second pixel of each pair, and what their link costs
Pairs = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]


def _expanded(
    labels: NDArray[np.intp], alpha: int, unary: NDArray[np.float64], pairs: Pairs, fineness: int
) -> NDArray[np.intp]:
    """The best labels among those that keep a pixel's label or make it `alpha`: a cut in x, 1 where it changes."""
    flat = labels.ravel()
    kept = np.take_along_axis(unary, labels[None], 0).ravel()  # D of x = 0
    change = unary[alpha].ravel() - kept
    firsts, seconds, weight = pairs
    stay_stay = weight * (flat[firsts] != flat[seconds])  # E00
    stay_move = weight * (flat[firsts] != alpha)  # E01: the second becomes alpha
    move_stay = weight * (flat[seconds] != alpha)  # E10; and E11 = 0
    # E(x, y) = E00 + (E10 - E00) x - E10 y + (E01 + E10 - E00) (1 - x) y
    change += np.bincount(firsts, move_stay - stay_stay, change.size) - np.bincount(seconds, move_stay, change.size)
    alone = np.maximum(stay_move + move_stay - stay_stay, 0)
    moves = _cheapest_ones(change, firsts, seconds, np.zeros_like(alone), alone, fineness)
    return np.where(moves.reshape(labels.shape), alpha, labels)


def _cheapest_ones(
    change: NDArray[np.float64],  # (n,) what it costs to turn a pixel from 0 to 1
    firsts: NDArray[np.int32],
    seconds: NDArray[np.int32],
    first_alone: NDArray[np.float64],  # what it costs if the first of a pair is 1 and the second 0
    second_alone: NDArray[np.float64],
    fineness: int,
) -> NDArray[np.bool_]:
    """(n,) where x = 1 in the cheapest x, and there as rarely as can be: the source's side of a minimum cut."""
    pixels = change.size
    at_stake = first_alone + second_alone
    sway = np.bincount(firsts, at_stake, pixels) + np.bincount(seconds, at_stake, pixels)
    change = np.clip(change, -sway - 1, sway + 1)  # beyond what its neighbours can outweigh all numbers mean the same
    source, sink = pixels, pixels + 1
    every = np.arange(pixels, dtype=np.int32)
    tails = np.concatenate([firsts, seconds, np.full_like(every, source), every])
    heads = np.concatenate([seconds, firsts, every, np.full_like(every, sink)])
    loss, gain = np.maximum(change, 0), np.maximum(-change, 0)
    costs = np.concatenate([first_alone, second_alone, gain, loss])  # an arc is cut where its tail is 1 and its head 0
    dearest = min(gain.sum(), loss.sum())  # x all 0, or all 1: a least cut is not dearer
    scale = min(fineness, CAPACITY / dearest) if dearest > 0 else fineness
    # An arc that costs more than that is never cut, however dear; so it is made only a little dearer, and fits.
    capacities = np.rint(np.minimum(costs * scale, np.ceil(dearest * scale) + 1 + pixels))
    used = capacities > 0
    arcs = (capacities[used].astype(np.int32), (tails[used], heads[used]))
    network = sparse.csr_array(arcs, shape=(pixels + 2, pixels + 2))
    flow = csgraph.maximum_flow(network, source, sink, method="dinic").flow
    residual = sparse.csr_array(network - flow)
    residual.eliminate_zeros()
    reached = csgraph.breadth_first_order(residual, source, return_predecessors=False)
    ones = np.zeros(pixels + 2, bool)
    ones[reached] = True
    return ones[:pixels]


def _pairs(links: NDArray[np.float64]) -> Pairs:
    """Every pair of neighbours that has a link."""
    numbers = np.arange(links[0].size, dtype=np.int32).reshape(links.shape[1:])
    firsts, seconds, weights = [], [], []
    for offset, link in zip(OFFSETS, links, strict=False):
        first, second = both_ends(offset)
        linked = link[first] > 0
        firsts.append(numbers[first][linked])
        seconds.append(numbers[second][linked])
        weights.append(link[first][linked])
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(weights)


def _energy(labels: NDArray[np.intp], unary: NDArray[np.float64], links: NDArray[np.float64]) -> float:
    total = np.take_along_axis(unary, labels[None], 0).sum()
    for offset, link in zip(OFFSETS, links, strict=False):
        first, second = both_ends(offset)
        total += link[first][labels[first] != labels[second]].sum()
    return float(total)


def _checked_weights(weights: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """`weights`, if they are links for costs of this shape, (labels, h, w)."""
    links = np.asarray(weights)
    if links.ndim != 3 or len(links) not in (2, 4) or links.shape[1:] != shape[1:] or links.dtype.kind not in "fiu":
        expected = f"numbers (2 or 4, {', '.join(map(str, shape[1:]))})"
        raise InputError(f"weights: expected {expected} as link_weights gives them, got {links.dtype} {links.shape}")
    if not (np.isfinite(links).all() and (links >= 0).all()):
        raise InputError(f"weights: expected finite numbers from 0 on, got {links.min():g} to {links.max():g}")
    return links.astype(np.float64)
