"""A method on a published data set, by a protocol: item by item, kept as they come, scored at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from innerlight.backbones import Backbone
from innerlight.bench.claims import settings_of
from innerlight.bench.data._keeping import Kept
from innerlight.bench.data.embedding import clustered, embed_segments, named_by_concept
from innerlight.bench.data.items import DataSet, PointPair, SegmentationItem
from innerlight.bench.data.preparing import InstanceSearch, prepare_frame, prepare_labels, prepare_pair, searches
from innerlight.bench.data.protocols import (
    PROTOCOLS,
    InstanceProtocol,
    PointsProtocol,
    Protocol,
    SegmentationProtocol,
)
from innerlight.files import Manifest
from innerlight.methods import Method
from innerlight.metrics import (
    PairErrors,
    assigned_counts,
    average_precision,
    boundary_iou,
    cluster_table,
    distances,
    matched_over_set,
    matched_per_image,
    pck,
    recall_at,
)
from innerlight.types import InputError

FAMILIES = {SegmentationProtocol: "segmentation", PointsProtocol: "correspondence", InstanceProtocol: "retrieval"}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Report:
    """Scores with everything that decides them."""

    protocol: str
    method: str
    data: str  # the set
    split: str
    meant: str  # the split that the protocol is for; may be empty
    items: int
    total: int  # items that there are; more where a limit was given
    config: Mapping[str, Any]
    model: str  # its name and hash
    seed: int
    scores: Mapping[str, float]

    def __str__(self) -> str:
        part = f"all {self.items}" if self.items == self.total else f"the first {self.items} of {self.total}"
        apart = f"; the protocol is for {self.meant}" if self.meant not in ("", self.split) else ""
        told = "\n".join(f"{name}: {value:.4f}" for name, value in self.scores.items())
        settings = ", ".join(f"{name} {value}" for name, value in self.config.items())
        return (
            f"{self.protocol}\n{self.method} on {self.data} ({self.split}), {part} items{apart}\n"
            f"{self.model}, seed {self.seed}; {settings}\n{told}"
        )


def score_set(
    backbone: Backbone,
    method: Method,
    config: Any,
    data: DataSet[Any],
    protocol: Protocol,
    folder: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress = lambda done, of: None,
) -> Report:
    """Run a method on the items of a set, the first `limit` if one is given. What each gave is kept in `folder` by the
    item's key: stopped and run again, it goes on.
    """
    if reason := unfit(method, protocol):
        raise InputError(reason)
    _refuse_other_set(data, protocol)
    work, scored = _ways(backbone, method, config, protocol, seed)
    found: Sequence[Any] = searches(data, protocol) if isinstance(protocol, InstanceProtocol) else data
    items = found[:limit]
    keys = items.keys if isinstance(items, DataSet) else [search.key for search in items]
    if not keys:
        raise InputError(f"{protocol.name} leaves nothing of {data.name} ({data.split}) to score; give more of it")
    settings = {
        "set": data.name, "split": data.split, "protocol": str(protocol), "method": method.name,
        "config": asdict(config), "model": backbone.hash, "seed": seed,
        "calibration": settings_of(backbone.calibration, {method.name}),
    }  # fmt: skip
    path = folder / f"{protocol.name}-{method.name}.jsonl"
    with Manifest.open(path, task="score", settings=settings) as manifest:
        for number, key in enumerate(keys):
            progress(number, len(items))
            if not manifest.done(key):
                manifest.record(key, **work(items[number]))
        progress(len(items), len(items))
        results = [dict(manifest.result(key)) for key in keys]
    scores = scored(results)
    hollow = [name for name, score in scores.items() if not math.isfinite(score)]
    if hollow:
        raise InputError(
            f"{', '.join(hollow)} of {len(results)} items of {data.name} ({data.split}) is no number: they hold "
            f"nothing that {protocol.name} scores; take others, or more"
        )
    return Report(
        str(protocol), method.name, data.name, data.split, protocol.split, len(results), len(found), asdict(config),
        f"{backbone.name} {backbone.hash}", seed, scores,
    )  # fmt: skip


def unfit(method: Method, protocol: Protocol) -> str:
    """Why a protocol cannot score a method; empty if it can."""
    family = FAMILIES[type(protocol)]
    if method.family != family:
        return f"{protocol.name} scores methods of {family}, {method.name} is one of {method.family}"
    if isinstance(protocol, SegmentationProtocol) and protocol.matching == "names" and method.name != "diffseg":
        return f"{protocol.name} wants named segments; of the methods only diffseg names them"
    return ""


def _refuse_other_set(data: DataSet[Any], protocol: Protocol) -> None:
    if data.name != protocol.data:
        own = ", ".join(one.name for one in PROTOCOLS.values() if one.data == data.name)
        raise InputError(f"{protocol.name} is for {protocol.data}, not for {data.name}; for that: {own or 'none'}")
    if isinstance(protocol, InstanceProtocol) and data.frames != protocol.frames:
        raise InputError(
            f"{protocol.name} wants frames {protocol.frames}, these of {data.name} are {data.frames}; open it with "
            f"frames={protocol.frames!r}"
        )


Work = Callable[[Any], dict[str, Any]]
Scored = Callable[[Sequence[Mapping[str, Any]]], dict[str, float]]


def _ways(backbone: Backbone, method: Method, config: Any, protocol: Protocol, seed: int) -> tuple[Work, Scored]:
    """How an item is worked on, and how all of them are scored."""
    if isinstance(protocol, SegmentationProtocol):
        return (
            lambda item: _segmented(backbone, method, config, item, protocol, seed),
            lambda results: _segmentation_scores(results, protocol),
        )
    if isinstance(protocol, PointsProtocol):
        return (
            lambda pair: _matched(backbone, method, config, pair, protocol, seed),
            lambda results: _point_scores(results, protocol),
        )
    prepared = Kept()
    return (
        lambda search: _searched(backbone, method, config, search, protocol, seed, prepared),
        lambda results: _instance_scores(results, protocol),
    )


# Segments


def _segmented(
    backbone: Backbone, method: Method, config: Any, item: SegmentationItem, protocol: SegmentationProtocol, seed: int
) -> dict[str, Any]:
    """Pixels of each class in each segment, and for matching over the set the segments' vectors."""
    prepared, truth = prepare_labels(item, protocol), item.labels()
    named = {"names": item.classes} if protocol.matching == "names" else {}
    found = method.function(backbone, prepared.picture, config, seed=seed, **named).labels[0]
    labels, vectors = found.labels.astype(np.int64), {}
    if protocol.matching == "names":
        numbers = {name: number for number, name in enumerate(item.classes)}
        labels = np.array([numbers[found.names[k]] for k in range(int(labels.max()) + 1)])[labels]
    elif protocol.matching != "image":
        vectors = {"vectors": embed_segments(backbone, prepared.picture, labels, seed).round(4).tolist()}
    segments = int(labels.max()) + 1
    if protocol.scored == "original":
        labels = prepared.framing.labels_back(labels, 0)
    else:
        truth = prepared.labels
    columns = protocol.classes if protocol.matching == "names" else segments
    table = cluster_table(truth, labels, protocol.classes, columns, protocol.ignore)
    return {"table": table.tolist(), **vectors}


