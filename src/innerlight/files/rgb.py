"""Any picture or array to eight-bit RGB, with its colours as the eye should see them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from innerlight.types import InputError

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)

_CHANNELS = (1, 3, 4)
_ROUNDING = 1e-4  # how far 32-bit arithmetic may carry a float outside of 0..1


def to_rgb(image: Image.Image, background: Colour = WHITE) -> Image.Image:
    """A new RGB picture of any Pillow mode; what is transparent shows `background`."""
    _refuse_background(background)
    image = _eight_bit_mode(image)
    try:
        plain = _over(image, background) if image.has_transparency_data else image.convert("RGB")
    except ValueError as error:
        raise InputError(f"Mode {image.mode} does not convert to RGB ({error}); convert the picture first.") from error
    plain.info.clear()  # metadata described the stored file, not these pixels
    return plain


def array_to_image(array: NDArray[Any]) -> Image.Image:
    """An array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) to a picture in mode L, RGB or RGBA."""
    _refuse_shape(array)
    pixels = _eight_bits(array)
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels))


def _eight_bit_mode(image: Image.Image) -> Image.Image:
    """Modes wider than eight bits scaled to L; a transparent grey of theirs becomes an alpha channel."""
    if image.mode not in ("F", "I", "I;16", "I;16L", "I;16B", "I;16N"):
        return image
    wide = np.asarray(image)
    if image.mode == "I":
        _refuse_range(wide, 0, 65535, "a picture of mode I")
        wide = wide.astype(np.uint16)
    grey = array_to_image(wide)
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return grey
    return Image.merge("LA", (grey, Image.fromarray(np.where(wide == key, 0, 255).astype(np.uint8))))


def _over(image: Image.Image, background: Colour) -> Image.Image:
    canvas = Image.new("RGBA", image.size, (*background, 255))
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("RGB")


def _eight_bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    """uint8 of the same shape; 16 bits divide by 257, so that 65535 becomes 255."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError("The array holds nan or infinity; expected floats in 0..1. Replace them (np.nan_to_num).")
        _refuse_range(array, -_ROUNDING, 1 + _ROUNDING, "a float array", "0..1; divide by its maximum, or pass uint8")
        return np.round(np.clip(array.astype(np.float32), 0, 1) * 255).astype(np.uint8)
    raise InputError(
        f"The array's dtype is {array.dtype}; expected uint8, uint16, bool or a float in 0..1. "
        "Convert it, for instance with .astype(np.uint8)."
    )


def _refuse_shape(array: NDArray[Any]) -> None:
    wanted = "(h, w), (h, w, 1), (h, w, 3) or (h, w, 4)"
    shape = array.shape
    if 0 in shape:
        raise InputError(f"The array's shape is {shape}, which holds no pixels; expected {wanted}.")
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in _CHANNELS):
        return
    cure = ""
    if len(shape) == 3 and shape[0] in _CHANNELS:
        cure = " Its channels come first: pass array.transpose(1, 2, 0)."
    if len(shape) == 4:
        cure = " It looks like a batch: pass list(array) where several pictures are taken."
    raise InputError(f"The array's shape is {shape}; expected {wanted}.{cure}")


def _refuse_range(array: NDArray[Any], lowest: float, highest: float, what: str, cure: str = "") -> None:
    low, high = array.min(), array.max()
    if low < lowest or high > highest:
        wanted = cure or f"{lowest}..{highest}; rescale it"
        raise InputError(f"{what} holds values from {low} to {high}; expected {wanted}.")


def _refuse_background(background: Colour) -> None:
    if len(background) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in background):
        raise InputError(f"background is {background!r}; expected three whole numbers 0..255, such as (255, 255, 255).")
