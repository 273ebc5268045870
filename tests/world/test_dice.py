"""Integers from a seed."""

from __future__ import annotations

from collections import Counter

from innerlight.world._dice import Dice


def test_the_stream_is_the_same_for_ever():
    dice = Dice(7, "layout")
    assert [dice.whole(0, 10**9) for _ in range(3)] == [514298224, 261405380, 175857488]


def test_paths_name_different_streams():
    assert Dice(1, "2").raw() != Dice(12).raw()
    assert Dice("a", "b").raw() != Dice("b", "a").raw()


def test_whole_numbers_reach_both_ends_evenly():
    dice = Dice("even")
    counts = Counter(dice.whole(-2, 3) for _ in range(6000))
    assert set(counts) == {-2, -1, 0, 1, 2, 3}
    assert all(850 < count < 1150 for count in counts.values())


def test_weights_are_kept():
    dice = Dice("weights")
    counts = Counter(dice.weighted((("a", 1), ("b", 3))) for _ in range(4000))
    assert 900 < counts["a"] < 1100


def test_shuffling_keeps_all():
    order = Dice("cards").shuffled(range(20))
    assert sorted(order) == list(range(20))
    assert order != list(range(20))
