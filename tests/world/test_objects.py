"""The drawings of things and plain shapes: names, keypoints, anchors and colours hold in every pose and build."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from innerlight.world.draw import render
from innerlight.world.scene import Look, Scene, Thing
from innerlight.world.sketch import Figure, Sketch
from innerlight.world.things import CATEGORIES, Build
from innerlight.world.truth import part_names

NAMES = (
    "house", "castle", "car", "bicycle", "chair", "table", "clock", "mug", "teapot", "balloon", "umbrella", "tree",
    "apple", "cube", "ball", "star",
)  # fmt: skip
STANDS_ON = {"table", "chair", "cube", "car", "castle"}
LOOKS_OUT_OF = {"castle", "car", "mug"}
HELD = {"balloon", "umbrella", "star", "apple", "mug", "teapot", "ball", "clock"}
OWN_COLOURS = {"main", "shade", "light"}  # what the colour word of a thing stands for
POSES = [(name, pose) for name in NAMES for pose in CATEGORIES[name].poses]


def builds(name: str) -> list[dict[str, float]]:
    """The ordinary individual and the extreme ones: all small, all large, small and large by turns, one by one."""
    proportions = CATEGORIES[name].proportions
    uniform = [dict.fromkeys(proportions, share) for share in (1.0, 0.82, 1.18)]
    by_turns = [{part: (0.82, 1.18)[(k + odd) % 2] for k, part in enumerate(proportions)} for odd in (0, 1)]
    return uniform + by_turns + [{part: share} for part in proportions for share in (0.82, 1.18)]


@cache
def figures(name: str, pose: str) -> list[Figure]:
    """Every extreme individual, in every extreme sway."""
    drawn = []
    for shares in builds(name):
        for sway in (-1.0, 0.0, 1.0):
            sketch = Sketch()
            CATEGORIES[name].draw(sketch, pose, Build(shares), sway)
            drawn.append(sketch.figure())
    return drawn


def area_by_layer(name: str, pose: str, build: int) -> dict[int, int]:
    """Pixels seen of each layer in a render."""
    kind = CATEGORIES[name]
    look = Look(name, "red", "white", "blue", "plain", 170, 0, "none", (), (build,) * len(kind.proportions))
    thing = Thing(look, pose, 0, False, 0, "medium", 9000, 5000, 9500, grounded=False)
    drawn = render(Scene(0, 10_000, 10_000, "sky", 0, 4000, "photo", (thing,), (0,), ()), 96, 96)
    layers = drawn.placed[0].figure.layers
    owner = np.repeat(np.arange(len(layers)), [len(layer.shapes) for layer in layers])
    seen = owner[drawn.owners[drawn.owners > 0] - 1]
    return dict(enumerate(np.bincount(seen, minlength=len(layers)).tolist()))


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_keys_are_unique_and_do_not_depend_on_pose(name: str, pose: str) -> None:
    plain = {shape.key for shape in figures(name, CATEGORIES[name].poses[0])[0].shapes}
    for figure in figures(name, pose):
        keys = [shape.key for shape in figure.shapes]
        assert len(keys) == len(set(keys))
        assert set(keys) == plain


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_parts_are_those_that_part_maps_can_name(name: str, pose: str) -> None:
    assert {shape.part for shape in figures(name, pose)[0].shapes} <= set(part_names().values())


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_keypoints_lie_inside_their_shapes(name: str, pose: str) -> None:
    plain = set(figures(name, CATEGORIES[name].poses[0])[0].keypoints)
    assert 5 <= len(plain) <= 12
    for figure in figures(name, pose):
        assert set(figure.keypoints) == plain
        for keypoint, (number, a, b) in figure.keypoints.items():
            shape = figure.shapes[number]
            x, y = shape.frame.point(a, b)
            around = np.array((-0.003, 0.003), np.float32) * np.float32(figure.span)
            assert (shape.distance(x + around[None, :], y + around[:, None]) < 0).all(), f"{keypoint} in {shape.key}"


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_others_find_where_to_stand_look_out_and_hold(name: str, pose: str) -> None:
    for figure in figures(name, pose):
        left, top, right, bottom = figure.bounds
        assert (figure.support is not None) == (name in STANDS_ON)
        assert (figure.opening is not None) == (name in LOOKS_OUT_OF)
        assert (figure.grip is not None) == (name in HELD)
        for line in filter(None, (figure.support, figure.opening)):
            assert left <= line[0] < line[1] - 0.2 * (right - left)
            assert line[1] <= right
            assert top <= line[2] <= bottom
        if figure.grip:
            assert left <= figure.grip[0] <= right
            assert top <= figure.grip[1] <= bottom
        if figure.opening:
            assert any(layer.behind for layer in figure.layers)


@pytest.mark.parametrize("build", [820, 1000, 1180])
@pytest.mark.parametrize(("name", "pose"), POSES)
def test_the_colour_word_is_that_of_most_of_the_thing(name: str, pose: str, build: int) -> None:
    area = area_by_layer(name, pose, build)
    layers = figures(name, pose)[0].layers
    total = sum(area.values())
    shares: dict[str, float] = {}
    for number, layer in enumerate(layers):
        shares[layer.paint] = shares.get(layer.paint, 0.0) + area[number] / total
    assert sum(shares.get(paint, 0.0) for paint in OWN_COLOURS) >= 0.6
    assert shares["main"] == max(shares.values())
    assert shares["main"] >= 0.4
    if CATEGORIES[name].patterns:
        assert sum(area[number] for number, layer in enumerate(layers) if layer.coat) >= 0.4 * total
