"""Pictures and their truth: deterministic, in agreement, the same at every size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from innerlight.types import InputError
from innerlight.world import truth
from innerlight.world.draw import fit, render
from innerlight.world.figures import box_of
from innerlight.world.layout import sample
from innerlight.world.scene import SETTINGS, STYLES, UNIT

SEEDS = st.integers(0, 99_999)


@given(seed=SEEDS, height=st.integers(1, 90), width=st.integers(1, 90))
def test_any_size_can_be_drawn_and_is_the_same_again(seed: int, height: int, width: int):
    one, other = (render(sample(seed), height, width) for _ in range(2))
    assert one.picture.shape == (height, width, 3)
    assert one.picture.dtype == np.uint8
    assert (one.picture == other.picture).all()
    assert (one.owners == other.owners).all()


@given(seed=SEEDS)
def test_part_maps_nest_in_semantic_maps_and_these_in_instances(seed: int):
    drawn = render(sample(seed), 96, 96)
    semantic, parts, things = truth.semantic(drawn), truth.parts(drawn), truth.instances(drawn)
    assert ((semantic.labels > 0) == (things > 0)).all()
    assert ((parts.labels > 0) == (things > 0)).all()
    for number, placed in enumerate(drawn.placed):
        mine = things == number + 1
        assert {semantic.names[k] for k in np.unique(semantic.labels[mine])} <= {placed.thing.look.category}
        assert {parts.names[k] for k in np.unique(parts.labels[mine])} <= {shape.part for shape in placed.shapes}


@given(seed=SEEDS)
def test_keypoints_lie_in_their_parts(seed: int):
    drawn = render(sample(seed), 128, 128)
    shown, things = truth.parts(drawn), truth.instances(drawn)
    for number, (placed, points) in enumerate(zip(drawn.placed, truth.keypoints(drawn), strict=True)):
        for name, point in points.items():
            shape = placed.shapes[placed.figure.keypoints[name].shape]
            assert shape.distance(np.array([[point.x]]), np.array([[point.y]])).item() < 0
            if point.visible:
                row, column = int(point.y), int(point.x)
                assert things[row, column] == number + 1
                assert shown.names[int(shown.labels[row, column])] == shape.part


def test_most_keypoints_are_seen():
    seen = [p.visible for k in range(60) for t in truth.keypoints(render(sample(k, count=1))) for p in t.values()]
    assert np.mean(seen) > 0.6


@given(seed=SEEDS)
def test_seen_boxes_lie_in_the_boxes_of_the_figures(seed: int):
    """Up to a hair: where shapes melt into one another they bulge a little."""
    drawn = render(sample(seed), 200, 200)
    for thing, seen in zip(drawn.scene.things, truth.boxes(drawn), strict=True):
        if seen is not None:
            left, top, right, bottom = (side * 200 / UNIT for side in box_of(thing))
            assert seen[0] >= left - 3 and seen[1] >= top - 3  # noqa: PT018
            assert seen[2] <= right + 3 and seen[3] <= bottom + 3  # noqa: PT018


@given(seed=SEEDS)
def test_the_relation_a_caption_may_name_is_true_of_the_boxes_that_are_seen(seed: int):
    scene = sample(seed, arrangement="beside", count=2)
    (relation,) = scene.relations
    one, other = (truth.boxes(render(scene, 256))[k] for k in (relation.subject, relation.object))
    assert one is not None
    assert other is not None
    sides = {"left of": one[0] + one[2] < other[0] + other[2], "right of": one[0] + one[2] > other[0] + other[2]}
    assert sides[relation.name]
    assert relation in truth.relations(render(scene, 256))


@pytest.mark.parametrize("size", [(0, 0), (-3, 5), (10.0, 10), ((10, 10),), (10**7, 10)])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(InputError, match="whole number"):
        render(sample(0), *size)


def test_a_square_picture_takes_one_number():
    assert render(sample(0), 40).picture.shape == (40, 40, 3)


@pytest.mark.parametrize("style", STYLES)
def test_pictures_are_those_that_were_looked_at(style: str):
    """Stored pictures of every setting: equal to within one grey level."""
    with Image.open(Path(__file__).parent / f"golden_{style}.png") as golden:
        stored = np.array(golden)
    drawn = golden_pictures(style)
    assert np.abs(stored.astype(int) - drawn).max() <= 1


def golden_pictures(style: str) -> np.ndarray:
    """Seven pictures of 96 x 96 side by side, one of each setting."""
    scenes = [sample(seed, setting=setting, style=style) for seed, setting in enumerate(SETTINGS)]
    return np.hstack([render(scene, 96).picture for scene in scenes])


@given(seed=SEEDS)
def test_maps_of_two_sizes_agree_to_sub_pixel(seed: int):
    """Each pixel's owner at 128 is an owner of one of the four pixels around its centre at 512."""
    scene = sample(seed)
    coarse, fine = render(scene, 128, 128).owners, render(scene, 512, 512).owners
    around = np.stack([fine[1 + dy :: 4, 1 + dx :: 4] for dy in (0, 1) for dx in (0, 1)])
    assert (around == coarse).any(axis=0).mean() > 0.9995


