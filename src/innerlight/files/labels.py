"""Label maps as indexed PNG: 8 bits with the Pascal VOC palette, or 16-bit grey where there are more labels."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from innerlight.files import png_text
from innerlight.files.atomic import write_bytes
from innerlight.files.decoding import MAX_BYTES, decode
from innerlight.files.json_text import json_text, parse_json
from innerlight.files.reading import read_capped
from innerlight.types import InputError, LabelMap

IGNORE = 255
NAMES_KEYWORD = "innerlight-names"

_MAX_NAMES_BYTES = 4 * 1024 * 1024
_IGNORE_COLOUR = (224, 224, 192)  # VOC's "void": light, apart from all classes


def write_labels(
    labels: ArrayLike, path: str | os.PathLike[str], *, palette: ArrayLike | None = None, ignore: int | None = IGNORE
) -> None:
    """Whole numbers (h, w) from 0 to an indexed PNG, values as they are: up to 255 in 8 bits, else in 16.

    Only an `ignore` that PNG cannot hold (-1, say) is changed: to 255, or to 65535 in 16 bits.
    """
    write_bytes(_encode(labels, path, palette, ignore)[0], path)


def read_labels(path: str | os.PathLike[str]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The indices (h, w) of an indexed or grey PNG."""
    return _indices(_read(path), str(path))


def write_label_map(label_map: LabelMap, path: str | os.PathLike[str], *, palette: ArrayLike | None = None) -> None:
    """Write labels as `write_labels` does, with their names inside the PNG."""
    names = _checked_names(label_map.names)
    png, stored_ignore = _encode(label_map.labels, path, palette, label_map.ignore)
    text = json_text({"ignore": stored_ignore, "names": {str(label): name for label, name in names.items()}})
    write_bytes(png_text.with_text(png, NAMES_KEYWORD, text, name=str(path)), path)


def read_label_map(path: str | os.PathLike[str]) -> LabelMap:
    """Labels with their names; a PNG without names gets none, and VOC's 255 as `ignore` if it has 8 bits."""
    data = _read(path)
    labels = _indices(data, str(path))
    text = png_text.text_of(data, NAMES_KEYWORD, max_bytes=_MAX_NAMES_BYTES, name=str(path))
    if text is None:
        return LabelMap(labels, {}, IGNORE if labels.dtype == np.uint8 else None)
    names, ignore = _parse_names(text, f"The names in {path}")
    return LabelMap(labels, names, ignore)


