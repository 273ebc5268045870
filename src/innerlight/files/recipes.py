"""Recipes: how a picture was made, as JSON beside it and inside it.

A PNG carries its recipe as iTXt text, JPEG and WebP as EXIF UserComment; `picture.json` stands beside `picture.png`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

from innerlight.files import png_text
from innerlight.files.atomic import atomic_path, write_text
from innerlight.files.decoding import MAX_BYTES, decode
from innerlight.files.json_text import json_text, parse_json, read_json
from innerlight.files.reading import read_capped
from innerlight.types import InputError, NotFoundError

KEYWORD = "innerlight"
FORMAT = "innerlight recipe 1"
MAX_RECIPE_BYTES = 1024 * 1024

_EXIF_ROOM = 60_000  # a JPEG segment holds 65,533 bytes, some of them EXIF's own
_EXIF_TEXT = b"ASCII\0\0\0"  # how a UserComment declares its characters

Recipe = Mapping[str, Any]


def write_recipe(recipe: Recipe, path: str | os.PathLike[str]) -> None:
    """Put `recipe` beside the picture at `path`, and into it if it is a PNG; or into the JSON file at `path`."""
    path = Path(path)
    if path.suffix.lower() == ".json":
        _write_sidecar(recipe, path, picture=None)
        return
    picture = read_capped(path, max_bytes=MAX_BYTES, what="the picture that the recipe made")
    if not picture.startswith(png_text.SIGNATURE):
        write_sidecar(recipe, path)
        return
    marked = png_with_recipe(picture, recipe, name=str(path))
    with atomic_path(path) as temporary:
        temporary.write_bytes(marked)
        write_sidecar(recipe, path)


def read_recipe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The recipe inside a picture, else the one beside it; or that of a JSON file."""
    path = Path(path)
    if path.suffix.lower() == ".json":
        return _read_json(path)
    data = read_capped(path, max_bytes=MAX_BYTES, what="a picture with a recipe, or the recipe itself")
    inside = _text_inside(data, str(path))
    if inside is not None:
        return _parse(inside, f"The recipe in {path}")
    if not sidecar(path).exists():
        raise NotFoundError(f"{path} carries no recipe and {sidecar(path).name} is not beside it; pass its JSON file.")
    return _read_json(sidecar(path))


def sidecar(picture: Path) -> Path:
    """Where the recipe of a picture stands: `picture.png` -> `picture.json`."""
    return picture.with_suffix(".json")


def refuse_foreign_sidecar(picture: Path) -> None:
    """Raise if the JSON beside a picture is there and is not its recipe."""
    beside = sidecar(picture)
    if beside.exists():
        owner = _owner(beside)
        if owner != picture.name:
            raise InputError(
                f"{beside} holds {f'the recipe of {owner}' if owner else 'something else'}, so the recipe of "
                f"{picture.name} cannot go there; rename one of the two."
            )


def write_sidecar(recipe: Recipe, picture: Path) -> None:
    """Write the JSON beside a picture; a file there that is not this picture's recipe is not overwritten."""
    refuse_foreign_sidecar(picture)
    _write_sidecar(recipe, sidecar(picture), picture.name)


def png_with_recipe(png: bytes, recipe: Recipe, *, name: str) -> bytes:
    """The same PNG carrying `recipe`."""
    return png_text.with_text(png, KEYWORD, _text(recipe), name=name)


def exif_with_recipe(recipe: Recipe) -> bytes | None:
    """EXIF carrying `recipe` for JPEG and WebP; None if it is too long for that."""
    comment = _EXIF_TEXT + _text(recipe, ascii_only=True).encode("ascii")
    if len(comment) > _EXIF_ROOM:
        return None
    exif = Image.Exif()
    exif[IFD.Exif] = {Base.UserComment: comment}
    return exif.tobytes()


def _text(recipe: Recipe, *, picture: str | None = None, indent: int | None = None, ascii_only: bool = False) -> str:
    if not isinstance(recipe, Mapping):
        raise InputError(f"A recipe is a mapping of names to values; got {type(recipe).__name__}.")
    refusable = json_text(recipe, name="recipe")  # first alone, so that an error names the caller's key path
    if len(refusable.encode("utf-8")) > MAX_RECIPE_BYTES // 2:
        raise InputError(f"The recipe is longer than {MAX_RECIPE_BYTES // 2:,} bytes; store large values in files.")
    envelope = {"format": FORMAT, "recipe": recipe} | ({"picture": picture} if picture else {})
    return json_text(envelope, indent=indent, ascii_only=ascii_only)


def _write_sidecar(recipe: Recipe, path: Path, picture: str | None) -> None:
    write_text(_text(recipe, picture=picture, indent=2) + "\n", path)


def _owner(beside: Path) -> str | None:
    """The picture whose recipe a JSON file holds; None if it is not a recipe of ours."""
    try:
        value = _read_envelope(beside)
    except InputError:
        return None
    return value.get("picture")


def _text_inside(data: bytes, name: str) -> str | None:
    if data.startswith(png_text.SIGNATURE):
        return png_text.text_of(data, KEYWORD, max_bytes=MAX_RECIPE_BYTES, name=name)
    image, _ = decode(data, name=name)
    comment = image.getexif().get_ifd(IFD.Exif).get(Base.UserComment, b"")
    if isinstance(comment, bytes) and comment.startswith(_EXIF_TEXT + b'{"format": "innerlight'):
        return comment.removeprefix(_EXIF_TEXT).decode("utf-8", errors="replace")
    return None


def _read_json(path: Path) -> dict[str, Any]:
    return _recipe_of(_read_envelope(path), f"{path}")


def _read_envelope(path: Path) -> dict[str, Any]:
    value = read_json(path, max_bytes=MAX_RECIPE_BYTES, what="a recipe in JSON")
    return _envelope(value, str(path))


def _parse(text: str, name: str) -> dict[str, Any]:
    return _recipe_of(_envelope(parse_json(text, name), name), name)


def _envelope(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError(f'{name} is JSON but no recipe of ours; expected {{"format": "{FORMAT}", "recipe": ...}}.')
    return value


def _recipe_of(envelope: dict[str, Any], name: str) -> dict[str, Any]:
    recipe = envelope.get("recipe")
    if not isinstance(recipe, dict):
        raise InputError(f'{name} has no mapping under "recipe"; restore it from a copy or write it anew.')
    return recipe
