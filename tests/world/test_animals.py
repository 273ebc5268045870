"""What animals owe beyond other things: bodies that correspond across species, feet on the ground."""

from __future__ import annotations

import pytest
from drawings import figures, portrait

from innerlight.world.shapes import Ellipse, Limb
from innerlight.world.things import CATEGORIES

QUADRUPEDS = ("cat", "dog", "horse", "zebra", "giraffe", "elephant")
NAMES = (*QUADRUPEDS, "bird", "fish", "frog", "butterfly")
POSES = [(name, pose) for name in NAMES for pose in CATEGORIES[name].poses]

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


@pytest.mark.parametrize("name", NAMES)
def test_keypoints_are_seen_in_the_plain_pose(name: str) -> None:
    result = portrait(name, CATEGORIES[name].poses[0], 1000)
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
