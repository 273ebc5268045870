"""Files in and out: hardened pictures, recipes, label maps, run-length masks, atomic writes, one resumable manifest."""

from __future__ import annotations

from innerlight.files import rle
from innerlight.files.atomic import WriteError, atomic_path, is_temporary, write_bytes, write_json, write_text
from innerlight.files.decoding import MAX_BYTES, MAX_PIXELS
from innerlight.files.json_text import read_json
from innerlight.files.labels import (
    read_label_map,
    read_labels,
    voc_palette,
    write_label_map,
    write_labels,
)
from innerlight.files.manifest import Manifest
from innerlight.files.pictures import Source, as_written, list_pictures, read_picture, read_pictures, write_picture
from innerlight.files.reading import ReadError
from innerlight.files.recipes import Recipe, read_recipe, write_recipe

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "Manifest",
    "ReadError",
    "Recipe",
    "Source",
    "WriteError",
    "as_written",
    "atomic_path",
    "is_temporary",
    "list_pictures",
    "read_json",
    "read_label_map",
    "read_labels",
    "read_picture",
    "read_pictures",
    "read_recipe",
    "rle",
    "voc_palette",
    "write_bytes",
    "write_json",
    "write_label_map",
    "write_labels",
    "write_picture",
    "write_recipe",
    "write_text",
]
