"""Writes that are whole or not there: a temporary beside the target, synced to disk, then renamed over it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from innerlight.files.json_text import json_text
from innerlight.types import InnerlightError, InputError

TEMPORARY_PREFIX = ".innerlight-tmp-"  # hidden, so that folder reading passes over what a kill left behind

_CURES = {
    errno.ENOSPC: "the disk is full; free some space and run again",
    errno.EDQUOT: "the disk quota is used up; free some space and run again",
    errno.EFBIG: "the file is larger than the system allows; raise the limit or write less",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EACCES: "permission is missing; choose another folder or change its permissions",
    errno.EPERM: "permission is missing; choose another folder or change its permissions",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another path",
    errno.EEXIST: "a part of the path is a file, not a folder; choose another path",
    errno.EISDIR: "there is a folder of that name; choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "the path is a symbolic link to itself; remove the link",
    errno.EIO: "the disk reports a fault; choose another disk",
}


class WriteError(InnerlightError, OSError):
    """A file could not be written; the target is as it was before."""

    @classmethod
    def of(cls, path: Path, error: OSError) -> WriteError:
        """The same trouble with the path and the cure in words."""
        cure = _CURES.get(error.errno or 0, f"{error}; check the path and the disk")
        trouble = cls(f"Could not write {path}: {cure}.")
        trouble.errno = error.errno
        return trouble


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty temporary beside `path` to be filled; it becomes `path` on success and vanishes on failure."""
    target = _writable_target(path)
    temporary = _new_temporary(target)
    try:
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors puts a file of its own there, which only its owner may read
        _sync(temporary)
        temporary.replace(target)
    except InnerlightError:
        raise
    except OSError as error:
        raise WriteError.of(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def write_bytes(data: bytes, path: str | os.PathLike[str]) -> None:
    """Write all of `data`, or leave `path` as it was."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(text: str, path: str | os.PathLike[str]) -> None:
    """Write `text` as UTF-8 with its line ends as they are."""
    write_bytes(text.encode("utf-8"), path)


def write_json(value: object, path: str | os.PathLike[str]) -> None:
    """Write indented JSON: sorted keys, one newline at the end, so that equal values make equal files."""
    write_text(json_text(value, indent=2) + "\n", path)


def is_temporary(path: str | os.PathLike[str]) -> bool:
    """True for the name of an unfinished write, which a killed process may leave."""
    return Path(path).name.startswith(TEMPORARY_PREFIX)


def _writable_target(path: str | os.PathLike[str]) -> Path:
    """The file behind any links, with its folder made; refused before work is spent on its content."""
    if "\0" in os.fspath(path):
        raise InputError(f"{os.fspath(path)!r} holds a zero byte, which no path can; remove it.")
    target = Path(os.path.realpath(path))  # a link stays a link: its target is what is replaced
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():
            raise OSError(errno.EINVAL, "it is a device or a pipe, not a plain file")
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise WriteError.of(Path(path), error) from error
    return target


def _new_temporary(target: Path) -> Path:
    """An empty file of the suffix and the permissions that `target` has or will have."""
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{target.suffix}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less the user's umask
        if target.exists():
            shutil.copymode(target, temporary)
    except OSError as error:
        raise WriteError.of(target, error) from error
    return temporary


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can sync folders (POSIX, most file systems)."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # the file itself is whole either way
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
