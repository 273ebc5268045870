"""Pictures' vectors and patches in a folder: written one picture at a time, searched without opening them.

STORE/manifest.jsonl       which picture is in which file; with which model and settings
STORE/pictures/000000.safetensors
STORE/vectors.safetensors  one vector of each kind a picture, gathered from the files; made anew when it is behind
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from innerlight.files import Manifest, atomic_path
from innerlight.types import InputError, NotFoundError

TASK = "index"
VECTORS = "vectors.safetensors"
COUNT, LAST = "count", "last"  # of what is gathered: whether it is behind


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

    @classmethod
    @contextmanager
    def open(cls, folder: str | os.PathLike[str], settings: Mapping[str, Any]) -> Iterator[Store]:
        """Begin a store, or go on with one of the same settings; another model's is refused. At the end, however it
        comes, vectors are gathered.
        """
        place = Path(folder)
        with Manifest.open(place / "manifest.jsonl", task=TASK, settings=settings) as manifest:
            store = cls(place, manifest)
            try:
                yield store
            finally:
                gather(place, manifest.results)

    def pending(self, keys: Iterable[str]) -> list[str]:
        """The pictures that are not in it yet."""
        return list(self._manifest.pending(keys))

    def add(self, key: str, entry: Entry) -> None:
        """Keep one picture; after a kill it is there whole, or not at all."""
        number = len(self._manifest)
        path = _path(self.folder, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {f"vector.{name}": value.half().contiguous().cpu() for name, value in entry.vectors.items()}
        tensors |= {f"patches.{name}": value.half().contiguous().cpu() for name, value in entry.patches.items()}
        with atomic_path(path) as temporary:
            save_file(tensors, temporary)
        self._manifest.record(key, file=number, grid=list(entry.grid), size=list(entry.image_size))


@dataclass(frozen=True, eq=False)
class Index:
    """A store opened for searching."""

    folder: Path
    settings: Mapping[str, Any]
    keys: tuple[str, ...]
    facts: tuple[Mapping[str, Any], ...]
    vectors: Mapping[str, Tensor]  # by kind (pictures, c), float32

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Index:
        """A store that `Store` wrote; one that is being written is searched as far as it is."""
        place = Path(folder)
        path = place / "manifest.jsonl"
        if not path.is_file():
            raise NotFoundError(f"no index at {place}; make one: innerlight index FOLDER")
        settings = _settings(path)
        with Manifest.open(path, task=TASK, settings=settings) as manifest:
            results = dict(manifest.results)
            if not results:
                raise InputError(f"the index at {place} holds no picture; run innerlight index again")
            vectors = gather(place, results)
        return cls(place, settings, tuple(results), tuple(results.values()), vectors)

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

    def entry(self, number: int) -> Entry:
        """All that is kept of one picture."""
        facts = self.facts[number]
        try:
            tensors = load_file(_path(self.folder, int(facts["file"])))
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"{_path(self.folder, int(facts['file']))} cannot be read ({error}); index again"
            ) from error
        kinds: dict[str, dict[str, Tensor]] = {"vector": {}, "patches": {}}
        for name, value in tensors.items():
            part, _, kind = name.partition(".")
            kinds[part][kind] = value.float()
        rows, columns = facts["grid"]
        height, width = facts["size"]
        return Entry(kinds["vector"], kinds["patches"], (rows, columns), (height, width))


def gather(folder: Path, results: Mapping[str, Mapping[str, Any]]) -> dict[str, Tensor]:
    """One matrix (pictures, c) a kind, from a file that is renewed where it is behind the pictures."""
    if not results:
        return {}
    path, last = folder / VECTORS, list(results)[-1]
    kept: dict[str, Tensor] = {}
    done = 0
    with suppress(OSError, SafetensorError, ValueError), safe_open(path, framework="pt") as file:  # else from the start
        told = file.metadata() or {}
        if told.get(LAST) in results:
            kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            done = int(told[COUNT])
    if done == len(results):
        return {name: value.float() for name, value in kept.items()}
    parts: dict[str, list[Tensor]] = {name: [value] for name, value in kept.items()}
    for result in list(results.values())[done:]:
        with safe_open(_path(folder, int(result["file"])), framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                if name.startswith("vector."):
                    parts.setdefault(name.removeprefix("vector."), []).append(file.get_tensor(name)[None])
    joined = {name: torch.cat(values) for name, values in parts.items()}
    with atomic_path(path) as temporary:
        save_file(joined, temporary, metadata={COUNT: str(len(results)), LAST: last})
    return {name: value.float() for name, value in joined.items()}


def _path(folder: Path, number: int) -> Path:
    return folder / "pictures" / f"{number:06d}.safetensors"


def _settings(path: Path) -> Mapping[str, Any]:
    """What a store was begun with: the first line of its journal."""
    with path.open(encoding="utf-8") as file:
        first = file.readline()
    from innerlight.files.json_text import parse_json

    header = parse_json(first, str(path)) if first.endswith("\n") else {}
    settings = header.get("settings") if isinstance(header, dict) else None
    if not isinstance(settings, dict):
        raise InputError(f"{path} is no index; make one: innerlight index FOLDER")
    return settings
