"""Text of a measured size: wrapped to a width, broken within a word where it must be."""

from __future__ import annotations

from functools import cache

from PIL import Image, ImageDraw, ImageFont

from innerlight.viz.colours import INK, Colour

Point = tuple[float, float]


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface, so that pictures are the same on every machine."""
    return ImageFont.load_default(size=size)


def text_width(text: str, size: int) -> int:
    """Pixels from the left of the first letter to the right of the last."""
    return int(font(size).getlength(text) + 0.999)


def line_height(size: int) -> int:
    """Pixels from one line to the next."""
    return round(size * 1.3)


def wrap(text: str, size: int, width: int) -> list[str]:
    """Lines no wider than `width` pixels; line ends in `text` are kept."""
    return [line for paragraph in text.split("\n") for line in _wrap_paragraph(paragraph, size, width)]


def block_height(lines: list[str], size: int) -> int:
    """Pixels that lines of text take up."""
    return len(lines) * line_height(size)


def write_block(
    picture: Image.Image, corner: tuple[int, int], lines: list[str], size: int, width: int, colour: Colour = INK
) -> None:
    """Write lines, each centred within `width`, downward from the upper left `corner`."""
    draw = ImageDraw.Draw(picture)
    for index, line in enumerate(lines):
        middle = corner[1] + (index + 0.5) * line_height(size)
        draw.text((corner[0] + width / 2, middle), line, colour, font(size), anchor="mm")


def _wrap_paragraph(paragraph: str, size: int, width: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in paragraph.split():
        longer = f"{line} {word}".strip()
        if text_width(longer, size) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _break_word(word, size, width)
        lines.extend(whole)
    return [*lines, line]


def _break_word(word: str, size: int, width: int) -> list[str]:
    """Pieces of a word that fit; one letter at least."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and text_width(pieces[-1] + letter, size) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces
