"""Pictures in, hardened, and out, whole: PNG, JPEG and WebP only."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from innerlight.files.atomic import atomic_path
from innerlight.files.decoding import MAX_BYTES, MAX_PIXELS, decode, orientation, refuse_size
from innerlight.files.reading import RAISE_CAP, ReadError, is_folder, near_names, read_capped
from innerlight.files.recipes import Recipe, exif_with_recipe, png_with_recipe, write_sidecar
from innerlight.files.rgb import WHITE, Colour, array_to_image, to_rgb
from innerlight.types import InnerlightError, InputError, NotFoundError

Source = Image.Image | str | os.PathLike[str] | bytes | bytearray | NDArray[Any]

_SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WebP"}
_KEPT_MODES = {"PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "JPEG": ("L", "RGB"), "WebP": ("RGB", "RGBA")}
_LONGEST_SIDES = {"PNG": 2**31 - 1, "JPEG": 65500, "WebP": 16383}
_OPTIONS = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WebP": {"lossless": True}}
_UPRIGHT = {  # what undoes each EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES, background: Colour = WHITE
) -> Image.Image:
    """One picture from a file, encoded bytes, Pillow or numpy, as upright RGB; transparency shows `background`."""
    if isinstance(source, np.ndarray):
        image, turned = array_to_image(source), 1
        refuse_size(image.size, "The array", max_pixels)
    elif isinstance(source, Image.Image):
        image, turned = _loaded(source, max_pixels)
    else:
        data, name = _encoded(source, max_bytes)
        image, turned = decode(data, name=name, max_pixels=max_pixels)
    plain = to_rgb(image, background)
    return plain.transpose(_UPRIGHT[turned]) if turned in _UPRIGHT else plain


def read_pictures(source: Source | Iterable[Source], **options: Any) -> list[Image.Image]:
    """One picture, several, or all of a folder, in order; `options` are those of `read_picture`."""
    if isinstance(source, str | os.PathLike) and is_folder(source):
        source = list_pictures(source)
    if isinstance(source, str | os.PathLike | bytes | bytearray | np.ndarray | Image.Image):
        return [read_picture(source, **options)]
    if not isinstance(source, Iterable):
        raise InputError(_not_a_source(source))
    pictures = [_read_numbered(one, index, options) for index, one in enumerate(source)]
    if not pictures:
        raise InputError("The list of pictures is empty; pass at least one.")
    return pictures


def list_pictures(folder: str | os.PathLike[str], *, recursive: bool = False) -> list[Path]:
    """The pictures of a folder by suffix, 2 before 10; hidden files, links to folders and unfinished writes apart."""
    folder = Path(folder)
    try:
        _refuse_no_folder(folder)
        found = sorted(_pictures_in(folder, recursive), key=lambda path: _natural(path.relative_to(folder)))
    except OSError as error:
        place = error.filename or folder
        raise ReadError(f"{place} cannot be listed ({error.strerror}); check its permissions.") from error
    if not found:
        deeper = "" if recursive else " Those of subfolders are found by recursive=True."
        raise NotFoundError(f"{folder} holds no picture ({', '.join(_SUFFIXES)}).{deeper}")
    return found


def write_picture(image: Image.Image | NDArray[Any], path: str | os.PathLike[str], *, recipe: Recipe | None = None):
    """Write PNG, JPEG or WebP by suffix, whole or not at all; its recipe inside it and in a JSON file beside it.

    PNG and WebP keep every pixel. JPEG has quality 95, and white under what was transparent.
    """
    path = Path(path)
    data = _encode(image, kind_of(path), recipe)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        if recipe is not None:
            write_sidecar(recipe, path)  # before the picture takes its name: once that is there, all is there


def as_written(image: Image.Image, path: str | os.PathLike[str]) -> Image.Image:
    """What `read_picture` would give back of a picture that was written to `path`: JPEG does not keep every pixel."""
    lossy = _SUFFIXES.get(Path(path).suffix.lower()) == "JPEG"
    return read_picture(_encode(image, "JPEG", None)) if lossy else image


def kind_of(path: Path) -> str:
    """PNG, JPEG or WebP, by suffix."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{path.name} has no picture suffix of ours; expected {', '.join(_SUFFIXES)}.")
    return _SUFFIXES[path.suffix.lower()]


