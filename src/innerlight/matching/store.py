"""Pictures' vectors and patches in a folder: written one picture at a time, searched without opening them.

STORE/manifest.jsonl       which picture is in which file; with which model and settings
STORE/pictures/000000.safetensors
STORE/vectors.safetensors  one vector of each kind a picture, gathered from the files; made anew when it is behind
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from innerlight.files import Manifest, ReadError, WriteError, atomic_path
from innerlight.types import InputError, NotFoundError

TASK = "index"
VECTORS = "vectors.safetensors"
COUNT, ROWS = "count", "rows"  # of what is gathered: how many pictures, and which

Stamp = tuple[int, int]  # of a picture's file: bytes, and nanoseconds of its last change
Pictures = Mapping[str, Mapping[str, Any]]  # what the journal says of each, in its order


@dataclass(frozen=True, eq=False)
class Entry:
    """What is kept of one picture: for each kind of feature a vector (c,) and patches (cells, c) of a grid."""

    vectors: Mapping[str, Tensor]
    patches: Mapping[str, Tensor]
    grid: tuple[int, int]
    image_size: tuple[int, int]


class Store:
    """A store opened for writing, by one process at a time."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self._manifest = folder, manifest
        self._next = 1 + max(map(_number, manifest.results.values()), default=-1)

    @classmethod
    @contextmanager
    def open(cls, folder: str | os.PathLike[str], settings: Mapping[str, Any]) -> Iterator[Store]:
        """Begin a store, or go on with one of the same settings; another model's is refused. Pictures whose files are
        lost or damaged are pending again. At the end, however it comes, vectors are gathered.
        """
        place = Path(folder)
        with Manifest.open(place / "manifest.jsonl", task=TASK, settings=settings) as manifest:
            store = cls(place, manifest)
            store._forget_damaged()
            try:
                yield store
            finally:
                gathered = _gather(place, settings, manifest.results)
                if gathered.behind:
                    _keep(place, settings, manifest.results, gathered)

    def __len__(self) -> int:
        return len(self._manifest)

    @property
    def stamps(self) -> dict[str, Stamp | None]:
        """Of each picture's file, when the picture was taken in."""
        return {key: _stamp(facts) for key, facts in self._manifest.results.items()}

    def pending(self, keys: Iterable[str]) -> list[str]:
        """The pictures that are not in it yet."""
        return list(self._manifest.pending(keys))

    def add(self, key: str, entry: Entry, stamp: Stamp | None = None) -> None:
        """Keep one picture; after a kill it is there whole, or not at all."""
        facts = {"file": self._next, "grid": list(entry.grid), "size": list(entry.image_size)}
        path = _path(self.folder, facts)
        tensors = {f"vector.{name}": value.half().contiguous().cpu() for name, value in entry.vectors.items()}
        tensors |= {f"patches.{name}": value.half().contiguous().cpu() for name, value in entry.patches.items()}
        with atomic_path(path) as temporary:
            save_file(tensors, temporary)
        self._manifest.record(key, **facts, stamp=list(stamp) if stamp else None)
        self._next += 1

    def forget(self, key: str) -> None:
        """Take one picture out; it is pending again."""
        path = _path(self.folder, self._manifest.result(key))
        self._manifest.forget(key)
        with suppress(OSError):  # what stays behind costs room only
            path.unlink()

    def _forget_damaged(self) -> None:
        """Files whose vectors are unlike those of most others are of something else."""
        shapes = {key: _shapes(_vectors(_path(self.folder, facts))) for key, facts in self._manifest.results.items()}
        counts = Counter(filter(None, shapes.values()))
        usual = max(counts, key=counts.__getitem__, default=None)
        for key, own in shapes.items():
            if own != usual:
                self.forget(key)


