"""Few-shot episodes: by hand, and against pooling all pixels."""

from __future__ import annotations

import math
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from innerlight.metrics import episode, harmonic_mean, iou
from innerlight.types import InputError

MASKS = arrays(bool, (2, 3, 4))  # truth and prediction
EPISODES = st.lists(st.tuples(MASKS, st.integers(0, 2)), min_size=1, max_size=5)


def test_episodes_by_hand():
    first = episode([[True, True, False, False]], [[True, False, True, False]], asked=0, classes=3)
    again = episode([[True, True, True, True]], [[True, True, True, False]], asked=0, classes=3)
    other = episode([[True, False, False, False]], [[True, True, False, False]], asked=2, classes=3)
    total = first + again + other
    assert total.intersection.tolist() == [1 + 3, 0, 1]
    assert total.union.tolist() == [3 + 4, 0, 2]
    assert total.pixels.tolist() == [8, 0, 4]
    np.testing.assert_equal(total.class_iou, [4 / 7, np.nan, 1 / 2])
    assert total.mean_iou == pytest.approx((4 / 7 + 1 / 2) / 2)
    # background: in both 1 + 0 + 2, in either 3 + 1 + 3
    assert total.foreground_background_iou == pytest.approx((5 / 9 + 3 / 7) / 2)


@given(masks=MASKS)
def test_one_class_and_one_episode_is_iou(masks: np.ndarray):
    found = episode(*masks, asked=1, classes=2)
    assert found.mean_iou == pytest.approx(iou(*masks) if masks.any() else np.nan, nan_ok=True)


@given(many=EPISODES)
def test_it_is_all_pixels_pooled_in_any_order(many: list[tuple[np.ndarray, int]]):
    counts = [episode(*masks, asked=asked, classes=3) for masks, asked in many]
    total, backwards = reduce(add, counts), reduce(add, counts[::-1])
    for number in range(3):
        pooled = np.concatenate(
            [m.reshape(2, -1) for m, asked in many if asked == number] or [np.zeros((2, 0), bool)], 1
        )
        theirs = iou(*pooled) if pooled.any() else np.nan
        np.testing.assert_allclose(total.class_iou[number], theirs)
    every = np.concatenate([m.reshape(2, -1) for m, _ in many], 1)
    sides = [iou(*side) for side in (every, ~every) if side.any()]
    assert total.foreground_background_iou == pytest.approx(np.mean(sides))
    assert backwards.mean_iou == pytest.approx(total.mean_iou, nan_ok=True)


@given(masks=MASKS, ignored=arrays(bool, (3, 4)))
def test_ignored_pixels_are_as_if_they_were_not_there(masks: np.ndarray, ignored: np.ndarray):
    found = episode(*masks, asked=0, classes=1, ignored=ignored)
    assert found.pixels == (~ignored).sum()
    if (masks & ~ignored).any():
        assert found.mean_iou == pytest.approx(iou(*(masks & ~ignored)))


def test_perfect_scores_1_and_nothing_nan():
    mask = np.array([[True, False]])
    perfect = episode(mask, mask, asked=0, classes=1)
    assert (perfect.mean_iou, perfect.foreground_background_iou) == (1, 1)
    empty = episode([False], [False], asked=0, classes=1)
    assert math.isnan(empty.mean_iou)
    assert empty.foreground_background_iou == 1
    gone = episode(mask, mask, asked=0, classes=1, ignored=[[True, True]])
    assert math.isnan(gone.foreground_background_iou)


def test_the_harmonic_mean():
    assert harmonic_mean(0.6, 0.3) == pytest.approx(0.4)  # 2 * 0.18 / 0.9
    assert harmonic_mean(0.5, 0) == harmonic_mean(0, 0) == 0
    assert math.isnan(harmonic_mean(0.5, math.nan))
    with pytest.raises(InputError, match="from 0 on"):
        harmonic_mean(-0.1, 0.5)


@given(intersection=st.integers(0, 20), more=st.integers(0, 20), other=st.integers(0, 20))
def test_dice_follows_from_iou(intersection: int, more: int, other: int):
    truth = np.repeat([True, True, False, False], [intersection, more, other, 1])
    found = np.repeat([True, False, True, False], [intersection, more, other, 1])
    if truth.any() or found.any():
        value = episode(truth, found, asked=0, classes=1).mean_iou
        # the harmonic mean of precision and recall
        precision, recall = (intersection / max(1, intersection + n) for n in (other, more))
        assert 2 * value / (1 + value) == pytest.approx(harmonic_mean(precision, recall))


def test_what_does_not_fit_is_refused():
    mask = np.zeros((2, 2), bool)
    with pytest.raises(InputError, match="from 0 to 4, got 7; number them within the fold"):
        episode(mask, mask, asked=7, classes=5)
    with pytest.raises(InputError, match="resize"):
        episode(mask, mask[:1], asked=0, classes=1)
    with pytest.raises(InputError, match="ignored"):
        episode(mask, mask, asked=0, classes=1, ignored=mask[:1])
    with pytest.raises(InputError, match="mask of bool"):
        episode(mask, mask.astype(int), asked=0, classes=1)
    with pytest.raises(InputError, match="same classes"):
        add(episode(mask, mask, asked=0, classes=1), episode(mask, mask, asked=0, classes=2))