def _segmentation_scores(results: Sequence[Mapping[str, Any]], protocol: SegmentationProtocol) -> dict[str, float]:
    tables = [np.array(one["table"]) for one in results]
    by = "iou" if protocol.by == "IoU" else "hits"
    alone = reduce(add, (matched_per_image(table, by=by) for table in tables))
    if protocol.matching == "image":
        return {"accuracy": alone.accuracy, "mean IoU": alone.mean_iou}
    if protocol.matching == "names":
        counts = reduce(add, (assigned_counts(table, np.arange(protocol.classes)) for table in tables))
        return {"accuracy": counts.accuracy, "mean IoU": counts.mean_iou}
    vectors = [np.array(one["vectors"]) for one in results]
    if protocol.matching == "set":
        counts = matched_over_set(clustered(tables, vectors, protocol.classes), by=by)
    else:
        named = named_by_concept(tables, vectors)
        counts = reduce(add, (assigned_counts(table, own) for table, own in zip(tables, named, strict=True)))
    return {
        "accuracy": counts.accuracy, "mean IoU": counts.mean_iou,
        "accuracy, matched in each picture": alone.accuracy, "mean IoU, matched in each picture": alone.mean_iou,
    }  # fmt: skip


# Points


def _matched(
    backbone: Backbone, method: Method, config: Any, pair: PointPair, protocol: PointsProtocol, seed: int
) -> dict[str, Any]:
    prepared = prepare_pair(pair, protocol)
    if not len(prepared.source_points):
        return {"distances": [], "size": prepared.size, "category": pair.category}
    found = method.function(
        backbone, prepared.source, prepared.target, prepared.source_points, config,
        prompt=f"a photo of a {pair.category}", seed=seed,
    ).found[0]  # fmt: skip
    there = prepared.target_framing.points_back(found)
    return {"distances": distances(there, pair.seen()[1]).tolist(), "size": prepared.size, "category": pair.category}


