"""Pictures, labels, points and masks as a protocol wants them; who is looked for, and where."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from innerlight.bench.data.framing import Framing, framing_of
from innerlight.bench.data.items import Box, InstanceFrame, PointPair, SegmentationItem
from innerlight.bench.data.protocols import InstanceProtocol, PointsProtocol, SegmentationProtocol
from innerlight.types import InputError


@dataclass(frozen=True, eq=False)
class PreparedLabels:
    """A picture as the method gets it, its labels there, and the way back."""

    picture: Image.Image
    labels: NDArray[np.int64]
    framing: Framing


@dataclass(frozen=True, eq=False)
class PreparedPair:
    """Both pictures as the method gets them, the points seen in both there, and the way back.

    A found target point goes through `target_framing.points_back` and is compared with `pair.seen()[1]`, by `size`.
    """

    source: Image.Image
    target: Image.Image
    source_points: NDArray[np.float64]  # (m, 2)
    target_points: NDArray[np.float64]  # (m, 2)
    source_framing: Framing
    target_framing: Framing
    size: float  # what alpha is a share of, in pixels of the target as published


@dataclass(frozen=True, eq=False)
class PreparedFrame:
    """A picture as the method gets it, the individual's mask there, and the way back."""

    picture: Image.Image
    mask: NDArray[np.bool_]
    framing: Framing

    @property
    def share(self) -> float:
        """Of the picture that is the individual."""
        return float(self.mask.mean())


@dataclass(frozen=True, eq=False)
class InstanceSearch:
    """One individual that is looked for: shown in the reference, asked for in the targets."""

    reference: InstanceFrame
    targets: tuple[InstanceFrame, ...]
    right: tuple[bool, ...]  # whether the target shows it

    @property
    def key(self) -> str:
        """Of these pictures: what is found in a gallery is found among its others."""
        names = [frame.key for frame in self.targets]
        if len(names) > 1:
            names = [f"{len(names)} pictures", hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]]
        return f"{self.reference.key} in {', '.join(names)}"


def prepare_labels(item: SegmentationItem, protocol: SegmentationProtocol) -> PreparedLabels:
    """Picture and labels of an item by a protocol."""
    picture, labels = item.image(), item.labels()
    _refuse_apart(item.key, picture, labels)
    framing = framing_of(labels.shape, protocol.fit, protocol.side)
    return PreparedLabels(framing.picture(picture), framing.labels(labels), framing)


def prepare_pair(pair: PointPair, protocol: PointsProtocol) -> PreparedPair:
    """Both pictures and the points of a pair by a protocol."""
    pictures = pair.images()
    source, target = (framing_of((p.height, p.width), protocol.fit, protocol.side) for p in pictures)
    source_points, target_points = pair.seen()
    return PreparedPair(
        source.picture(pictures[0]), target.picture(pictures[1]), source.points(source_points),
        target.points(target_points), source, target, size_of(pair, protocol, target.size),
    )  # fmt: skip


def size_of(pair: PointPair, protocol: PointsProtocol, target_size: tuple[int, int] | None = None) -> float:
    """The longer side that alpha is a share of, in pixels of the target as published."""
    if protocol.size == "image":
        return float(max(target_size or pair.images()[1].size))
    box = pair.target_box if protocol.size == "target box" else _extent(pair.seen()[1])
    if box is None or max(box[2] - box[0], box[3] - box[1]) <= 0:
        raise InputError(f"{pair.key} has no {protocol.size} with a side above 0; choose another size or leave it out.")
    return max(box[2] - box[0], box[3] - box[1])


def prepare_frame(frame: InstanceFrame, protocol: InstanceProtocol) -> PreparedFrame:
    """Picture and mask of a frame by a protocol."""
    picture, mask = frame.image(), frame.mask()
    _refuse_apart(frame.key, picture, mask)
    framing = _framed(frame, mask, protocol)
    return PreparedFrame(framing.picture(picture), framing.labels(mask), framing)


def searches(frames: Sequence[InstanceFrame], protocol: InstanceProtocol) -> tuple[InstanceSearch, ...]:
    """Who is looked for, and where, by a protocol: one search an individual (segmentation: one a target)."""
    grouped: dict[str, list[tuple[InstanceFrame, float]]] = {}
    for frame in frames:
        grouped.setdefault(frame.instance, []).append((frame, _share(frame, protocol)))
    if protocol.dropped == "individual":
        grouped = {name: own for name, own in grouped.items() if all(share >= protocol.smallest for _, share in own)}
    references: list[InstanceFrame] = []
    targets: list[list[InstanceFrame]] = []
    for own in grouped.values():
        reference = max(own, key=lambda one: one[1])[0] if protocol.reference == "largest mask" else own[0][0]
        others = [frame for frame, share in own if frame is not reference and share >= protocol.smallest]
        if protocol.targets == "second frame":
            others = [frame for frame in others if frame is own[1][0]]
        references.append(reference)
        targets.append(others)
    if protocol.targets == "all other frames":
        gallery = tuple(frame for others in targets for frame in others)
        return tuple(
            InstanceSearch(one, gallery, tuple(f.instance == one.instance for f in gallery)) for one in references
        )
    return tuple(
        InstanceSearch(one, (target,), (True,)) for one, own in zip(references, targets, strict=True) for target in own
    )


def _share(frame: InstanceFrame, protocol: InstanceProtocol) -> float:
    """Of the prepared picture that is the mask; the picture itself is not read."""
    mask = frame.mask()
    return float(_framed(frame, mask, protocol).labels(mask).mean())


def _framed(frame: InstanceFrame, mask: NDArray[np.bool_], protocol: InstanceProtocol) -> Framing:
    rows, columns = np.nonzero(mask)
    if not rows.size:
        raise InputError(f"The mask of {frame.key} is empty; leave the frame out.")
    around = float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)
    return framing_of(mask.shape, protocol.fit, protocol.side, around)


def _extent(points: NDArray[np.float64]) -> Box | None:
    """The box around points (n, 2)."""
    if not len(points):
        return None
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    return left, top, right, bottom


def _refuse_apart(key: str, picture: Image.Image, truth: NDArray) -> None:
    if (picture.height, picture.width) != truth.shape:
        raise InputError(
            f"{key}: the picture is {picture.height} x {picture.width} and its truth {truth.shape[0]} x "
            f"{truth.shape[1]} (height x width); one of the files is not of this set."
        )
