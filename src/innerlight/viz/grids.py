"""Many pictures on one sheet, with captions, heads and a title that never run over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from innerlight.files import Source
from innerlight.types import InputError
from innerlight.viz.canvas import Enlarging, enlarge, refuse_gap
from innerlight.viz.colours import PAPER
from innerlight.viz.lettering import block_height, text_width, wrap, write_block

_NARROWEST = 56  # pixels of a column: room for a short word
_CAPTION_GAP = 4  # pixels between a picture and its caption


@dataclass(frozen=True)
class _Sheet:
    """Measures of a sheet in pixels."""

    widths: tuple[int, ...]  # of each column: that of its widest picture
    gap: int
    letters: int
    head: int  # width of the column of row heads, 0 without

    @property
    def width(self) -> int:
        return self.left(len(self.widths))

    def left(self, column: int) -> int:
        """Where a column of pictures starts."""
        return self.gap + (self.head + self.gap if self.head else 0) + sum(self.widths[:column]) + column * self.gap

    def strip(self, height: int) -> Image.Image:
        """Blank paper across the sheet, a gap taller than what goes on it."""
        return Image.new("RGB", (self.width, height + self.gap), PAPER)


def grid(
    images: Sequence[Source],
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    title: str | None = None,
    *,
    row_heads: Sequence[str] | None = None,
    column_heads: Sequence[str] | None = None,
    gap: int = 10,
    scale: float = 1.0,
    enlarging: Enlarging = "lanczos",
) -> Image.Image:
    """Pictures of any sizes row by row, each centred in its cell, captions below them."""
    if not len(images):
        raise InputError("There is no picture to lay out; pass at least one.")
    refuse_gap(gap)
    columns = _columns(len(images), columns, column_heads, row_heads)
    rows = math.ceil(len(images) / columns)
    _refuse_counts(len(images), columns, rows, captions, row_heads, column_heads)
    pictures = [enlarge(image, scale, enlarging) for image in images]
    widths = tuple(max([_NARROWEST, *(p.width for p in pictures[column::columns])]) for column in range(columns))
    letters = round(min(28.0, max(12.0, max(widths) / 15)))
    sheet = _Sheet(widths, gap, letters, _head_width(row_heads, letters, max(widths)))
    strips = [_title_strip(sheet, title)] if title else []
    strips += [_heads_strip(sheet, column_heads)] if column_heads else []
    for row in range(rows):
        members = slice(row * columns, (row + 1) * columns)
        row_captions = captions[members] if captions else ()
        strips.append(_row_strip(sheet, pictures[members], row_captions, row_heads[row] if row_heads else ""))
    return _stack(sheet, strips)


def _title_strip(sheet: _Sheet, title: str) -> Image.Image:
    letters, width = round(sheet.letters * 1.3), sheet.width - 2 * sheet.gap
    lines = wrap(title, letters, width)
    strip = sheet.strip(block_height(lines, letters))
    write_block(strip, (sheet.gap, 0), lines, letters, width)
    return strip


def _heads_strip(sheet: _Sheet, heads: Sequence[str]) -> Image.Image:
    """Column heads, their last lines level, close above the first row."""
    wrapped = [wrap(head, sheet.letters, width) for head, width in zip(heads, sheet.widths, strict=True)]
    height = max(block_height(lines, sheet.letters) for lines in wrapped)
    strip = sheet.strip(height - sheet.gap // 2)
    for column, lines in enumerate(wrapped):
        top = height - block_height(lines, sheet.letters)
        write_block(strip, (sheet.left(column), top), lines, sheet.letters, sheet.widths[column])
    return strip


def _row_strip(sheet: _Sheet, pictures: list[Image.Image], captions: Sequence[str], head: str) -> Image.Image:
    """One row: its head level with the middle of its pictures, captions on one line below them."""
    head_lines = wrap(head, sheet.letters, sheet.head) if head else []
    wrapped = [wrap(caption, sheet.letters, sheet.widths[column]) for column, caption in enumerate(captions)]
    tall = max(block_height(head_lines, sheet.letters), *(picture.height for picture in pictures))
    below = max((block_height(lines, sheet.letters) for lines in wrapped if any(lines)), default=-_CAPTION_GAP)
    strip = sheet.strip(tall + _CAPTION_GAP + below)
    head_top = (tall - block_height(head_lines, sheet.letters)) // 2
    write_block(strip, (sheet.gap, head_top), head_lines, sheet.letters, sheet.head)
    for column, picture in enumerate(pictures):
        inset = (sheet.widths[column] - picture.width) // 2, (tall - picture.height) // 2
        strip.paste(picture, (sheet.left(column) + inset[0], inset[1]))
    for column, lines in enumerate(wrapped):
        write_block(strip, (sheet.left(column), tall + _CAPTION_GAP), lines, sheet.letters, sheet.widths[column])
    return strip


def _stack(sheet: _Sheet, strips: list[Image.Image]) -> Image.Image:
    canvas = sheet.strip(sum(strip.height for strip in strips))
    top = sheet.gap
    for strip in strips:
        canvas.paste(strip, (0, top))
        top += strip.height
    return canvas


def _columns(count: int, columns: int | None, heads: Sequence[str] | None, row_heads: Sequence[str] | None) -> int:
    """As asked, else as the heads say, else about as many columns as rows."""
    if columns is not None:
        if not isinstance(columns, int) or columns < 1:
            raise InputError(f"columns is {columns!r}; expected a whole number from 1.")
        return columns
    if heads:
        return len(heads)
    return math.ceil(count / len(row_heads)) if row_heads else math.ceil(math.sqrt(count))


def _head_width(heads: Sequence[str] | None, letters: int, cell_width: int) -> int:
    """As wide as the widest head, up to the width of a picture."""
    return min(cell_width, max((text_width(head, letters) for head in heads or ()), default=0))


def _refuse_counts(
    count: int,
    columns: int,
    rows: int,
    captions: Sequence[str] | None,
    row_heads: Sequence[str] | None,
    column_heads: Sequence[str] | None,
) -> None:
    wanted = {"captions": (captions, count), "row_heads": (row_heads, rows), "column_heads": (column_heads, columns)}
    for name, (texts, number) in wanted.items():
        if texts is not None and (isinstance(texts, str) or len(texts) != number):
            raise InputError(f"{name} are {texts!r}; expected a list of {number}, one for each.")