def _point_scores(results: Sequence[Mapping[str, Any]], protocol: PointsProtocol) -> dict[str, float]:
    pairs = [PairErrors(np.array(one["distances"]), one["size"], one["category"]) for one in results]
    shares = pck(pairs, protocol.alphas, protocol.averaging)
    return {f"PCK@{alpha:g}": float(share) for alpha, share in zip(protocol.alphas, shares, strict=True)}


# Individuals


def _searched(
    backbone: Backbone, method: Method, config: Any, search: InstanceSearch, protocol: InstanceProtocol, seed: int,
    prepared: Kept,
) -> dict[str, Any]:  # fmt: skip
    reference = prepare_frame(search.reference, protocol)
    targets = [prepared(frame.key, partial(prepare_frame, frame, protocol)) for frame in search.targets]
    found = method.function(
        backbone, reference.picture, [one.picture for one in targets], config, mask=reference.mask,
        word=search.reference.category, seed=seed,
    )  # fmt: skip
    if protocol.task == "retrieval":
        return {"scores": found.scores.tolist(), "right": list(search.right)}
    mask, true = found.mask(0), targets[0].mask
    return {
        "instance": search.reference.instance, "shared": int((mask & true).sum()), "either": int((mask | true).sum()),
        "boundary": boundary_iou(mask, true),
    }  # fmt: skip


def _instance_scores(results: Sequence[Mapping[str, Any]], protocol: InstanceProtocol) -> dict[str, float]:
    if protocol.task == "retrieval":
        ties = "worst" if protocol.ties == "pessimistic" else "average"
        pairs = [(np.array(one["scores"]), np.array(one["right"])) for one in results]
        return {
            "mean average precision": float(np.mean([average_precision(s, right, ties) for s, right in pairs])),
            "R@1": float(np.mean([recall_at(1, scores, right) for scores, right in pairs])),
        }
    pooled: dict[Any, list[tuple[int, int]]] = {}
    for number, one in enumerate(results):
        key = {"pair": number, "object": one["instance"], "set": ""}[protocol.pooling]
        pooled.setdefault(key, []).append((one["shared"], one["either"]))
    ious = [sum(a for a, _ in own) / max(sum(b for _, b in own), 1) for own in pooled.values()]
    return {
        f"IoU pooled by {protocol.pooling}": float(np.mean(ious)),
        "IoU of a pair": float(np.mean([one["shared"] / max(one["either"], 1) for one in results])),
        "boundary IoU": float(np.mean([one["boundary"] for one in results])),
    }
