"""Random integers that are the same on every machine, for ever: SplitMix64 seeded by a path of names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


class Dice:
    """A stream of integers named by its path: `Dice(7, "layout")` and `Dice(7, "coat")` know nothing of each other."""

    __slots__ = ("_state",)

    def __init__(self, *path: int | str) -> None:
        state = 0
        for step in path:
            for byte in f"{step}/".encode():
                state = _mix((state ^ byte) + _GOLDEN)
        self._state = state

    def raw(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + _GOLDEN) & _MASK
        return _mix(self._state)

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + (self.raw() * (high - low + 1) >> 64)

    def chance(self, per_mille: int) -> bool:
        """True `per_mille` times in a thousand."""
        return self.whole(0, 999) < per_mille

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`, all alike."""
        return options[self.whole(0, len(options) - 1)]

    def weighted(self, options: Sequence[tuple[T, int]]) -> T:
        """One of `options`, given as (option, whole weight)."""
        left = self.whole(0, sum(weight for _, weight in options) - 1)
        for option, weight in options:
            left -= weight
            if left < 0:
                return option
        raise AssertionError("weights are positive")

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All of `options` in a random order (Fisher-Yates)."""
        order = list(options)
        for last in range(len(order) - 1, 0, -1):
            other = self.whole(0, last)
            order[last], order[other] = order[other], order[last]
        return order


def _mix(value: int) -> int:
    value &= _MASK
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)
