"""COCO run-length masks: runs down the columns, the first of zeros, as numbers or in the compressed text form."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from innerlight.files.decoding import MAX_PIXELS
from innerlight.types import InputError

_GROUP = 5  # bits a character carries; the sixth says that more follow
_MOST_GROUPS = 10  # 50 bits: more than any picture has pixels


class Rle(TypedDict):
    """A mask as COCO writes it: `size` is [height, width], `counts` the runs or their text."""

    size: list[int]
    counts: list[int] | str | bytes


def encode(mask: ArrayLike) -> Rle:
    """A mask (h, w) of bool or 0 and 1 to its runs, uncompressed."""
    pixels = _checked_mask(np.asarray(mask))
    flat = pixels.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]]))
    if flat[0]:
        counts = np.concatenate([[0], counts])
    return {"size": [int(side) for side in pixels.shape], "counts": counts.tolist()}


def decode(rle: Rle, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.bool_]:
    """Runs in either form to the mask (h, w)."""
    height, width, counts = _parse(rle)
    if height * width > max_pixels:
        raise InputError(f"The mask is {height} x {width}, over the cap of {max_pixels:,} pixels; pass max_pixels=.")
    values = np.arange(len(counts)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, counts).reshape((height, width), order="F"))


def area(rle: Rle) -> int:
    """The number of pixels of the mask."""
    return int(_parse(rle)[2][1::2].sum())


def box(rle: Rle) -> tuple[int, int, int, int]:
    """The mask's bounding box as x, y, width, height; zeros for an empty mask."""
    height, _, counts = _parse(rle)
    ends = np.cumsum(counts)[1::2]
    lengths = counts[1::2]
    starts, lasts = (ends - lengths)[lengths > 0], (ends - 1)[lengths > 0]
    if len(starts) == 0:
        return 0, 0, 0, 0
    left, right = int(starts[0]) // height, int(lasts[-1]) // height
    if (starts // height != lasts // height).any():  # a run over the foot of a column touches top and bottom
        top, bottom = 0, height - 1
    else:
        top, bottom = int((starts % height).min()), int((lasts % height).max())
    return left, top, right - left + 1, bottom - top + 1


def compress(counts: ArrayLike) -> str:
    """Runs to COCO's text: from the fourth on as differences to the last but one, five bits a character."""
    runs = _checked_counts(counts)
    runs[3:] -= runs[1:-2].copy()
    shifts = _GROUP * np.arange(_MOST_GROUPS)
    groups = (runs[:, None] >> shifts) & 31  # (runs, groups), lowest bits first
    rest = runs[:, None] >> (shifts + _GROUP)
    more = np.where(groups & 16, rest != -1, rest != 0)  # the last group's top bit is the sign
    written = np.concatenate([np.ones((len(runs), 1), bool), np.logical_and.accumulate(more, axis=1)[:, :-1]], axis=1)
    return (groups + 32 * more + 48)[written].astype(np.uint8).tobytes().decode("ascii")


def decompress(text: str | bytes) -> list[int]:
    """COCO's text to runs."""
    codes = _codes(text)
    if len(codes) == 0:
        return []
    ends = np.flatnonzero(codes < 32)  # the last character of each number
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if codes[-1] >= 32 or lengths.max() > _MOST_GROUPS:
        raise InputError(
            "The RLE text ends within a number or holds one too large; it is cut or damaged. Write the mask anew."
        )
    place = np.arange(len(codes)) - np.repeat(starts, lengths)
    runs = np.add.reduceat((codes & 31) << (_GROUP * place), starts)
    runs -= np.where(codes[ends] & 16, np.int64(1) << (_GROUP * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs.tolist()


def _codes(text: str | bytes) -> NDArray[np.int64]:
    raw = text.encode("utf-8") if isinstance(text, str) else bytes(text)
    codes = np.frombuffer(raw, dtype=np.uint8).astype(np.int64) - 48
    foreign = np.flatnonzero((codes < 0) | (codes > 63))
    if len(foreign):
        place = int(foreign[0])
        raise InputError(
            f"The RLE text holds byte {raw[place : place + 1]!r} at {place}; expected '0' to 'o'. Write the mask anew."
        )
    return codes


def _parse(rle: Rle) -> tuple[int, int, NDArray[np.int64]]:
    """Height, width and runs, which are known to fill the picture."""
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        raise InputError(
            f'An RLE is a mapping with "size" and "counts"; got {_short(rle)}. Polygons are drawn to a mask first.'
        )
    height, width = _checked_size(rle["size"])
    counts = rle["counts"]
    runs = _checked_counts(decompress(counts) if isinstance(counts, str | bytes) else counts)
    total = sum(runs.tolist())  # whole numbers of any length: no overflow hides a damaged run
    if total != height * width:
        raise InputError(
            f"The runs add up to {total:,}, but {height} x {width} has {height * width:,} pixels; write the mask anew."
        )
    return height, width, runs


def _checked_mask(mask: NDArray[Any]) -> NDArray[np.bool_]:
    if mask.ndim != 2 or mask.size == 0:
        raise InputError(f"The mask's shape is {mask.shape}; expected (height, width) with at least one pixel.")
    if mask.dtype != np.bool_ and not (mask.dtype.kind in "iu" and mask.min() >= 0 and mask.max() <= 1):
        raise InputError(f"The mask's dtype is {mask.dtype}; expected bool, or whole numbers 0 and 1. Try mask > 0.")
    return mask.astype(np.bool_)


def _checked_size(size: object) -> tuple[int, int]:
    if isinstance(size, list | tuple) and len(size) == 2 and all(_is_whole(side) and side > 0 for side in size):
        return int(size[0]), int(size[1])
    raise InputError(f"An RLE's size is [height, width] in whole pixels; got {_short(size)}. Take both from the mask.")


def _checked_counts(counts: ArrayLike) -> NDArray[np.int64]:
    """A new array of the runs."""
    try:
        runs = np.asarray(counts)
        whole = runs.ndim == 1 and (runs.dtype.kind in "iu" or runs.size == 0)
    except ValueError:  # a ragged list
        whole = False
        runs = np.empty(0)
    if not whole or (runs.size and (runs.min() < 0 or runs.max() > 2**48)):
        raise InputError(
            f"An RLE's counts are whole numbers from 0 in one list; got {_short(counts)}. Write the mask anew."
        )
    return runs.astype(np.int64)


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
