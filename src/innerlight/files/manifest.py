"""One journal of work done: killed at any moment, the work goes on, loses nothing and repeats nothing.

The first line says what the work is; each further line is one finished key, on disk before `record` returns, or one
that is taken back. Write an output (atomically) *before* recording it: after a kill at most the one key in flight is
done again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from innerlight.files.atomic import WriteError, sync_folder
from innerlight.files.json_text import json_text, parse_json
from innerlight.files.reading import ReadError
from innerlight.types import InputError, NotFoundError

try:
    import fcntl
except ImportError:  # not POSIX: there, two processes at once are not refused
    fcntl = None

MARK = "innerlight manifest"
VERSION = 1

Result = Mapping[str, Any]


class Manifest:
    """The finished keys of one task under one set of settings; made by `Manifest.open`, closed by `with`."""

    def __init__(self, path: Path, file: FileIO, results: dict[str, Result], length: int) -> None:
        self.path = path
        self._file = file
        self._results = results
        self._length = length  # bytes of the journal that are whole
        self._writing = threading.Lock()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, task: str, settings: Mapping[str, Any]) -> Self:
        """Start a journal at `path`, or go on with the one there if it is of the same task and settings; one without
        results takes new settings.
        """
        path = Path(path)
        header = _header(task, settings)
        file = _open_locked(path)
        try:
            results, length = _replay(path, file.read(), header)
            manifest = cls(path, file, results, length)
            file.truncate(length)
            if length == 0:
                manifest._append(header)
                sync_folder(path.parent)
        except BaseException:
            file.close()
            raise
        return manifest

    @staticmethod
    def read(path: str | os.PathLike[str], *, task: str) -> tuple[Mapping[str, Any], Mapping[str, Result]]:
        """Settings and results of a journal as it is now: it may be in use, and is left as it is."""
        path = Path(path)
        settings, results, _ = _parsed(path, _all_bytes(path), task)
        if not isinstance(settings, dict):
            raise InputError(f"{path} is no manifest: its settings are {settings!r}; use another path.")
        return settings, results

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._results)

    def close(self) -> None:
        """Let other processes have the journal; nothing waits to be written."""
        self._file.close()

    @property
    def results(self) -> Mapping[str, Result]:
        """What was recorded, by key, in the order of recording."""
        return MappingProxyType(self._results)

    def result(self, key: str) -> Result:
        """What was recorded for one key."""
        if key not in self._results:
            raise NotFoundError(f"{key!r} is not recorded in {self.path}, which has {len(self)} keys; ask .done first.")
        return self._results[key]

    def done(self, key: str) -> bool:
        """True if the key's work is finished and recorded."""
        return key in self._results

    def pending(self, keys: Iterable[str]) -> Iterator[str]:
        """The keys still to do, in their order; each is looked up when its turn comes."""
        return (key for key in keys if key not in self._results)

    def record(self, key: str, **result: Any) -> None:
        """Mark a key as done, for good: the line is on disk when this returns."""
        if not isinstance(key, str) or not key:
            raise InputError(f"A key is text of at least one character; got {key!r}.")
        line = json_text({"key": key, "result": result}, name=f"record {key!r}")
        with self._writing:
            self._refuse_closed()
            if key in self._results:
                raise InputError(f"{key!r} is already recorded in {self.path}; skip the keys that are .done.")
            self._append(line)
            self._results[key] = MappingProxyType(result)

    def forget(self, key: str) -> None:
        """Take a finished key back, for good: it is to be done again."""
        with self._writing:
            self._refuse_closed()
            self.result(key)
            self._append(json_text({"key": key, "result": None}))
            del self._results[key]

    def _refuse_closed(self) -> None:
        if self._file.closed:
            raise InputError(f"{self.path} is closed; record within its `with` block.")

    def _append(self, line: str) -> None:
        """Add one line and sync it; after a failed write the journal is as it was."""
        data = memoryview(line.encode("utf-8") + b"\n")
        try:
            self._file.seek(self._length)
            rest = data
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(self._length)
            raise WriteError.of(self.path, error) from error
        self._length += len(data)