@given(seed=SEEDS)
def test_pictures_of_two_sizes_agree(seed: int):
    scene = sample(seed)
    small, large = (render(scene, side, side).picture.astype(float) for side in (128, 512))
    averaged = large.reshape(128, 4, 128, 4, 3).mean((1, 3))
    assert np.abs(averaged - small).mean() < 4.0


@given(seed=SEEDS)
def test_a_wider_picture_shows_the_same_in_its_middle(seed: int):
    scene = sample(seed)
    square, wide = render(scene, 96, 96), render(scene, 96, 160)
    # edges that lie on pixel centres may fall to either side
    assert (wide.owners[:, 32:128] == square.owners).mean() > 0.99
    difference = np.abs(wide.picture[:, 32:128].astype(int) - square.picture.astype(int))
    assert difference.max() <= 1


@given(seed=SEEDS)
def test_keypoints_scale_with_the_picture(seed: int):
    scene = sample(seed)
    small, large = (truth.keypoints(render(scene, side, side)) for side in (64, 192))
    for one, other in zip(small, large, strict=True):
        for name, point in one.items():
            assert (other[name].x, other[name].y) == pytest.approx((3 * point.x, 3 * point.y), abs=1e-6)


def test_the_canvas_is_fitted_and_centred():
    frame = fit(sample(0), 100, 300)
    assert frame.point(0, 0) == pytest.approx((100, 0))
    assert frame.point(UNIT, UNIT) == pytest.approx((200, 100))


@given(seed=SEEDS, style=st.sampled_from(["drawing", "night"]))
def test_styles_share_their_geometry(seed: int, style: str):
    one, other = render(sample(seed, style="photo")), render(sample(seed, style=style))
    assert (one.owners == other.owners).all()
    assert (one.picture != other.picture).mean() > 0.5


@pytest.mark.parametrize("seed", range(4))
def test_what_is_in_a_container_is_hidden_by_its_front_and_looks_out(seed: int):
    drawn = render(sample(seed, categories=["frog", "mug"], arrangement="in"), 256)
    frog, mug = (truth.boxes(drawn)[k] for k in (0, 1))
    assert frog is not None
    assert mug is not None
    assert frog[1] < mug[1], "its head is above the rim"
    whole, seen = truth.footprint(drawn, 0), truth.instances(drawn) == 1
    assert 0.4 < seen.sum() / whole.sum() < 0.95, "some of it is hidden"


def test_twins_of_keypoints():
    assert truth.twin_of("cat", "ear_near") == "ear_far"
    assert truth.twin_of("horse", "ear_near") is None, "it shows one ear"
    assert truth.twin_of("car", "wheel_front") == "wheel_back"
    assert truth.twin_of("dog", "paw_front_near") == "paw_front_far"
    assert truth.twin_of("dog", "back") is None
    with pytest.raises(InputError, match="ear_near"):
        truth.twin_of("dog", "elbow")
