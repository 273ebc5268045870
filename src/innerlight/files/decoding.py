"""PNG, JPEG and WebP bytes to pictures in their own mode: by content, with caps, without touching Pillow's settings."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from PIL import Image
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from innerlight.types import InputError

MAX_PIXELS = 100_000_000  # a 10,000 x 10,000 picture: 300 MB once decoded
MAX_BYTES = 256 * 1024 * 1024
FORMATS = ("PNG", "JPEG", "WebP")

# `Image.open` would add warnings and a fixed limit of its own on top of the cap below; the file classes do not.
_OPENERS: dict[str, Callable[[io.BytesIO], ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "WebP": WebPImageFile,
}
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"\0\0\x01\0": "ICO",
}
# What Pillow's readers raise on damaged bytes.
_DAMAGE = (OSError, SyntaxError, ValueError, LookupError, TypeError, OverflowError, EOFError, struct.error, zlib.error)
_QUIET = threading.Lock()


def decode(
    data: bytes, *, name: str, max_pixels: int = MAX_PIXELS, formats: Sequence[str] = FORMATS
) -> tuple[Image.Image, int]:
    """The first frame in its own mode, fully loaded and as stored, with its EXIF orientation (1: upright)."""
    kind = _kind(data)
    if kind not in formats:
        raise InputError(_foreign(data, kind, name, formats))
    try:
        with _quiet():
            image = _OPENERS[kind](io.BytesIO(data))
        refuse_size(image.size, name, max_pixels)
        image.load()
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{name} does not fit into memory once decoded; make it smaller.") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} claims more pixels than Pillow decodes ({error}); make it smaller.") from error
    except _DAMAGE as error:
        reason = "it ends too early" if isinstance(error, struct.error | EOFError | IndexError) else error
        raise InputError(f"{name} is a damaged or truncated {kind} ({reason}); fetch or export it again.") from error
    return image, orientation(image)


def refuse_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    """Raise for a (width, height) without pixels or with more than `max_pixels`."""
    width, height = size
    if width < 1 or height < 1:
        raise InputError(f"{name} is {width} x {height} pixels; expected at least 1 x 1.")
    if width * height > max_pixels:
        raise InputError(
            f"{name} is {width} x {height} = {width * height:,} pixels, over the cap of {max_pixels:,}; "
            "make it smaller, or raise max_pixels= where the call takes it."
        )


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the EXIF is broken, which is no reason to refuse."""
    try:
        with _quiet():
            turned = image.getexif().get(Base.Orientation, 1)
    except _DAMAGE:
        return 1
    return turned if turned in range(1, 9) else 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back Pillow's warnings on broken metadata; one thread at a time, since the filters are global."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _kind(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return next((kind for signature, kind in _SIGNATURES.items() if data.startswith(signature)), "")


def _foreign(data: bytes, kind: str, name: str, formats: Sequence[str]) -> str:
    """What stands there instead of a picture that can be read."""
    wanted = " or ".join(formats)
    if not data:
        return f"{name} is empty (0 bytes); expected {wanted}. Fetch or export it again."
    if kind:
        return f"{name} is {kind}; expected {wanted}. Convert it first."
    return f"{name} is no picture that can be read: it starts with {data[:8]!r}; expected {wanted}. Check the file."
