"""How a run is watched and stopped: progress, a callback a step, a token that cancels."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from innerlight.types import CancelledError

if TYPE_CHECKING:
    from innerlight.sampling.loop import Step


class CancelToken:
    """Whoever holds it can cancel a run from any thread; the run ends within one step."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """End what runs with this token."""
        self._event.set()

    def check(self) -> None:
        """Raise if cancelled."""
        if self._event.is_set():
            raise CancelledError("cancelled; what was finished before is kept")


@dataclass(frozen=True)
class Run:
    """Progress on stderr (None: when it is a terminal), a cancel token, and a listener that is shown every step."""

    progress: bool | None = None
    cancel: CancelToken = field(default_factory=CancelToken)
    on_step: Callable[[Step], None] = lambda step: None

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """A progress bar; call what it gives after each step. Checks for cancellation there too."""
        from tqdm import tqdm

        shown = sys.stderr.isatty() if self.progress is None else self.progress
        self.cancel.check()
        with tqdm(total=total, desc=what, file=sys.stderr, disable=not shown, leave=False) as bar:

            def advance() -> None:
                bar.update()
                self.cancel.check()

            yield advance
