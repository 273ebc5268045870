"""Whole files with a cap on their size, and errors that say what is there instead."""

from __future__ import annotations

import difflib
import os
import stat
from itertools import islice
from pathlib import Path

from innerlight.types import InnerlightError, InputError, NotFoundError

RAISE_CAP = "make it smaller, or raise max_bytes= where the call takes it"

_NAMES_LOOKED_AT = 10_000  # of a folder, when near names are offered


class ReadError(InnerlightError, OSError):
    """A file is there, but the system does not let us read it."""


def read_capped(path: str | os.PathLike[str], *, max_bytes: int, what: str) -> bytes:
    """All bytes of a plain file of at most `max_bytes`; `what` names its kind in errors, such as "a picture"."""
    path = Path(path)
    try:
        _refuse_kind(path, path.stat().st_mode, what)
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"There is no file {path}; expected {what}.{near_names(path)}") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReadError(f"{path} cannot be read ({reason}); check its permissions and what it links to.") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{str(path)!r} is no path ({error}); remove the zero byte.") from error
    if len(data) > max_bytes:
        raise InputError(f"{path} is larger than {max_bytes:,} bytes, the cap for {what}; {RAISE_CAP}.")
    return data


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Is there a folder? Not, where that cannot be looked at, which whoever opens it will say."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def near_names(path: Path) -> str:
    """ " Near it: a.png, b.png." for a missing file, or what is wrong with its folder."""
    if path.is_symlink():
        return f" It is a link to {path.readlink()}, which is gone."
    if not path.parent.is_dir():
        return f" The folder {path.parent} does not exist either."
    try:
        with os.scandir(path.parent) as entries:
            names = sorted(entry.name for entry in islice(entries, _NAMES_LOOKED_AT))
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names)
    return f" Near it: {', '.join(near)}." if near else " Check the spelling."


def _refuse_kind(path: Path, mode: int, what: str) -> None:
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} is a folder; expected {what}. Pass one file of it, or list the folder first.")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is a device or a pipe; expected {what} in a plain file. Copy it to one.")