@dataclass(frozen=True, eq=False)
class Index:
    """A store opened for searching."""

    folder: Path
    settings: Mapping[str, Any]
    keys: tuple[str, ...]
    facts: tuple[Mapping[str, Any], ...]
    vectors: Mapping[str, Tensor]  # by kind (pictures, c), float32
    lost: tuple[str, ...] = ()  # pictures that are not searched, as their files are lost or damaged

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Index:
        """A store that `Store` wrote; one that is being written is searched as far as it is. Nothing has to be
        written.
        """
        place = Path(folder)
        path = place / "manifest.jsonl"
        if not path.is_file():
            raise NotFoundError(f"no index at {place}; make one: innerlight index FOLDER")
        try:
            settings, results = Manifest.read(path, task=TASK)
        except InputError as error:
            raise InputError(f"{place} is no index ({error}); make one: innerlight index FOLDER") from error
        if not results:
            raise InputError(f"the index at {place} holds no picture; run innerlight index again")
        gathered = _gather(place, settings, results)
        if len(gathered.lost) == len(results):
            raise InputError(f"none of the {len(results)} pictures of the index at {place} can be read; index again")
        if gathered.behind:
            with (
                suppress(WriteError, ReadError),  # it is being written, or not for us to write: gathered again then
                Manifest.open(path, task=TASK, settings=settings),
            ):
                _keep(place, settings, results, gathered)
        lost = {*gathered.lost}
        kept = {key: facts for key, facts in results.items() if key not in lost}
        return cls(place, settings, tuple(kept), tuple(kept.values()), gathered.vectors, gathered.lost)

    def search(self, query: Mapping[str, Tensor], count: int) -> tuple[Tensor, Tensor]:
        """Numbers of the `count` pictures with the highest mean product with the query's vectors (c,) by kind, and
        those products, highest first.
        """
        scores = torch.stack([self.vectors[kind] @ vector for kind, vector in self.check(query).items()]).mean(0)
        found = scores.topk(min(count, len(scores)))
        return found.indices, found.values

    def check(self, query: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The vectors of a query in float32, if the index has their kinds."""
        if not query or set(query) - set(self.vectors):
            raise InputError(f"query: expected vectors of {', '.join(self.vectors)}, got {', '.join(query) or 'none'}")
        return {kind: vector.float().cpu() for kind, vector in query.items()}

    def rows(self, count: int) -> str:
        """Tells the first `count` pictures, under these settings, from all others."""
        return _rows(self.settings, zip(self.keys, self.facts, strict=True), count)

    def stamp(self, number: int) -> Stamp | None:
        """Of a picture's file, when the picture was taken in."""
        return _stamp(self.facts[number])

    def entry(self, number: int) -> Entry:
        """All that is kept of one picture."""
        facts = self.facts[number]
        path = _path(self.folder, facts)
        kinds: dict[str, dict[str, Tensor]] = {"vector": {}, "patches": {}}
        try:
            for name, value in load_file(path).items():
                part, _, kind = name.partition(".")
                kinds[part][kind] = value.float()
            (rows, columns), (height, width) = facts["grid"], facts["size"]
        except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({error!r}); index again") from error
        return Entry(kinds["vector"], kinds["patches"], (rows, columns), (height, width))


@dataclass(frozen=True, eq=False)
class _Gathered:
    """One matrix (pictures, c) a kind, of the pictures whose files can be read."""

    vectors: Mapping[str, Tensor]
    lost: tuple[str, ...]
    behind: bool  # the file of vectors lacks some of them; it is renewed where no picture is lost


def _gather(folder: Path, settings: Mapping[str, Any], pictures: Pictures) -> _Gathered:
    parts: dict[str, list[Tensor]] = {}
    done = 0
    with suppress(OSError, SafetensorError, ValueError), safe_open(folder / VECTORS, framework="pt") as file:
        told = file.metadata() or {}
        if told.get(ROWS) == _rows(settings, pictures.items(), int(told.get(COUNT, 0))):
            parts = {name: [file.get_tensor(name)] for name in file.keys()}  # noqa: SIM118
            done = int(told[COUNT])
    usual = _shapes({name: value[0] for name, (value,) in parts.items()})
    lost = []
    for key, facts in islice(pictures.items(), done, None):
        own = _vectors(_path(folder, facts))
        usual = usual or _shapes(own)
        if own and _shapes(own) == usual:
            for name, value in own.items():
                parts.setdefault(name, []).append(value[None])
        else:
            lost.append(key)
    joined = {name: torch.cat(values).float() for name, values in parts.items()}
    return _Gathered(joined, tuple(lost), done < len(pictures) and not lost)


def _keep(folder: Path, settings: Mapping[str, Any], pictures: Pictures, gathered: _Gathered) -> None:
    """Renew the file of vectors."""
    told = {COUNT: str(len(pictures)), ROWS: _rows(settings, pictures.items(), len(pictures))}
    with atomic_path(folder / VECTORS) as temporary:
        save_file({name: value.half() for name, value in gathered.vectors.items()}, temporary, metadata=told)


def _rows(settings: Mapping[str, Any], pictures: Iterable[tuple[str, Mapping[str, Any]]], count: int) -> str:
    """Tells the first `count` pictures, under these settings, from all others."""
    told = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for key, facts in islice(pictures, count):
        told.update(f"{key}\0{_number(facts)}\0{_stamp(facts)}\n".encode())
    return told.hexdigest()


def _vectors(path: Path) -> dict[str, Tensor]:
    """A picture's vectors by kind; none if its file cannot be read."""
    with suppress(OSError, SafetensorError), safe_open(path, framework="pt") as file:
        names = [name for name in sorted(file.keys()) if name.startswith("vector.")]
        return {name.removeprefix("vector."): file.get_tensor(name) for name in names}
    return {}


def _shapes(vectors: Mapping[str, Tensor]) -> tuple[tuple[str, torch.Size], ...]:
    return tuple((name, value.shape) for name, value in sorted(vectors.items()))


def _path(folder: Path, facts: Mapping[str, Any]) -> Path:
    return folder / "pictures" / f"{_number(facts):06d}.safetensors"


def _number(facts: Mapping[str, Any]) -> int:
    """Of a picture's file; a record of another kind has none."""
    number = facts.get("file")
    return number if isinstance(number, int) else -1


def _stamp(facts: Mapping[str, Any]) -> Stamp | None:
    stamp = facts.get("stamp")
    return (stamp[0], stamp[1]) if stamp else None
