"""What several results are named after."""

from __future__ import annotations

import os
from pathlib import Path

_ENDINGS = (".png", ".json", ".jpg", ".jpeg", ".webp")


def stem_of(path: str | os.PathLike[str]) -> Path:
    """A path without the ending of a picture or of JSON; whatever else stands behind a dot is part of the name."""
    place = Path(path)
    return place.with_suffix("") if place.suffix.lower() in _ENDINGS else place
