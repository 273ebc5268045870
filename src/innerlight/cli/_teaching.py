"""What `innerlight teach` and its methods write: what was learned, and the report on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from innerlight.tuning.taught import Taught


def write_taught(found: Taught, output: Path) -> list[str]:
    """What was written: the word's file, or the folder of all that was learned; and the report's numbers and pictures
    if there is one.
    """
    from innerlight.files import write_json, write_picture

    name = re.sub(r"[^\w-]+", "-", found.name).strip("-") or found.kind
    written = [output / (f"{name}.safetensors" if found.one_file else name)]
    output.mkdir(parents=True, exist_ok=True)
    found.save(written[0])
    if found.report is not None:
        told: dict[str, Any] = {"scores": dict(found.report.scores), "recipe": dict(found.recipe)}
        write_json(told, output / f"{name}.json")
        write_picture(found.report.sheet(), output / f"{name}.png")
        written += [output / f"{name}.json", output / f"{name}.png"]
    return [str(path) for path in written]