def _encoded(source: object, max_bytes: int) -> tuple[bytes, str]:
    """Bytes of a picture file and what to call them in errors."""
    if isinstance(source, str | os.PathLike):
        return read_capped(Path(source), max_bytes=max_bytes, what="a picture"), os.fspath(source)
    if not isinstance(source, bytes | bytearray):
        raise InputError(_not_a_source(source))
    if len(source) > max_bytes:
        raise InputError(f"The data has {len(source):,} bytes, over the cap of {max_bytes:,}; {RAISE_CAP}.")
    return bytes(source), "The data"


def _loaded(image: Image.Image, max_pixels: int) -> tuple[Image.Image, int]:
    """A picture that someone else opened, which may still be unread, and its EXIF orientation."""
    refuse_size(image.size, "The picture", max_pixels)
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, AttributeError) as error:
        raise InputError(f"The picture cannot be read to its end ({error}); open it again from its file.") from error
    return image, orientation(image)


def _read_numbered(source: Any, index: int, options: dict[str, Any]) -> Image.Image:
    """One picture of a list; its place in the list is added to an error."""
    try:
        return read_picture(source, **options)
    except InnerlightError as error:
        raise type(error)(f"Picture {index} of the list: {error}") from error


def _refuse_no_folder(folder: Path) -> None:
    if not folder.exists():
        raise NotFoundError(f"There is no folder {folder}.{near_names(folder)}")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; expected a folder of pictures. Pass it to read_picture instead.")


def _pictures_in(folder: Path, recursive: bool) -> Iterator[Path]:
    # Links to folders are not followed, so there are no loops; a folder that cannot be listed is an error, not empty.
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        for path in (Path(parent, name) for name in names):
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file():
                yield path


def _raise(error: OSError) -> None:
    raise error


def _natural(path: Path) -> list[tuple[list[str | int], str]]:
    """Sorts 2 before 10 and a before B, folder by folder; the name itself decides between a01 and a1."""
    # Every odd piece of the split is a number, so that numbers meet numbers and texts meet texts.
    pieces = [re.split(r"([0-9]+)", part.casefold()) for part in path.parts]
    return [
        ([int(piece) if place % 2 else piece for place, piece in enumerate(split)], part)
        for split, part in zip(pieces, path.parts, strict=True)
    ]


def _encode(image: Image.Image | NDArray[Any], kind: str, recipe: Recipe | None) -> bytes:
    image = _writable(image, kind)
    exif = exif_with_recipe(recipe) if recipe is not None and kind != "PNG" else None
    buffer = io.BytesIO()
    image.save(buffer, kind, **_OPTIONS[kind], **({"exif": exif} if exif else {}))
    data = buffer.getvalue()
    return png_with_recipe(data, recipe, name="the PNG") if recipe is not None and kind == "PNG" else data


def _writable(image: Image.Image | NDArray[Any], kind: str) -> Image.Image:
    """The picture in a mode that the format keeps."""
    if isinstance(image, np.ndarray):
        image = array_to_image(image)
    if not isinstance(image, Image.Image):
        raise InputError(f"Expected a Pillow picture or a numpy array to write; got {type(image).__name__}.")
    image, _ = _loaded(image, max_pixels=MAX_PIXELS * 4)
    if max(image.size) > _LONGEST_SIDES[kind]:
        limit = _LONGEST_SIDES[kind]
        raise InputError(f"{kind} ends at {limit} pixels a side, this is {image.width} x {image.height}; use PNG.")
    return image if image.mode in _KEPT_MODES[kind] else to_rgb(image)


def _not_a_source(source: object) -> str:
    return (
        f"Expected a picture as Pillow image, path, bytes or numpy array; got {type(source).__name__}. "
        "A tensor becomes an array by .numpy(), channels last."
    )
