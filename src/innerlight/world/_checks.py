"""Refusals that the public functions of the world share."""

from __future__ import annotations

from collections.abc import Iterable

from innerlight.types import InputError


def whole(name: str, value: object, low: int, high: int) -> int:
    """`value`, if it is a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name}: expected a whole number from {low} to {high}, got {value!r}")
    return value


def one_of(name: str, value: object, options: Iterable[str]) -> str:
    """`value`, if it is one of `options`."""
    known = tuple(options)
    if value not in known:
        raise InputError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    return str(value)


def seed_of(value: object) -> int | str:
    """`value`, if it can name a stream of random numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, str)) or (isinstance(value, int) and value < 0):
        raise InputError(f"seed: expected a whole number from 0 on, or a name, got {value!r}")
    return value
