"""What the readers share: a layout that explains itself when it is not there, and checked lines, rows and fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from innerlight.files.decoding import MAX_BYTES, decode
from innerlight.files.reading import ReadError, read_capped
from innerlight.files.rgb import to_rgb
from innerlight.types import InputError, NotFoundError

MAX_LIST_BYTES = 256 * 2**20  # part_locs.txt of CUB has 5 MB, the largest list read here
_SHOWN = 8  # names listed of a folder in an error

Kind = type[int] | type[float] | type[str]


@dataclass(frozen=True)
class Layout:
    """The published folder of a data set, drawn in words."""

    name: str
    tree: str

    def root(self, folder: Path | str, *inner: str) -> Path:
        """The folder, or the first of `inner` inside it that is there."""
        folder = Path(folder)
        self.refuse_no_folder(folder)
        return next((folder / name for name in inner if self._kind(folder / name) == "folder"), folder)

    def find(self, root: Path, *choices: str) -> Path:
        """The first of the paths `choices` in `root` that is there; the error names the first."""
        for choice in choices:
            if self._kind(root / choice):
                return root / choice
        raise self.missing(root / choices[0])

    def find_folder(self, root: Path, *choices: str) -> Path:
        """The same for a folder."""
        found = self.find(root, *choices)
        self.refuse_no_folder(found)
        return found

    def folders(self, folder: Path) -> list[str]:
        """Sorted names of the folders in a folder; none is an error."""
        return self._sorted(folder, [path.name for path in self._inside(folder) if path.is_dir()], "a folder")

    def keys(self, pictures: Path, picture: str, truths: Path, truth: str) -> list[str]:
        """Sorted names of pictures and of truths, less their suffixes: one without the other is told when it is read,
        so that a set is never smaller without a word.
        """
        ends = ((pictures, picture), (truths, truth))
        names = [(path.name, end) for folder, end in ends for path in self._inside(folder)]
        return self._sorted(pictures, [name.removesuffix(end) for name, end in names if name.endswith(end)], picture)

    def _inside(self, folder: Path) -> list[Path]:
        """What lies in a folder, hidden things apart."""
        self.refuse_no_folder(folder)
        try:
            return [path for path in folder.iterdir() if not path.name.startswith(".")]
        except OSError as error:
            raise ReadError(f"{folder} cannot be listed ({error.strerror}); check its permissions.") from error

    def _sorted(self, folder: Path, names: list[str], wanted: str) -> list[str]:
        if not names:
            raise self.missing(folder / (f"*{wanted}" if wanted.startswith((".", "_")) else wanted))
        return sorted({*names})

    def refuse_no_folder(self, folder: Path) -> None:
        """Raise if `folder` is not there or is a file."""
        kind = self._kind(folder)
        if not kind:
            raise self.missing(folder)
        if kind == "file":
            raise InputError(f"{self.name}: {folder} is a file; expected a folder.{self._drawn()}")

    def missing(self, expected: Path) -> NotFoundError:
        """What was expected, what is there instead, and what is right."""
        return NotFoundError(f"{self.name}: expected {expected}. {_there(expected)}{self._drawn()}")

    def wrong(self, reason: str) -> InputError:
        """Something is there, but not what the layout has in that place."""
        return InputError(f"{self.name}: {reason}{self._drawn()}")

    def _kind(self, path: Path) -> str:
        """ "folder", "file", or nothing."""
        try:
            return "folder" if path.is_dir() else "file" if path.exists() else ""
        except OSError as error:
            raise ReadError(f"{path} cannot be looked at ({error.strerror}); check its permissions.") from error
        except ValueError as error:  # a zero byte
            raise InputError(f"{str(path)!r} is no path ({error}).") from error

    def _drawn(self) -> str:
        lines = "".join(f"\n    {line}" for line in self.tree.strip().splitlines())
        return f"\n  A right folder looks like this:{lines}"


def _there(expected: Path) -> str:
    """What the nearest folder above `expected` holds."""
    above = next((parent for parent in expected.parents if parent.is_dir()), None)
    if above is None:
        return "No folder above it exists either."
    try:
        names = sorted(path.name + "/" * path.is_dir() for path in above.iterdir())
    except OSError:
        return f"{above} cannot be listed."
    if not names:
        return f"{above} is empty."
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{above} holds {', '.join(names[:_SHOWN])}{more}."


def stored_picture(path: Path) -> Image.Image:
    """RGB as stored, whatever its EXIF says of turning it: the published labels and points are of stored pixels."""
    return to_rgb(decode(read_capped(path, max_bytes=MAX_BYTES, what="a picture"), name=str(path))[0])


def read_lines(path: Path) -> list[str]:
    """The lines of a text that are not empty, without the spaces around them."""
    data = read_capped(path, max_bytes=MAX_LIST_BYTES, what="a list as text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is no text in UTF-8 ({error.reason} at byte {error.start}); fetch it again."
        ) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path} is empty; fetch it again.")
    return lines


def read_rows(path: Path, *kinds: Kind) -> list[tuple[int | float | str, ...]]:
    """Lines of values with spaces between them; the last value takes the rest of its line."""
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split(None, len(kinds) - 1)
        if len(cells) != len(kinds):
            raise InputError(f"{path}, line {number}: expected {len(kinds)} values, got {line[:80]!r}.")
        rows.append(tuple(value_of(c, kind, f"{path}, line {number}") for c, kind in zip(cells, kinds, strict=True)))
    return rows


def value_of(text: str, kind: Kind, where: str) -> int | float | str:
    """`text` as a value of a kind; numbers are finite."""
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where}: expected {'a whole' if kind is int else 'a'} number, got {text[:80]!r}.")
    return value


def field(value: object, key: str, where: str) -> object:
    """`value[key]` of what should be a mapping in JSON."""
    if not isinstance(value, Mapping) or key not in value:
        there = f"the keys {sorted(map(str, value))[:_SHOWN]}" if isinstance(value, Mapping) else _short(value)
        raise InputError(f"{where}: expected a mapping with {key!r}, got {there}.")
    return value[key]


def text_field(value: object, key: str, where: str) -> str:
    """A field that is text."""
    found = field(value, key, where)
    if not isinstance(found, str) or not found:
        raise InputError(f"{where}: {key!r} should be text, got {_short(found)}.")
    return found


def whole_field(value: object, key: str, where: str) -> int:
    """A field that is a whole number."""
    found = field(value, key, where)
    if not isinstance(found, int) or isinstance(found, bool):
        raise InputError(f"{where}: {key!r} should be a whole number, got {_short(found)}.")
    return found


def list_field(value: object, key: str, where: str) -> Sequence[object]:
    """A field that is a list."""
    found = field(value, key, where)
    if not isinstance(found, list):
        raise InputError(f"{where}: {key!r} should be a list, got {_short(found)}.")
    return found


def numbers_field(value: object, key: str, columns: int | None, where: str) -> NDArray[np.float64]:
    """A field that is a list of finite numbers (columns None: (n,)), or of rows of them (n, columns)."""
    found = list_field(value, key, where)
    rows = [found] if columns is None else found
    right = all(
        isinstance(row, list) and len(row) == (columns or len(row)) and all(_is_number(number) for number in row)
        for row in rows
    )
    if not right:
        wanted = "numbers" if columns is None else f"rows of {columns} numbers"
        raise InputError(f"{where}: {key!r} should be a list of {wanted}, got {_short(found)}.")
    return np.array(found, np.float64).reshape(len(found) if columns is None else (len(found), columns))


def plain_name(name: str, where: str) -> str:
    """A file name or a path downwards; one that leads out of its folder is refused."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise InputError(f"{where}: {name!r} leads out of the data set's folder.")
    return name


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
