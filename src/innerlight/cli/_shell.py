"""What all commands share: JSON on stdout, progress on stderr when somebody is watching."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from innerlight.sampling import Run


def answer(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print the outcome of a command: JSON for programs, a sentence for people."""
    print(json.dumps(result, sort_keys=True) if as_json else text)


def progress(what: str) -> Callable[[int, int], None]:
    """A bar on stderr, silent when stderr is no terminal; call it with (done, of)."""
    from tqdm import tqdm

    bar = tqdm(desc=what, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False)

    def update(done: int, of: int) -> None:
        bar.total = of
        bar.update(done - bar.n)
        if done >= of:
            bar.close()

    return update


@contextmanager
def interruptible() -> Iterator[Run]:
    """A run that the first interrupt cancels, so that it ends in order; the next one ends it at once."""
    from innerlight.sampling import Run

    run, before = Run(), signal.getsignal(signal.SIGINT)

    def cancel(*_: Any) -> None:
        signal.signal(signal.SIGINT, before)
        print("innerlight: stopping after this step; again to stop at once", file=sys.stderr)
        run.cancel.cancel()

    signal.signal(signal.SIGINT, cancel)
    try:
        yield run
    finally:
        signal.signal(signal.SIGINT, before)
