"""What recognition must show beside its methods' claims: how it compares with what was released, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from innerlight.backbones import Backbone, blank
from innerlight.bench import recognition_costs as costs
from innerlight.bench.claims import SCORING
from innerlight.bench.evidence import Row, interval, measure_all, measured

COMMAND = "innerlight bench recognition"
PACKAGES = ("torch", "diffusers", "numpy")
SCENES = 24  # whose inverted features are compared
FEW = 16  # on which fast segments are compared with exact ones

Progress = Callable[[int, int], None]


def score(
    path: Path,
    backbone: Backbone,
    *,
    scenes: int | None = None,
    quick: bool = False,
    progress: Progress = lambda done, of: None,
) -> list[Row]:
    """Measure all rows and write them to `path`; with `quick` no timings."""
    measures: list[Callable[[], list[Row]]] = [lambda: [_inverted(backbone, scenes or SCENES)]]
    if not quick:
        measures += [
            lambda: _diffseg(backbone),
            lambda: _emerdiff(backbone),
            lambda: _points(backbone),
            _search,
            _recall,
        ]
    return measure_all(measures, path, progress)


def _inverted(backbone: Backbone, scenes: int) -> Row:
    """Do features of one pass match those of a whole inversion?"""
    found = [costs.inverted_likeness(backbone, seed) for seed in range(SCORING, SCORING + scenes)]
    alike = np.array([list(one.values()) for one in found])
    low, high = interval(alike.mean(1))
    told = ", ".join(f"{name} {mean:.3f}" for name, mean in zip(found[0], alike.mean(0), strict=True))
    return measured(
        "pdm.inverted_cosine", float(alike.mean()), 0.95, ">=", n=scenes, command=COMMAND, low=low, high=high,
        seeds=f"{SCORING}..{SCORING + scenes - 1}", model=backbone.hash, packages=PACKAGES,
        note=f"one pass over the clean latent, and the last step after a 50-step inversion, told the class: {told}; "
        "1 pass a picture for 100",
    )  # fmt: skip


def _cost(id: str, value: float, limit: float | None, sense: str, n: int, note: str, model: str | None = None) -> Row:
    return measured(
        id, value, limit, sense, kind="cost", n=n, command=COMMAND, model=model, packages=PACKAGES, note=note
    )


def _diffseg(backbone: Backbone) -> list[Row]:
    rounds = 3
    seconds = costs.diffseg_seconds(backbone, rounds)
    released = [one for arm, one in seconds.items() if arm != "ours"]
    bytes_ = {arm: costs.diffseg_peak(arm) for arm in ("ours", "released")}
    told = ", ".join(f"{arm} {one:.2f} s" for arm, one in seconds.items())
    held = ", ".join(f"{arm} {one / 1e6:.0f} MB" for arm, one in bytes_.items())
    return [
        _cost(
            "diffseg.speed", min(released) / seconds["ours"], 10, ">=", rounds,
            f"behind the network, 4096 rows, over the faster of the released algorithm's precisions: {told}",
            backbone.hash,
        ),
        _cost(
            "diffseg.memory", bytes_["ours"] / bytes_["released"], 0.25, "<=", 1,
            f"peaks behind the network: {held}", backbone.hash,
        ),
    ]  # fmt: skip


def _emerdiff(backbone: Backbone) -> list[Row]:
    found = costs.emerdiff_ratios(backbone, rounds := 2)
    miou = costs.fast_miou(backbone, range(SCORING, SCORING + FEW))
    note = (
        f"over {costs.PASSES} plain rows, of passes with as many rows; {costs.CLUSTERS} clusters, without encoding and "
        f"decoding; exact over passes of one row {found['exact, over passes of one row']:.2f}"
    )
    beside = f"; mean IoU {miou['fast']:.3f} against {miou['exact']:.3f} of the exact mode on {FEW} scenes"
    return [
        _cost("emerdiff.cost", found["exact"], 0.8, "<=", rounds, note, backbone.hash),
        _cost("emerdiff.cost_fast", found["fast"], 0.15, "<=", rounds, note + beside, backbone.hash),
    ]


def _points(backbone: Backbone) -> list[Row]:
    arithmetic = costs.point_arithmetic(blank("sd15", "real"))
    seconds = costs.point_seconds(backbone)
    passes = costs.pdm_passes(backbone)
    shared: dict[str, Any] = {"sense": ">=", "n": 1}
    told = {name: f"{one / 1e12:.0f}" for name, one in arithmetic.items()}
    return [
        _cost(
            "embedding_correspondence.arithmetic", arithmetic["released"] / arithmetic["ours"], 2, **shared,
            note=f"tera-operations a point, Stable Diffusion 1.5 at 64 x 64 latents: {told['released']} as released, "
            f"{told['ours']} ours with {costs.TOGETHER} points",
        ),
        _cost(
            "embedding_correspondence.speed", seconds["released"] / seconds["ours"], 4, **shared,
            note=f"a point, a tenth of the steps: {seconds['released']:.1f} s as released, "
            f"{seconds['ours']:.1f} s ours with {costs.TOGETHER} points",
            model=backbone.hash,
        ),
        _cost(
            "pdm.passes", passes["released"] / passes["ours"], 50, **shared, model=backbone.hash,
            note=f"passes for the features of a picture: {passes['released']} there and back in 50 steps, as released, "
            f"{passes['ours']} ours",
        ),
    ]  # fmt: skip


def _recall() -> list[Row]:
    found = np.array(costs.approximate_recall())
    low, high = interval(found)
    return [
        measured(
            "search.recall", float(found.mean()), 0.95, ">=", n=len(found), command=COMMAND, low=low, high=high,
            packages=("usearch", "numpy"), note="of the exact best ten of 20000 vectors of 320 that lie in 200 heaps",
        )
    ]  # fmt: skip


def _search() -> list[Row]:
    seconds = costs.search_seconds(rounds := 5)
    return [
        _cost(
            "search.exact", 1000 * seconds["search"], 50, "<=", rounds,
            f"ms, the best {costs.RERANKED} of {costs.PICTURES} pictures by one vector of {costs.WIDE}, on one core",
        ),
        _cost(
            "search.rerank", 1000 * seconds["rerank"], None, "<=", rounds,
            f"ms, {costs.RERANKED} pictures again by {costs.PATCHES} patches each, from a store on disk",
        ),
    ]  # fmt: skip
