"""UTF-8 texts inside a PNG, read and written chunk by chunk: the pixels are neither decoded nor touched."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from innerlight.types import InputError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_FIRST = len(SIGNATURE) + 25  # where the chunk after IHDR (12 bytes of frame, 13 of content) starts


def text_of(png: bytes, keyword: str, *, max_bytes: int, name: str) -> str | None:
    """The text that an iTXt chunk carries under `keyword`; None where there is none."""
    wanted = keyword.encode("latin-1")
    for kind, start, end in _chunks(png, name):
        if kind == b"iTXt" and png[start:end].startswith(wanted + b"\0"):
            return _text(png[start + len(wanted) + 1 : end], keyword, max_bytes, name)
    return None


def with_text(png: bytes, keyword: str, text: str, *, name: str) -> bytes:
    """The same PNG with `text` under `keyword`, in place of an earlier one."""
    # keyword, 0, not compressed, method 0, no language, no translated keyword, text
    content = keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8")
    chunk = struct.pack(">I", len(content)) + b"iTXt" + content + struct.pack(">I", zlib.crc32(b"iTXt" + content))
    stale = [
        (start - 8, end + 4)
        for kind, start, end in _chunks(png, name)
        if kind == b"iTXt" and png[start:end].startswith(keyword.encode("latin-1") + b"\0")
    ]
    for start, end in reversed(stale):
        png = png[:start] + png[end:]
    return png[:_FIRST] + chunk + png[_FIRST:]


def _chunks(png: bytes, name: str) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each chunk."""
    if not png.startswith(SIGNATURE):
        raise InputError(f"{name} is no PNG: it starts with {png[:8]!r}; convert it first.")
    place = len(SIGNATURE)
    while place < len(png):
        if place + 12 > len(png):
            raise _truncated(name)
        length, kind = struct.unpack_from(">I4s", png, place)
        start, end = place + 8, place + 8 + length
        if end + 4 > len(png):
            raise _truncated(name)
        yield kind, start, end
        if kind == b"IEND":
            return
        place = end + 4


def _text(content: bytes, keyword: str, max_bytes: int, name: str) -> str:
    """The text after the keyword of an iTXt chunk: flag, method, language, 0, translated keyword, 0, text."""
    parts = content[2:].split(b"\0", 2)
    if len(parts) < 3:
        raise InputError(f"{name} carries a broken {keyword!r} text; write it anew.")
    text = parts[2]
    try:
        if content[0]:
            text = zlib.decompressobj().decompress(text, max_bytes + 1)
        if len(text) > max_bytes:
            raise InputError(f"{name} carries a {keyword!r} text of more than {max_bytes:,} bytes; it is not ours.")
        return text.decode("utf-8")
    except (zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{name} carries a broken {keyword!r} text ({error}); write it anew.") from error


def _truncated(name: str) -> InputError:
    return InputError(f"{name} is a truncated PNG: a chunk ends after the file does; fetch or export it again.")