def voc_palette(n: int = 256) -> NDArray[np.uint8]:
    """The first `n` Pascal VOC colours (n, 3): the label's bits dealt to red, green and blue, highest bits first."""
    if not 0 < n <= 256:
        raise InputError(f"The VOC palette has 1 to 256 colours; got n={n}.")
    labels = np.arange(n)
    colours = np.zeros((n, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((labels >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    colours[IGNORE:] = _IGNORE_COLOUR
    return colours


def _encode(
    labels: ArrayLike, path: str | os.PathLike[str], palette: ArrayLike | None, ignore: int | None
) -> tuple[bytes, int | None]:
    """PNG bytes, and the value that `ignore` has in them."""
    if not os.fspath(path).lower().endswith(".png"):
        raise InputError(f"{os.fspath(path)} does not end in .png; labels survive in PNG only.")
    values = _checked_labels(np.asarray(labels), ignore)
    stored, stored_ignore = _stored(values, ignore)
    if stored.dtype == np.uint16 and palette is not None:
        raise InputError(f"Labels up to {stored.max()} need a 16-bit PNG, which has no palette; leave palette= out.")
    image = Image.fromarray(stored)
    if stored.dtype == np.uint8:
        image.putpalette(_full_palette(palette, stored).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue(), stored_ignore


def _stored(values: NDArray[np.integer], ignore: int | None) -> tuple[NDArray[np.uint8 | np.uint16], int | None]:
    """The smallest PNG depth that holds all values, with a negative `ignore` at the top of it."""
    if ignore is None or ignore >= 0:
        return values.astype(np.uint8 if values.max() <= 255 else np.uint16), ignore
    depth = np.uint8 if values.max() < 255 else np.uint16
    top = int(np.iinfo(depth).max)
    return np.where(values == ignore, top, values).astype(depth), top


def _checked_labels(labels: NDArray[Any], ignore: int | None) -> NDArray[np.integer]:
    if labels.ndim != 2 or labels.size == 0:
        raise InputError(f"The labels' shape is {labels.shape}; expected (height, width) with at least one pixel.")
    if labels.dtype.kind not in "iu":
        raise InputError(f"The labels' dtype is {labels.dtype}; expected whole numbers. Use .astype(np.uint8).")
    classes = labels[labels != ignore] if ignore is not None and ignore < 0 else labels
    most = 65535 if classes.size == labels.size else 65534
    if classes.size and (classes.min() < 0 or classes.max() > most):
        raise InputError(
            f"The labels run from {classes.min()} to {classes.max()}; expected 0..{most}. "
            "Number them anew (np.unique(..., return_inverse=True)), or name a negative one as ignore=."
        )
    return labels


def _full_palette(palette: ArrayLike | None, stored: NDArray[Any]) -> NDArray[np.uint8]:
    """256 colours: the caller's, then VOC's for labels without one of their own."""
    full = voc_palette(256)
    if palette is None:
        return full
    own = np.asarray(palette)
    if own.ndim != 2 or own.shape[1] != 3 or not 0 < len(own) <= 256 or own.dtype.kind not in "iu":
        raise InputError(f"The palette is {own.dtype} {own.shape}; expected whole numbers (n, 3) with n up to 256.")
    if own.min() < 0 or own.max() > 255:
        raise InputError(f"The palette runs from {own.min()} to {own.max()}; expected 0..255.")
    largest = int(stored[stored != IGNORE].max(initial=0))
    if len(own) <= largest:
        raise InputError(f"The palette has {len(own)} colours, but labels go up to {largest}; give each one.")
    full[: len(own)] = own
    return full


def _read(path: str | os.PathLike[str]) -> bytes:
    return read_capped(path, max_bytes=MAX_BYTES, what="labels as PNG")


def _indices(data: bytes, name: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    image, _ = decode(data, name=name, formats=("PNG",))
    if image.mode == "P":
        return np.array(image)
    if image.mode in ("1", "L"):
        depth = data[24]  # of the IHDR chunk; Pillow stretches 2 and 4 bits to 0..255
        return np.array(image).astype(np.uint8) // np.uint8(1 if depth == 1 else 255 // (2**depth - 1))
    if image.mode in ("I", "I;16"):
        return np.array(image).astype(np.uint16)
    raise InputError(
        f"{name} is a colour picture (mode {image.mode}), not labels; expected an indexed or grey PNG. "
        "Map its colours to numbers first; voc_palette() has the usual ones."
    )


def _checked_names(names: Mapping[int, str]) -> dict[int, str]:
    for label, name in names.items():
        if isinstance(label, bool) or not isinstance(label, int | np.integer) or not isinstance(name, str):
            raise InputError(f"Names map whole numbers to text; got {label!r}: {name!r}.")
    return dict(names)


def _parse_names(text: str, where: str) -> tuple[dict[int, str], int | None]:
    """Names by label and the stored `ignore`, as `write_label_map` put them."""
    value = parse_json(text, where)
    names, ignore = (value.get("names"), value.get("ignore")) if isinstance(value, dict) else (None, None)
    if not isinstance(names, dict) or not isinstance(ignore, int | None):
        raise InputError(f"{where} are not those of labels; write the label map anew.")
    if not all(label.isdecimal() and isinstance(name, str) for label, name in names.items()):
        raise InputError(f"{where} do not map whole numbers to text; write the label map anew.")
    return {int(label): name for label, name in names.items()}, ignore
