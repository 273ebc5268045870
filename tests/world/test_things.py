"""What every drawing owes, over the registry of categories: names, keypoints, anchors and colours, in every extreme."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from drawings import POSES, figures, portrait

from innerlight.world.things import CATEGORIES
from innerlight.world.truth import part_names

STANDS_ON = {"table", "chair", "cube", "car", "castle"}
STANDS_ON_WHEN_STANDING = {"dog", "horse", "zebra", "elephant"}
LOOKS_OUT_OF = {"castle", "car", "mug"}
HELD = {"balloon", "umbrella", "star", "apple", "mug", "teapot", "ball", "clock"}
OWN_COLOURS = ("main", "shade", "light")  # what the colour word of a thing stands for


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_keys_are_unique_and_do_not_depend_on_pose(name: str, pose: str):
    plain = {shape.key for shape in figures(name, CATEGORIES[name].poses[0])[0].shapes}
    for figure in figures(name, pose):
        keys = [shape.key for shape in figure.shapes]
        assert len(keys) == len(set(keys))
        assert set(keys) == plain
        assert {shape.part for shape in figure.shapes} <= set(part_names().values())


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_keypoints_lie_inside_their_shapes(name: str, pose: str):
    plain = set(figures(name, CATEGORIES[name].poses[0])[0].keypoints)
    assert 5 <= len(plain) <= 12
    for figure in figures(name, pose):
        assert set(figure.keypoints) == plain
        for keypoint, (number, a, b) in figure.keypoints.items():
            shape = figure.shapes[number]
            x, y = shape.frame.point(a, b)
            around = np.array((-0.003, 0.003)) * figure.span
            assert (shape.distance(x + around[None, :], y + around[:, None]) < 0).all(), f"{keypoint} in {shape.key}"


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_others_find_where_to_stand_look_out_and_hold(name: str, pose: str):
    for figure in figures(name, pose):
        left, top, right, bottom = figure.bounds
        if CATEGORIES[name].kind != "animal":
            assert (figure.support is not None) == (name in STANDS_ON)
        elif pose == "standing":
            assert (figure.support is not None) == (name in STANDS_ON_WHEN_STANDING)
        assert (figure.hand is not None) == (CATEGORIES[name].kind == "animal")
        assert (figure.opening is not None) == (name in LOOKS_OUT_OF)
        assert (figure.grip is not None) == (name in HELD)
        for line in filter(None, (figure.support, figure.opening)):
            assert left <= line[0] < line[1] <= right
            assert top <= line[2] <= bottom
        for x, y in filter(None, (figure.hand, figure.grip)):
            assert left <= x <= right
            assert top <= y <= bottom
        if figure.opening:
            assert any(layer.behind for layer in figure.layers)


@pytest.mark.parametrize("build", [820, 1000, 1180])
@pytest.mark.parametrize(("name", "pose"), POSES)
def test_the_colour_word_is_that_of_most_of_the_thing(name: str, pose: str, build: int):
    drawn = portrait(name, pose, build)
    layers = [layer for layer in drawn.placed[0].figure.layers for _ in layer.shapes]  # of each shape
    mine = drawn.owners[drawn.owners > 0] - 1
    area = (np.bincount(mine, minlength=len(layers)) / mine.size).tolist()
    shares = Counter[str]()
    for layer, share in zip(layers, area, strict=True):
        shares[layer.paint] += share
    assert sum(shares[paint] for paint in OWN_COLOURS) >= 0.6
    assert shares.most_common(1)[0][0] == "main"
    assert shares["main"] >= 0.4
    if CATEGORIES[name].patterns:
        assert sum(share for layer, share in zip(layers, area, strict=True) if layer.coat) >= 0.4
