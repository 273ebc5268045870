"""The world as data sets that people's tools read: COCO, Pascal VOC, SPair-71k. Resumable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from innerlight.files import Manifest
from innerlight.types import InputError
from innerlight.world.export import coco, spair, voc

Progress = Callable[[int, int], None]  # done, of


class Format(Protocol):
    """A module that writes one layout."""

    def write_entry(self, folder: Path, seed: int, size: tuple[int, int]) -> dict[str, Any]:
        """Write the files of entry `seed` and return what the data set's index needs to know of it."""
        ...

    def finish(self, folder: Path, entries: Mapping[int, Mapping[str, Any]]) -> None:
        """Write the index over all entries, given by seed."""
        ...


FORMATS: dict[str, Format] = {"coco": coco, "voc": voc, "spair": spair}  # type: ignore[dict-item]


@dataclass(frozen=True)
class Exported:
    """Where a data set lies, and how much of it this run had to draw."""

    folder: Path
    entries: int
    drawn: int


def export(
    folder: Path | str,
    kind: str,
    count: int,
    *,
    seed: int = 0,
    height: int = 128,
    width: int = 128,
    progress: Progress = lambda done, of: None,
) -> Exported:
    """Write `count` entries (pictures; for spair, pairs) from `seed` on; killed and run again, it goes on."""
    if kind not in FORMATS:
        raise InputError(f"format: expected one of {', '.join(FORMATS)}, got {kind!r}")
    if count < 1 or min(height, width) < 16 or max(height, width) > 4096:
        raise InputError(f"expected count from 1 and sides of 16 to 4096 pixels, got {count}, {height} x {width}")
    folder, layout = Path(folder), FORMATS[kind]
    settings = {"format": kind, "height": height, "width": width}
    seeds = {str(number): number for number in range(seed, seed + count)}
    with Manifest.open(folder / "innerlight-export.jsonl", task="world export", settings=settings) as manifest:
        todo = list(manifest.pending(seeds))
        for done, key in enumerate(todo):
            progress(count - len(todo) + done, count)
            manifest.record(key, **layout.write_entry(folder, seeds[key], (height, width)))
        progress(count, count)
        layout.finish(folder, {number: manifest.result(key) for key, number in seeds.items()})
    return Exported(folder, count, len(todo))
