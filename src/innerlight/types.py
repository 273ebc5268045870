"""The nouns that travel between rooms: typed errors, words in a caption, maps that carry their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class InnerlightError(Exception):
    """Every error this library raises on purpose; the message says what was expected, what came, what to do."""


class InputError(InnerlightError, ValueError):
    """A value that cannot be used: wrong kind, shape, range or content."""


class NotFoundError(InnerlightError, LookupError):
    """A name, file or place that is not there; the message offers the ones that are."""


class CancelledError(InnerlightError):
    """The caller cancelled the work; what was finished before is kept."""


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` of a caption speak of thing number `thing` (None: of the whole picture)."""

    start: int
    end: int
    thing: int | None
    role: str  # "noun", "colour", "pattern", "size", "pose", "relation", "setting" or "style"


@dataclass(frozen=True)
class Caption:
    """A sentence with the words of each thing marked."""

    text: str
    spans: tuple[Span, ...]

    def words(self, thing: int | None, role: str | None = None) -> tuple[str, ...]:
        """The marked words of one thing, in reading order; of one role if `role` is given."""
        chosen = (s for s in self.spans if s.thing == thing and role in (None, s.role))
        return tuple(self.text[s.start : s.end] for s in chosen)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """One class number a pixel, with the names of the numbers; `ignore` marks pixels that count for nothing."""

    labels: NDArray[np.integer]  # (height, width)
    names: Mapping[int, str]
    ignore: int | None = None


@dataclass(frozen=True)
class Match:
    """A point of one picture and its partner in another, both as (x, y) pixels; score: larger is surer."""

    source: tuple[float, float]
    target: tuple[float, float]
    score: float = 1.0
