"""The world as data sets that people's tools read: COCO, Pascal VOC, SPair-71k. Resumable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from innerlight import __version__
from innerlight.files import Manifest
from innerlight.world._checks import one_of, whole
from innerlight.world.exports import coco, spair, voc

Progress = Callable[[int, int], None]  # done, of

MOST_ENTRIES = 1_000_000


class Format(Protocol):
    """A module that writes one layout."""

    def write_entry(self, folder: Path, seed: int, size: tuple[int, int]) -> dict[str, Any]:
        """Write the files of entry `seed`; return their names in the folder, as "files", and what the index needs."""
        ...

    def finish(self, folder: Path, entries: Mapping[int, Mapping[str, Any]]) -> None:
        """Write the index over all entries, given by seed."""
        ...


FORMATS: dict[str, Format] = {"coco": coco, "voc": voc, "spair": spair}  # type: ignore[dict-item]


@dataclass(frozen=True)
class Exported:
    """Where a data set lies, and how much of it this run had to draw."""

    folder: Path
    entries: int  # in the data set
    drawn: int  # in this run


def export(
    folder: Path | str,
    format: str,
    count: int,
    *,
    seed: int = 0,
    height: int = 128,
    width: int = 128,
    progress: Progress = lambda done, of: None,
) -> Exported:
    """Write `count` entries (pictures; for spair, pairs) from `seed` on; killed and run again, it goes on.

    Run with other seeds, it adds to the data set; what went missing is drawn again.
    """
    one_of("format", format, FORMATS)
    whole("count", count, 1, MOST_ENTRIES)
    whole("seed", seed, 0, 10**12)
    size = whole("height", height, 16, 4096), whole("width", width, 16, 4096)
    folder, layout = Path(folder), FORMATS[format]
    settings = {"format": format, "height": height, "width": width, "innerlight": __version__}
    drawn = 0
    with Manifest.open(folder / "innerlight-export.jsonl", task="world export", settings=settings) as manifest:
        for done, number in enumerate(range(seed, seed + count)):
            progress(done, count)
            drawn += _entered(manifest, layout, folder, number, size)
        progress(count, count)
        layout.finish(folder, {int(key): entry for key, entry in manifest.results.items()})
    return Exported(folder, len(manifest), drawn)


def _entered(manifest: Manifest, layout: Format, folder: Path, seed: int, size: tuple[int, int]) -> bool:
    """Make sure of one entry; true if it had to be drawn."""
    key = str(seed)
    if manifest.done(key) and all((folder / name).exists() for name in manifest.result(key)["files"]):
        return False
    entry = layout.write_entry(folder, seed, size)
    if not manifest.done(key):
        manifest.record(key, **entry)
    return True
