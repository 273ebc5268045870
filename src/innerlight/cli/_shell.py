"""What all commands share: JSON on stdout, progress on stderr when somebody is watching, places looked at first."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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


def refuse_unwritable(place: Path, what: Literal["folder", "file", "picture"] = "folder") -> None:
    """A place where that cannot be written is refused before the long work; nothing is made there yet."""
    from innerlight.files import WriteError
    from innerlight.files.pictures import kind_of
    from innerlight.files.recipes import refuse_foreign_sidecar

    if what == "picture":
        kind_of(place)
    try:
        if what == "picture":
            refuse_foreign_sidecar(place)
        there = next(one for one in (place, *place.parents) if one.exists())
        if there.is_dir() != (what == "folder" or there != place):
            raise OSError(errno.EISDIR if there.is_dir() else errno.ENOTDIR, "of another kind")
        if not os.access(there, os.W_OK):
            raise PermissionError(errno.EACCES, "not writable")
    except OSError as error:
        raise WriteError.of(place, error) from error


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
