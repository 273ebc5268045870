"""Recognition as tasks: what is asked, and how answers are scored."""

from __future__ import annotations

import numpy as np
import pytest

from innerlight.embedded.recognition import ANIMALS, best_segments, drawing, hunt, pair
from innerlight.embedded.rivals import Attempt, colour_segments, histogram, patches
from innerlight.world import render, sample, truth


def test_the_truth_is_the_best_segmentation():
    drawn = render(sample(3), 64)
    true = truth.instances(drawn)
    assert best_segments(drawn, true) == 1.0
    assert best_segments(drawn, np.zeros_like(true)) < 0.6
    swapped = np.array([5, 2, 0, 1, 3, 4])[true]
    assert best_segments(drawn, swapped) == 1.0


def test_segments_are_called_by_what_most_of_them_is():
    drawn = render(sample(3), 64)
    true = truth.instances(drawn)
    halves = true * 2 + (np.arange(64) < 32)  # each thing in two segments
    found = drawing(drawn, halves, 4)
    assert (found.miou, found.boundary_iou, found.band_miou) == (1.0, 1.0, 1.0)
    coarse = true[::8, ::8].repeat(8, 0).repeat(8, 1)
    worse = drawing(drawn, coarse, 4)
    assert worse.band_miou < worse.miou < 1
    assert worse.boundary_iou < 1


@pytest.mark.parametrize("kind", ["within", "across"])
def test_pairs_share_keypoints(kind):
    found = [pair(seed, kind, 64) for seed in range(12)]
    asked = [one for one in found if one is not None]
    assert len(asked) >= 8
    for one in asked:
        categories = [scene.scene.things[0].look.category for scene in (one.source, one.target)]
        assert (categories[0] == categories[1]) == (kind == "within")
        if kind == "across":
            assert set(categories) <= set(ANIMALS)
        assert one.points.shape == one.true.shape == one.twins.shape == (len(one.names), 2)
        assert one.hits(one.true).all()
        assert not one.hits(one.true + 64).any()
        known = ~np.isnan(one.twins).any(1)
        assert one.hits(one.twins, one.twins).tolist() == known.tolist()
    assert any((~np.isnan(one.twins)).any() for one in asked)


def test_a_hunt_has_its_like_everywhere():
    asked = next(filter(None, (hunt(seed, 64) for seed in range(5))))
    assert asked.positives.tolist() == [True] * 3 + [False] * 6
    assert len(asked.masks()) == 3
    look = asked.reference.scene.things[0].look
    for one, shown in zip(asked.gallery, asked.positives, strict=True):
        looks = [thing.look for thing in one.scene.things]
        assert (look in looks) == shown
        assert any(other.category == look.category and other != look for other in looks)


def test_an_attempt_is_measured():
    asked = next(filter(None, (hunt(seed, 64) for seed in range(5))))
    perfect = Attempt(asked.positives.astype(float), asked.masks()).measures(asked)
    assert perfect == {"retrieval_map": 1.0, "r1": 1.0, "miou": 1.0, "biou": 1.0}
    wrong = Attempt(1 - asked.positives.astype(float), [~mask for mask in asked.masks()]).measures(asked)
    assert wrong["r1"] == 0
    assert wrong["retrieval_map"] == pytest.approx((1 / 7 + 2 / 8 + 3 / 9) / 3)
    assert wrong["miou"] == 0
    assert "miou" not in Attempt(asked.positives.astype(float), None).measures(asked)


def test_colours_alone_find_what_is_of_one_colour():
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, 8:] = 255
    found = colour_segments(picture, 2)
    assert len(np.unique(found[:, :8])) == len(np.unique(found[:, 8:])) == 1
    mask = np.zeros((16, 16), bool)
    mask[:, 8:] = True
    assert histogram(picture, mask) @ histogram(np.full((4, 4, 3), 255, np.uint8)) == pytest.approx(1)
    assert histogram(picture, ~mask) @ histogram(picture, mask) == 0


def test_patches_are_what_is_near():
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    found = patches(picture, step=1)
    assert found.grid == (12, 16)
    middle = found.values[:, 5, 7].view(3, 7, 7)
    plain = picture[2:9, 4:11].transpose(2, 0, 1) / 127.5 - 1
    assert np.allclose(middle, plain, atol=1e-6)
