"""Distances are distances, boxes hold what they bound, frames undo themselves."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerlight.world.shapes import Box, Clip, Ellipse, Frame, Limb, Polygon, Shape, similarity
from innerlight.world.sketch import Sketch

SMALL = st.floats(-2, 2)
TURNS = st.floats(-180, 180)


def shapes() -> dict[str, Shape]:
    place = similarity(0.1, -0.2, 1.3, 25)
    frame = Frame(0.0, 0.0, 0.8, 0.0, 0.0, 0.5).within(place)
    corners = ((-1.0, -1.0), (1.0, -0.6), (0.3, 0.1), (1.0, 1.0), (-0.8, 0.7))
    return {
        "circle": Ellipse("p", "k", Frame(0.2, 0.1, 0.7, 0.0, 0.0, 0.7)),
        "ellipse": Ellipse("p", "k", frame),
        "ring": Ellipse("p", "k", Frame(0.0, 0.0, 0.7, 0.0, 0.0, 0.7), hollow=0.1),
        "dome": Ellipse("p", "k", frame, Clip(0.0, 1.0, 0.0)),
        "limb": Limb("p", "k", Frame(-0.05, 0.35, 0.45, 0.15, -0.1, 0.3), start=0.3, end=0.15),
        "box": Box("p", "k", frame, round=0.1),
        "polygon": Polygon("p", "k", frame, corners=corners, round=0.05),
    }


def field(shape: Shape, side: int = 241, reach: float = 2.0):
    axis = np.linspace(-reach, reach, side)
    return axis, shape.distance(axis[None, :], axis[:, None])


@pytest.mark.parametrize("name", shapes())
def test_the_sign_changes_inside_the_bounds(name: str):
    shape = shapes()[name]
    axis, distance = field(shape)
    left, top, right, bottom = shape.bounds()
    rows, columns = np.nonzero(distance < 0)
    step = axis[1] - axis[0]
    assert rows.size > 20
    assert axis[columns.min()] >= left - step
    assert axis[columns.max()] <= right + step
    assert axis[rows.min()] >= top - step
    assert axis[rows.max()] <= bottom + step
    # and the box is tight: within 2 % of its size
    slack = 0.02 * (right - left) + 1.5 * step
    assert abs(axis[columns.min()] - left) < slack
    assert abs(axis[columns.max()] - right) < slack


@pytest.mark.parametrize("name", shapes())
def test_near_its_edge_the_field_is_a_distance(name: str):
    """Going along the gradient by |d| from a point near the edge reaches the edge."""
    axis, distance = field(shapes()[name])
    step = axis[1] - axis[0]
    slope = np.hypot(*np.gradient(distance, step))
    near = (np.abs(distance) < 3 * step) & (np.abs(distance) > 0.3 * step)
    assert 0.9 < np.median(slope[near]) < 1.1
    assert np.quantile(np.abs(slope[near] - 1), 0.8) < 0.2


@pytest.mark.parametrize("name", ["limb", "box", "polygon", "circle"])
def test_outside_the_field_is_the_distance_to_the_nearest_inside_point(name: str):
    shape = shapes()[name]
    axis, distance = field(shape, 121)
    inside = np.argwhere(distance <= 0)
    for row, column in [(5, 5), (110, 20), (60, 118), (8, 70)]:
        nearest = np.hypot(*(inside - (row, column)).T).min() * (axis[1] - axis[0])
        assert distance[row, column] == pytest.approx(nearest, abs=0.06)


@given(x=SMALL, y=SMALL, turn=TURNS, mirror=st.booleans(), a=SMALL, b=SMALL)
def test_frames_undo_themselves(x: float, y: float, turn: float, mirror: bool, a: float, b: float):
    frame = Frame(0.3, 0.1, 0.5, 0.2, -0.2, 0.5).within(similarity(x, y, 1.7, turn, mirror))
    assert frame.canonical(*frame.point(a, b)) == pytest.approx((a, b), abs=1e-9)


@given(
    turn=TURNS,
    mirror=st.booleans(),
    scale=st.floats(0.1, 50),
    px=SMALL,
    py=SMALL,
    name=st.sampled_from(sorted(shapes())),
)
def test_placing_a_shape_scales_its_distances(turn, mirror, scale, px, py, name):
    shape, place = shapes()[name], similarity(3.0, -4.0, scale, turn, mirror)
    qx, qy = place.point(px, py)
    here = shape.distance(np.array([[px]]), np.array([[py]])).item()
    there = shape.placed(place).distance(np.array([[qx]]), np.array([[qy]])).item()
    assert there == pytest.approx(here * scale, rel=1e-4, abs=1e-5 * scale)


def test_a_sketch_moves_what_is_drawn_inside_at():
    sketch = Sketch()
    sketch.layer("main")
    with sketch.at(1.0, 2.0, turn=90, size=2.0):
        sketch.ellipse("head", 0.5, 0.0, 0.1, 0.2)
        sketch.point("nose", 0.5, 0.0)
    figure = sketch.figure()
    assert figure.shapes[0].frame.point(0, 0) == pytest.approx((1.0, 3.0))
    assert figure.shapes[0].frame.width == pytest.approx(0.2)
    anchor = figure.keypoints["nose"]
    assert (anchor.a, anchor.b) == pytest.approx((0, 0), abs=1e-9)


def test_a_path_is_a_chain_without_gaps():
    sketch = Sketch()
    sketch.layer("main")
    sketch.curve("tail", (0, 0), (1, 0), (1, 1), 0.2, 0.1, pieces=5)
    shapes = sketch.figure().shapes
    assert [shape.key for shape in shapes] == [f"tail.{k}" for k in range(5)]
    for one, other in itertools.pairwise(shapes):
        assert one.frame.point(1, 0) == pytest.approx(other.frame.point(-1, 0))
        assert math.isclose(one.end, other.start)
