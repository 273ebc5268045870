"""The drawings of animals: names, keypoints and colours hold in every pose, build and sway, and across species."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from innerlight.world.draw import Render, render
from innerlight.world.scene import Look, Scene, Thing
from innerlight.world.shapes import Ellipse, Limb
from innerlight.world.sketch import Figure, Sketch
from innerlight.world.things import CATEGORIES, Build

QUADRUPEDS = ("cat", "dog", "horse", "zebra", "giraffe", "elephant")
NAMES = (*QUADRUPEDS, "bird", "fish", "frog", "butterfly")
POSES = [(name, pose) for name in NAMES for pose in CATEGORIES[name].poses]
CARRIERS = {"dog", "horse", "zebra", "elephant"}  # others can stand on their backs

# What is the same on all six: the body, the legs, an eye.
SHARED_KEYS = {
    "body",
    "rump",
    "chest",
    "neck",
    "head",
    "ear_near",
    "eye_near",
    "pupil_near",
    "gleam_near",
    "tail.0",
} | {f"leg_{end}_{side}.{piece}" for end in ("front", "back") for side in ("near", "far") for piece in range(3)}
SHARED_POINTS = {"nose", "eye_near", "ear_near", "neck", "back", "tail_tip"} | {
    f"paw_{end}_{side}" for end in ("front", "back") for side in ("near", "far")
}
# Keypoints that lie behind something else in the plain pose.
HIDDEN = {("elephant", "neck"), ("bird", "wing_far")}


@cache
def figures(name: str, pose: str) -> tuple[Figure, ...]:
    """The ordinary individual first, then extreme ones, each in every extreme sway."""
    proportions = CATEGORIES[name].proportions
    builds = [dict.fromkeys(proportions, share) for share in (1.0, 0.82, 1.18)]
    builds += [{part: share} for part in proportions for share in (0.82, 1.18)]
    drawn = []
    for shares in builds:
        for sway in (0.0, -1.0, 1.0):
            sketch = Sketch()
            CATEGORIES[name].draw(sketch, pose, Build(shares), sway)
            drawn.append(sketch.figure())
    return tuple(drawn)


@cache
def drawn(name: str, pose: str, build: int) -> Render:
    """A plain individual, alone and large."""
    shares = (build,) * len(CATEGORIES[name].proportions)
    look = Look(name, "red", "white", "blue", "plain", 170, 0, "none", (), shares)
    thing = Thing(look, pose, 0, False, 0, "medium", 9000, 5000, 9500, grounded=False)
    return render(Scene(0, 10_000, 10_000, "sky", 0, 4000, "photo", (thing,), (0,), ()), 96, 96)


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_keys_are_unique_and_do_not_depend_on_pose(name: str, pose: str) -> None:
    plain = {shape.key for shape in figures(name, CATEGORIES[name].poses[0])[0].shapes}
    for figure in figures(name, pose):
        keys = [shape.key for shape in figure.shapes]
        assert len(keys) == len(set(keys))
        assert set(keys) == plain


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_keypoints_lie_inside_their_shapes(name: str, pose: str) -> None:
    plain = set(figures(name, CATEGORIES[name].poses[0])[0].keypoints)
    assert 5 <= len(plain) <= 12
    for figure in figures(name, pose):
        assert set(figure.keypoints) == plain
        for keypoint, (number, a, b) in figure.keypoints.items():
            shape = figure.shapes[number]
            x, y = shape.frame.point(a, b)
            distance = float(shape.distance(np.array([[x]], np.float32), np.array([[y]], np.float32))[0, 0])
            assert distance < -0.005 * figure.span, f"{keypoint} in {shape.key}"


@pytest.mark.parametrize("name", NAMES)
def test_keypoints_are_seen_in_the_plain_pose(name: str) -> None:
    result = drawn(name, CATEGORIES[name].poses[0], 1000)
    (placed,) = result.placed
    for keypoint, (number, a, b) in placed.figure.keypoints.items():
        x, y = placed.shapes[number].frame.point(a, b)
        seen = result.owners[int(y), int(x)] == placed.first + number
        assert seen != ((name, keypoint) in HIDDEN), keypoint


@pytest.mark.parametrize("name", QUADRUPEDS)
def test_quadrupeds_share_their_body(name: str) -> None:
    figure = figures(name, "standing")[0]
    assert SHARED_KEYS.issubset(shape.key for shape in figure.shapes)
    assert SHARED_POINTS.issubset(figure.keypoints)
    # what corresponds has the same coordinates: an ear runs from its root to its tip, an eye is round
    kinds = {shape.key: type(shape) for shape in figure.shapes}
    assert (kinds["ear_near"], kinds["tail.0"], kinds["head"], kinds["eye_near"]) == (Limb, Limb, Ellipse, Ellipse)


def test_parts_of_one_key_have_one_name_everywhere() -> None:
    parts: dict[str, str] = {}
    for name, pose in POSES:
        for shape in figures(name, pose)[0].shapes:
            assert parts.setdefault(shape.key, shape.part) == shape.part, shape.key


@pytest.mark.parametrize(("name", "pose"), [(n, p) for n, p in POSES if n in QUADRUPEDS and p != "jumping"])
def test_at_least_two_feet_stand_on_the_ground(name: str, pose: str) -> None:
    for figure in figures(name, pose):
        soles = [shape.bounds()[3] for shape in figure.shapes if shape.key.startswith("leg") and shape.key[-1] == "2"]
        assert len(soles) == 4
        assert sum(sole > figure.bounds[3] - 0.04 * figure.span for sole in soles) >= 2


@pytest.mark.parametrize(("name", "pose"), POSES)
def test_others_can_stand_on_level_backs_and_be_held(name: str, pose: str) -> None:
    for figure in figures(name, pose):
        left, top, right, bottom = figure.bounds
        assert figure.hand is not None
        assert left <= figure.hand[0] <= right
        assert top <= figure.hand[1] <= bottom
        if pose == "standing":
            assert (figure.support is not None) == (name in CARRIERS)
        if figure.support:
            assert left < figure.support[0] < figure.support[1] < right
            assert top < figure.support[2] < bottom


@pytest.mark.parametrize("build", [820, 1180])
@pytest.mark.parametrize(("name", "pose"), POSES)
def test_the_colour_word_is_that_of_most_of_the_animal(name: str, pose: str, build: int) -> None:
    result = drawn(name, pose, build)
    layers = [layer for layer in result.placed[0].figure.layers for _ in layer.shapes]  # of each shape
    area = np.bincount(result.owners[result.owners > 0] - 1, minlength=len(layers)) / (result.owners > 0).sum()
    shares = Counter[str]()
    for layer, share in zip(layers, area.tolist(), strict=True):
        shares[layer.paint] += share
    assert shares["main"] + shares["shade"] + shares["light"] >= 0.6
    assert shares.most_common(1)[0][0] == "main"
    assert shares["main"] >= 0.5
    assert sum(share for layer, share in zip(layers, area.tolist(), strict=True) if layer.coat) >= 0.4
