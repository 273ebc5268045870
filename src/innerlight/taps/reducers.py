"""What is kept of probabilities: each is fed chunks of queries inside the forward, so that the whole is never there.

A chunk is (rows, heads, chunk, keys) in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from innerlight.types import InputError

Shape = tuple[int, int, int, int]  # rows, heads, queries, keys


class Reducer(Protocol):
    """From chunks of probabilities to what is kept."""

    def shape(self, full: Shape) -> tuple[int, ...]:
        """Of what is kept of probabilities of this shape."""
        ...

    def part(self, chunk: Tensor) -> Tensor:
        """What is kept of one chunk; `axis` says along which axis the parts of queries join."""
        ...

    @property
    def axis(self) -> int | None:
        """The axis of queries in what is kept; None: parts are added up."""
        ...


@dataclass(frozen=True)
class HeadMean:
    """(rows, queries, keys): the mean over heads."""

    axis: int | None = 1

    def shape(self, full: Shape) -> tuple[int, ...]:
        rows, _, queries, keys = full
        return rows, queries, keys

    def part(self, chunk: Tensor) -> Tensor:
        return chunk.mean(1)


@dataclass(frozen=True)
class Columns:
    """(rows, queries, chosen): the columns of chosen keys, averaged over heads; with `heads`, (rows, heads, ...)."""

    keys: tuple[int, ...]
    heads: bool = False

    @property
    def axis(self) -> int | None:
        return 2 if self.heads else 1

    def shape(self, full: Shape) -> tuple[int, ...]:
        rows, heads, queries, keys = full
        if any(not 0 <= key < keys for key in self.keys):
            raise InputError(f"tokens {self.keys}: expected positions from 0 to {keys - 1}")
        return (rows, heads, queries, len(self.keys)) if self.heads else (rows, queries, len(self.keys))

    def part(self, chunk: Tensor) -> Tensor:
        columns = chunk[..., list(self.keys)]
        return columns if self.heads else columns.mean(1)


@dataclass(frozen=True)
class KeyMass:
    """(rows, keys): the attention each key gets, mean over heads, summed over queries; 1 on average in a self map."""

    axis: int | None = None

    def shape(self, full: Shape) -> tuple[int, ...]:
        return full[0], full[3]

    def part(self, chunk: Tensor) -> Tensor:
        return chunk.mean(1).sum(1)


@dataclass(frozen=True)
class TopKeys:
    """(rows, queries, 2, count): the largest probabilities of each query (mean over heads), and above them the keys."""

    count: int
    axis: int | None = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"count: expected at least 1, got {self.count}")

    def shape(self, full: Shape) -> tuple[int, ...]:
        rows, _, queries, keys = full
        return rows, queries, 2, min(self.count, keys)

    def part(self, chunk: Tensor) -> Tensor:
        values, keys = chunk.mean(1).topk(min(self.count, chunk.shape[-1]), dim=-1)
        return torch.stack([keys.to(values.dtype), values], dim=2)


@dataclass(frozen=True)
class Everything:
    """(rows, heads, queries, keys): all of it, for those who ask."""

    axis: int | None = 2

    def shape(self, full: Shape) -> tuple[int, ...]:
        return full

    def part(self, chunk: Tensor) -> Tensor:
        return chunk


class Whole:
    """What a reducer keeps of all chunks, put where it belongs as they come: parts that lay about between chunks would
    leave holes in memory, many times their size. With `gradient` they have to be joined instead; `onto` is what is
    there already and added to, if it has the shape.
    """

    def __init__(self, reducer: Reducer, full: Shape, gradient: bool, onto: Tensor | None = None) -> None:
        self._reducer, self._gradient = reducer, gradient
        self._shape = reducer.shape(full)  # refuses bad settings
        self._adds = onto is not None and onto.shape == self._shape
        self._value = onto if self._adds else None
        self._parts: list[Tensor] = []

    def add(self, chunk: Tensor, queries: slice) -> None:
        """The chunk of these queries."""
        part, axis = self._reducer.part(chunk), self._reducer.axis
        if self._gradient:
            self._parts.append(part)
        elif axis is None:
            part = part.detach()
            self._value = part.clone() if self._value is None else self._value.add_(part)
        else:
            if self._value is None:
                self._value = part.new_empty(self._shape)
            place = self._value.narrow(axis, queries.start, queries.stop - queries.start)
            place.add_(part.detach()) if self._adds else place.copy_(part.detach())

    def value(self) -> Tensor:
        """All of it."""
        if self._value is not None:
            return self._value
        axis = self._reducer.axis
        return sum(self._parts[1:], self._parts[0]) if axis is None else torch.cat(self._parts, dim=axis)
