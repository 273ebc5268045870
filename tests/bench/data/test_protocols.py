"""Protocols print themselves and prepare what they say, on rectangles; points come back to where they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from innerlight.bench.data import (
    IGNORE,
    PROTOCOLS,
    Fit,
    InstanceFrame,
    InstanceProtocol,
    PointPair,
    PointsProtocol,
    SegmentationItem,
    SegmentationProtocol,
    framing_of,
    prepare_frame,
    prepare_labels,
    prepare_pair,
    searches,
    size_of,
)
from innerlight.bench.data.items import table_of
from innerlight.files import write_labels, write_picture
from innerlight.types import InputError

SIZED = [fit for fit in get_args(Fit) if fit != "as is"]
sides = st.integers(1, 60)


def framing(height: int, width: int, fit: Fit, side: int):
    return framing_of((height, width), fit, side, (0.0, 0.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("fit", "prepared", "corner"),
    [  # a picture of 40 x 100 and the place of its point (30, 10)
        ("squash", (20, 20), (6, 5)),
        ("long side", (8, 20), (6, 2)),
        ("short side", (20, 20), (0, 5)),
        ("centre crop", (20, 20), (0, 5)),
        ("object crop", (20, 20), (12.5, 5)),
    ],
)
def test_sizes_and_places(fit: Fit, prepared: tuple[int, int], corner: tuple[float, float]):
    frame = framing_of((40, 100), fit, 20, (5.0, 3.0, 15.0, 30.0))
    assert frame.prepared == prepared
    assert frame.points([(30, 10)]).tolist() == [list(corner)]
    assert frame.box((30, 10, 32, 12))[:2] == corner
    assert frame.labels(np.zeros((40, 100), int)).shape == prepared
    assert frame.picture(Image.new("RGB", (100, 40))).size == prepared[::-1]


def test_as_it_is():
    frame = framing_of((3, 5), "as is")
    labels = np.arange(15).reshape(3, 5)
    assert np.array_equal(frame.labels(labels), labels)
    assert np.array_equal(frame.labels_back(labels, 99), labels)
    assert frame.points([(1.25, 2)]).tolist() == [[1.25, 2]]


@given(sides, sides, sides, st.sampled_from(SIZED), st.lists(st.tuples(st.floats(-9, 99), st.floats(-9, 99))))
def test_points_come_back(height: int, width: int, side: int, fit: Fit, points: Sequence[tuple[float, float]]):
    frame = framing(height, width, fit, side)
    given_points = np.array(points, float).reshape(-1, 2)
    assert np.allclose(frame.points_back(frame.points(given_points)), given_points)


@given(sides, sides, sides, st.sampled_from(SIZED))
def test_labels_keep_to_the_pixel_under_their_centre(height: int, width: int, side: int, fit: Fit):
    frame = framing(height, width, fit, side)
    labels = np.arange(height * width).reshape(height, width)
    prepared = frame.labels(labels)
    assert prepared.shape == frame.prepared
    rows, columns = np.indices(prepared.shape)
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], 1)
    x, y = frame.points_back(centres).T
    taken = np.stack([prepared.ravel() % width, prepared.ravel() // width], 1)
    assert (np.abs(taken + 0.5 - np.stack([x, y], 1)) <= 0.5 + 1e-9).all()


@given(sides, sides, st.integers(1, 4), st.sampled_from(SIZED))
def test_enlarged_labels_come_back_whole(height: int, width: int, factor: int, fit: Fit):
    side = factor * (max if fit in ("squash", "long side") else min)(height, width)
    frame = framing(height, width, fit, side)
    labels = np.random.default_rng(0).integers(0, 5, (height, width))
    back = frame.labels_back(frame.labels(labels), IGNORE)
    assert back.shape == labels.shape
    known = back != IGNORE
    assert np.array_equal(back[known], labels[known])
    assert known.sum() == (height * width if fit in ("squash", "long side") else min(height, width) ** 2)


def test_the_picture_moves_with_its_points():
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[12:20, 60:68] = 255  # its middle at (64, 16)
    for fit in SIZED:
        frame = framing_of((40, 100), fit, 40, (55.0, 5.0, 70.0, 25.0))
        made = np.asarray(frame.picture(Image.fromarray(picture)))[..., 0] / 255
        rows, columns = np.indices(made.shape)
        middle = [(made * (along + 0.5)).sum() / made.sum() for along in (columns, rows)]
        assert np.abs(frame.points([(64, 16)]) - [middle]).max() < 0.3, fit


@pytest.mark.parametrize(
    ("around", "left"),
    [((40, 0, 60, 40), 30), ((5, 0, 20, 9), 5), ((80, 0, 97, 9), 57), ((10, 0, 90, 40), 50), ((-3, 0, 8, 9), 0)],
)
def test_the_square_moves_to_the_object(around: tuple[float, float, float, float], left: int):
    assert framing_of((40, 100), "object crop", 10, around).cut == (left, 0, left + 40, 40)
    turned = (around[1], around[0], around[3], around[2])
    assert framing_of((100, 40), "object crop", 10, turned).cut == (0, left, 40, left + 40)


@pytest.mark.parametrize(
    ("fit", "side", "says"),
    [
        ("stretch", 3, "fit is one of"),
        ("as is", 3, "no side"),
        ("squash", None, "needs a side"),
        ("squash", 0, "needs a side"),
        ("squash", 2.5, "needs a side"),
        ("object crop", 3, "needs the box"),
    ],
)
def test_a_rule_that_is_none_is_refused(fit: Any, side: Any, says: str):
    with pytest.raises(InputError, match=says):
        framing_of((4, 6), fit, side)


def test_a_framing_is_of_one_size():
    frame = framing_of((4, 6), "squash", 3)
    with pytest.raises(InputError, match=r"\(6, 4\)"):
        frame.labels(np.zeros((6, 4)))
    with pytest.raises(InputError, match="this framing is of"):
        frame.picture(Image.new("RGB", (4, 6)))
    with pytest.raises(InputError, match="prepared picture"):
        frame.labels_back(np.zeros((4, 6), int), 0)
    with pytest.raises(InputError, match="x before y"):
        frame.points([1, 2, 3])


def test_every_protocol_is_one_line_that_says_all():
    lines = [str(protocol) for protocol in PROTOCOLS.values()]
    assert len({*lines}) == len(lines) >= 12
    for name, protocol in PROTOCOLS.items():
        line = str(protocol)
        assert "\n" not in line
        assert line.startswith(f"{name}: {protocol.data}")
        assert protocol.source in line
        assert protocol.side is None or str(protocol.side) in line
    assert "in each picture by hits" in str(PROTOCOLS["diffseg_coco"])
    assert "whole set by hits" in str(PROTOCOLS["picie_coco"])
    assert "averaged by point" in str(PROTOCOLS["spair"])
    assert "target keypoints" in str(PROTOCOLS["pf_willow"])
    assert "0.005" in str(PROTOCOLS["permir"])
    assert "ties pessimistic" in str(PROTOCOLS["permir"])
    assert "pooled by set" in str(PROTOCOLS["permis"])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_changes_a_score_changes_the_line(name: str):
    protocol = PROTOCOLS[name]
    changes: dict[type, list[dict[str, Any]]] = {
        SegmentationProtocol: [
            {"fit": "squash", "side": 7}, {"by": "IoU", "matching": "image"}, {"classes": 3}, {"ignore": 0},
            {"scored": "prepared" if getattr(protocol, "scored", "") == "original" else "original"},
        ],
        PointsProtocol: [
            {"fit": "squash", "side": 7}, {"alphas": (0.2,)}, {"size": "image"}, {"averaging": "category"},
        ],
        InstanceProtocol: [
            {"fit": "squash", "side": 7}, {"smallest": 0.1}, {"task": "segmentation", "pooling": "pair"},
            {"task": "retrieval", "ties": "average"}, {"frames": "random"},
        ],
    }  # fmt: skip
    for change in changes[type(protocol)]:
        other = replace(protocol, **change)
        assert (str(other) == str(protocol)) == (other == protocol)


@pytest.mark.parametrize(
    "change",
    [
        {"matching": "class"}, {"by": "area"}, {"scored": "later"}, {"fit": "squash", "side": None},
    ],
)  # fmt: skip
def test_a_segmentation_protocol_that_is_none_is_refused(change: dict[str, Any]):
    with pytest.raises(InputError):
        replace(PROTOCOLS["picie_coco"], **change)


@pytest.mark.parametrize("change", [{"size": "box"}, {"averaging": "mean"}, {"alphas": ()}, {"alphas": (0.1, 0)}])
def test_a_points_protocol_that_is_none_is_refused(change: dict[str, Any]):
    with pytest.raises(InputError):
        replace(PROTOCOLS["spair"], **change)


@pytest.mark.parametrize(
    "change", [{"task": "x"}, {"targets": "x"}, {"reference": "x"}, {"smallest": 1.0}, {"ties": "x"}, {"pooling": "x"}]
)
def test_an_instance_protocol_that_is_none_is_refused(change: dict[str, Any]):
    with pytest.raises(InputError):
        replace(PROTOCOLS["permir"], **change)


def test_labels_are_prepared_with_their_picture(tmp_path: Path):
    labels = np.zeros((20, 50), np.uint8)
    labels[:, 25:] = 2
    labels[:3] = IGNORE
    write_labels(labels, tmp_path / "truth.png")
    write_picture(np.where(labels[..., None] == 2, 255, 0).astype(np.uint8).repeat(3, 2), tmp_path / "picture.png")
    table = table_of({0: 0, 2: 2, 255: IGNORE})
    item = SegmentationItem("k", tmp_path / "picture.png", tmp_path / "truth.png", ("a", "b", "c"), table, "0..2")
    protocol = SegmentationProtocol("p", "d", "s", 3, "centre crop", 40)
    prepared = prepare_labels(item, protocol)
    assert prepared.picture.size == (40, 40)
    assert {*np.unique(prepared.labels)} == {0, 2, IGNORE}
    assert (prepared.labels[:6] == IGNORE).all()
    assert (prepared.labels[6:, :20] == 0).all()
    assert (prepared.labels[6:, 20:] == 2).all()
    assert np.asarray(prepared.picture)[20, 25].tolist() == [255] * 3
    write_picture(np.zeros((21, 50, 3), np.uint8), tmp_path / "picture.png")
    with pytest.raises(InputError, match="21 x 50"):
        prepare_labels(item, protocol)


@pytest.fixture
def pair(tmp_path: Path) -> PointPair:
    write_picture(np.zeros((30, 40, 3), np.uint8), tmp_path / "a.png")
    write_picture(np.zeros((20, 50, 3), np.uint8), tmp_path / "b.png")
    source, target = np.array([[4, 6], [20, 15], [1, 1.0]]), np.array([[5, 2], [30, 10], [49, 19.0]])
    visible, box = np.array([True, True, False]), (3.0, 1.0, 45.0, 13.0)
    return PointPair(
        "k", "cat", tmp_path / "a.png", tmp_path / "b.png", source, target, visible, ("1", "2", "3"), box, box
    )


def test_points_are_prepared_with_their_pictures(pair: PointPair):
    protocol = PointsProtocol("p", "d", "s", "squash", 100)
    prepared = prepare_pair(pair, protocol)
    assert prepared.source.size == prepared.target.size == (100, 100)
    assert np.allclose(prepared.source_points, [[10, 20], [50, 50]])
    assert np.allclose(prepared.target_points, [[10, 10], [60, 50]])
    assert np.allclose(prepared.target_framing.points_back(prepared.target_points), pair.seen()[1])
    assert prepared.size == 42


def test_the_size_that_alpha_is_a_share_of(pair: PointPair):
    protocol = PointsProtocol("p", "d", "s")
    assert size_of(pair, protocol) == 42
    assert size_of(pair, replace(protocol, size="target keypoints")) == 25  # of those seen in both
    assert size_of(pair, replace(protocol, size="image")) == 50
    assert prepare_pair(pair, replace(protocol, size="image", fit="squash", side=8)).size == 50
    with pytest.raises(InputError, match="no target box"):
        size_of(replace(pair, target_box=None), protocol)
    alone = replace(pair, visible=np.array([True, False, False]))
    with pytest.raises(InputError, match="no target keypoints"):
        size_of(alone, replace(protocol, size="target keypoints"))


def frame(instance: str, number: int, side: int, path: Path = Path("none.png")) -> InstanceFrame:
    mask: NDArray[np.bool_] = np.zeros((100, 160), bool)
    mask[:side, :side] = True
    return InstanceFrame(f"{instance}/{number}", path, instance, "dog", number, lambda: mask)


def test_an_individual_is_searched_among_all_others():
    sides_of = {"a": (10, 30, 20), "b": (40, 9, 9), "c": (50, 6, 30)}  # the second of c is under 0.005
    frames = [frame(name, k, side) for name, sides in sides_of.items() for k, side in enumerate(sides)]
    found = searches(frames, PROTOCOLS["permir"])  # type: ignore[arg-type]
    assert [one.reference.key for one in found] == ["a/1", "b/0"]
    assert [target.key for target in found[0].targets] == ["a/0", "a/2", "b/1", "b/2"]
    assert found[0].right == (True, True, False, False)
    assert found[1].right == (False, False, True, True)
    assert found[0].targets is found[1].targets


def test_an_individual_is_shown_and_asked_for():
    frames = [frame("a", 0, 6), frame("a", 1, 30), frame("b", 0, 40), frame("b", 1, 6)]
    found = searches(frames, PROTOCOLS["permis"])  # type: ignore[arg-type]
    assert [(one.reference.key, one.targets[0].key) for one in found] == [("a/0", "a/1")]  # b's target is too small
    assert found[0].right == (True,)
    frames.append(frame("b", 2, 20))
    found = searches(frames, PROTOCOLS["perseg"])  # type: ignore[arg-type]
    assert [(one.reference.key, one.targets[0].key) for one in found] == [
        ("a/0", "a/1"), ("b/0", "b/1"), ("b/0", "b/2"),
    ]  # fmt: skip


def test_a_frame_is_prepared_around_its_individual(tmp_path: Path):
    mask = np.zeros((20, 60), bool)
    mask[5:10, 50:60] = True
    write_picture(np.where(mask[..., None], 255, 0).astype(np.uint8).repeat(3, 2), tmp_path / "a.png")
    one = InstanceFrame("a/0", tmp_path / "a.png", "a", "dog", 0, lambda: mask)
    prepared = prepare_frame(one, PROTOCOLS["permir"])  # type: ignore[arg-type]
    assert prepared.framing.cut == (40, 0, 60, 20)
    assert prepared.mask.shape == (512, 512)
    assert prepared.share == pytest.approx(50 / 400, abs=0.01)
    seen = np.asarray(prepared.picture)[..., 0] > 127
    assert (seen == prepared.mask).mean() > 0.99
    nothing = InstanceFrame("a/1", tmp_path / "a.png", "a", "dog", 1, lambda: np.zeros((20, 60), bool))
    with pytest.raises(InputError, match="a/1 is empty"):
        prepare_frame(nothing, PROTOCOLS["permir"])  # type: ignore[arg-type]
