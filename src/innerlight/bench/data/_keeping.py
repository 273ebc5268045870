"""Answers that are kept by key, as many as fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from PIL import Image

ROOM = 2 * 2**30  # bytes


class Kept:
    """Answers by key, until there is no more room: the first ones, as the next search asks in the same order."""

    def __init__(self) -> None:
        self._room, self._answers = ROOM, dict[Hashable, Any]()

    def __call__(self, key: Hashable, work: Callable[[], Any]) -> Any:
        """The answer to a key, worked out where it is not kept."""
        if key in self._answers:
            return self._answers[key]
        answer = work()
        size = sum(_bytes(part) for part in vars(answer).values())
        if size <= self._room:
            self._room -= size
            self._answers[key] = answer
        return answer


def _bytes(part: Any) -> int:
    """Of a tensor, an array or a picture."""
    if isinstance(part, Image.Image):
        return part.width * part.height * len(part.getbands())
    return getattr(part, "nbytes", 0)
