"""What `innerlight teach` and its methods write: the word, the report, and the run that can be gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from innerlight.tuning.taught import Taught


def write_taught(found: Taught, output: Path) -> list[str]:
    """The files written: the word, and the report's numbers and pictures if there is one."""
    from innerlight.files import write_json, write_picture

    name = found.word.name.strip("<>")
    written = [output / f"{name}.safetensors"]
    output.mkdir(parents=True, exist_ok=True)
    found.save(written[0])
    if found.report is not None:
        told: dict[str, Any] = {"scores": dict(found.report.scores), "recipe": dict(found.recipe)}
        write_json(told, output / f"{name}.json")
        write_picture(found.report.sheet(), output / f"{name}.png")
        written += [output / f"{name}.json", output / f"{name}.png"]
    return [str(path) for path in written]