def _header(task: str, settings: Mapping[str, Any]) -> str:
    if not isinstance(task, str) or not task:
        raise InputError(f"A task is text of at least one character; got {task!r}.")
    if not isinstance(settings, Mapping):
        raise InputError(f"Settings are a mapping of names to values; got {type(settings).__name__}.")
    json_text(settings, name="settings")
    return json_text({MARK: VERSION, "settings": settings, "task": task})


def _open_locked(path: Path) -> FileIO:
    """The journal's file, unbuffered, held by this process alone; the system lets go of it when the process dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = FileIO(path, "r+", opener=lambda name, flags: os.open(name, flags | os.O_CREAT, 0o666))
    except OSError as error:
        raise WriteError.of(path, error) from error
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise WriteError(f"{path} is in use by another process; wait for it, stop it, or use another path.") from error
    except OSError as error:
        file.close()
        raise ReadError(f"{path} cannot be locked ({error.strerror}); use a path on a local disk.") from error
    return file


def _all_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {path}; expected a manifest.") from error
    except OSError as error:
        raise ReadError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error


def _replay(path: Path, journal: bytes, header: str) -> tuple[dict[str, Result], int]:
    """The results to go on with, and the length in bytes of the lines to keep."""
    if b"\n" not in journal:
        _refuse_other_file(path, journal, header)
        return {}, 0
    here = json.loads(header)
    there, results, length = _parsed(path, journal, here["task"])
    if there == here["settings"]:
        return results, length
    if results:
        raise InputError(
            f"{path} was begun with other settings: {_difference(there, here['settings'])}. "
            "Use the same settings to go on, or another path to start afresh."
        )
    return {}, 0


def _parsed(path: Path, journal: bytes, task: str) -> tuple[object, dict[str, Result], int]:
    """The settings, the results of all whole lines and the length of these in bytes; a torn last line is left out."""
    length = journal.rfind(b"\n") + 1
    first, *lines = journal[: max(length - 1, 0)].split(b"\n")
    settings = _settings(path, first, task)
    results: dict[str, Result] = {}
    for number, line in enumerate(lines, start=2):
        key, result = _entry(line, f"{path}, line {number}")
        results.pop(key, None)  # what was taken back and done again comes where it was done again
        if result is not None:
            results[key] = result
    return settings, results, length


def _entry(line: bytes, place: str) -> tuple[str, Result | None]:
    """A key and its result, or None where it is taken back."""
    entry = _json_or_none(line, place)
    if isinstance(entry, dict) and isinstance(key := entry.get("key"), str):
        result = entry.get("result", "absent")
        if result is None:
            return key, None
        if isinstance(result, dict):
            return key, MappingProxyType(result)
    raise InputError(f'{place} is damaged: expected {{"key": ..., "result": ...}}. Remove that line to redo its work.')


def _json_or_none(line: bytes, place: str) -> object:
    try:
        return parse_json(line, place)
    except InputError:
        return None


def _refuse_other_file(path: Path, torn: bytes, header: str) -> None:
    """Without a whole first line only a kill during our own first write is ours to continue."""
    if not header.encode("utf-8").startswith(torn):
        raise InputError(f"{path} is no manifest: it starts with {torn[:24]!r}; use another path.")


def _settings(path: Path, first: bytes, task: str) -> object:
    """What the first line of a journal says, if it is a manifest's of this task."""
    header = _json_or_none(first, f"{path}, line 1")
    if not isinstance(header, dict) or MARK not in header:
        raise InputError(f"{path} is no manifest: it starts with {first[:24]!r}; use another path.")
    if header[MARK] != VERSION:
        raise InputError(f"{path} is a manifest of version {header[MARK]!r}, not {VERSION}; use another path.")
    if header.get("task") != task:
        raise InputError(f"{path} is of task {header.get('task')!r}, not {task!r}; use another path.")
    return header.get("settings")


def _difference(there: object, here: dict[str, Any]) -> str:
    """Each setting that differs, as "steps is 25 there, 50 here"."""
    if not isinstance(there, dict):
        return f"they are {there!r} there"
    absent = "absent"
    names = [name for name in sorted(there | here) if there.get(name, absent) != here.get(name, absent)]
    return "; ".join(f"{name} is {there.get(name, absent)!r} there, {here.get(name, absent)!r} here" for name in names)
