"""Malformed and odd files, made on the fly: refused with the cure in words, or read right, and nothing left behind.

A case makes its files in a folder of its own, acts, and expects a refusal or a right result. Beyond that each case
holds three rules: no warning leaks, a refusal changes no file, and no unfinished write stays.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

from innerlight import files
from innerlight.files import Manifest, rle
from innerlight.files.atomic import TEMPORARY_PREFIX
from innerlight.types import InnerlightError, InputError, LabelMap, NotFoundError


@dataclass(frozen=True)
class Refused:
    """The error expected, and words of its message that tell the cure or the cause."""

    kind: type[InnerlightError]
    says: str


@dataclass(frozen=True)
class Right:
    """What must hold of the result."""

    check: Callable[[Any], bool]


@dataclass(frozen=True)
class Case:
    """`make(folder)` gives what `act` takes."""

    name: str
    make: Callable[[Path], Any]
    act: Callable[[Any], Any]
    expect: Refused | Right


@dataclass(frozen=True)
class Outcome:
    """Whether a case went as expected; `detail` is the message, or what went wrong."""

    name: str
    passed: bool
    detail: str


def run_cases(folder: str | os.PathLike[str]) -> list[Outcome]:
    """Run every case, each in a folder of its own below `folder`."""
    return [run_case(case, Path(folder) / f"case{number}") for number, case in enumerate(cases())]


def run_case(case: Case, folder: Path) -> Outcome:
    """Run one case in `folder`, which is made."""
    folder.mkdir(parents=True)
    made = case.make(folder)
    before = _contents(folder)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        complaint, detail = _act(case, made)
    after = _contents(folder)
    if leaked:
        complaint = f"a warning leaked: {leaked[0].message}"
    if isinstance(case.expect, Refused) and after != before:
        complaint = f"a refusal changed files: {sorted(_changed(before, after))}"
    if any(files.is_temporary(name) for name in after.keys() - before.keys()):
        complaint = "an unfinished write was left"
    return Outcome(case.name, not complaint, complaint or detail)


def cases() -> list[Case]:
    """The whole table."""
    return [
        *_damaged_files(),
        *_wrong_places(),
        *_wrong_sources(),
        *_odd_pictures(),
        *_arrays(),
        *_folders(),
        *_written_pictures(),
        *_recipes(),
        *_labels(),
        *_runs(),
        *_manifests(),
    ]


def _damaged_files() -> list[Case]:
    """Bytes that are no picture, or only a part of one."""
    signature = b"\x89PNG\r\n\x1a\n"
    damaged: dict[str, tuple[bytes, str]] = {
        "empty file": (b"", "Fetch or export it again"),
        "text named png": (b"hello, this is text", "expected PNG or JPEG or WebP"),
        "html error page": (b"<!DOCTYPE html><html>404</html>", "expected PNG or JPEG or WebP"),
        "zero bytes only": (bytes(4096), "expected PNG or JPEG or WebP"),
        "GIF named png": (b"GIF89a" + bytes(40), "is GIF; expected PNG or JPEG or WebP. Convert it"),
        "BMP named png": (b"BM" + bytes(60), "is BMP"),
        "TIFF named png": (b"II*\0" + bytes(60), "is TIFF"),
        "PDF named png": (b"%PDF-1.7\n", "is PDF"),
        "SVG named png": (b"<svg xmlns='x'/>", "is SVG"),
        "PNG signature alone": (signature, "damaged or truncated PNG"),
        "JPEG signature alone": (b"\xff\xd8\xff", "damaged or truncated JPEG"),
        "WebP header alone": (b"RIFF\x20\0\0\0WEBP", "damaged or truncated WebP"),
        "PNG cut in half": (_half(_encoded("PNG")), "export it again"),
        "JPEG cut in half": (_half(_encoded("JPEG")), "export it again"),
        "WebP cut in half": (_half(_encoded("WEBP")), "export it again"),
        "PNG with a wrong checksum": (_flipped(_encoded("PNG"), 30), "damaged or truncated PNG"),
        "PNG with damaged pixels": (_flipped(_encoded("PNG"), 60), "damaged or truncated PNG"),
        "PNG of zero width": (signature + _header_chunk(0, 8), "damaged or truncated PNG"),
        "PNG claiming 60000 x 60000": (signature + _header_chunk(60000, 60000) + _end(), "raise max_pixels="),
        "JPEG claiming 65000 x 65000": (_jpeg_claiming(65000), "raise max_pixels="),
    }
    return [
        Case(name, _file("picture.png", data), files.read_picture, Refused(InputError, says))
        for name, (data, says) in damaged.items()
    ] + [
        Case(
            f"{kind} over the pixel cap",
            _file("picture", _encoded(kind)),
            partial(files.read_picture, max_pixels=100),
            Refused(InputError, "raise max_pixels="),
        )
        for kind in ("PNG", "JPEG", "WEBP")
    ]


def _wrong_places() -> list[Case]:
    """Paths where no readable file is."""
    read = files.read_picture
    return [
        Case("a folder for a file", lambda f: f, read, Refused(InputError, "is a folder")),
        Case("misspelt name", _beside("cat.png", "cta.png"), read, Refused(NotFoundError, "Near it: cat.png")),
        Case("missing folder", lambda f: f / "no" / "a.png", read, Refused(NotFoundError, "does not exist either")),
        Case("path below a file", _beside("a.png", "a.png/b.png"), read, Refused(NotFoundError, "no file")),
        Case("zero byte in the path", lambda f: f"{f}/a\0.png", read, Refused(InputError, "remove the zero byte")),
        Case("link to itself", _link("a.png", "a.png"), read, Refused(files.ReadError, "what it links to")),
        Case("dangling link", _link("a.png", "gone.png"), read, Refused(NotFoundError, "which is gone")),
        Case("a name too long", lambda f: f / ("a" * 300 + ".png"), read, Refused(files.ReadError, "cannot be read")),
        Case("a pipe", _pipe, read, Refused(InputError, "device or a pipe")),
        Case("a link to a picture", _linked_picture, read, Right(lambda p: p.size == (24, 16))),
        Case("a name in many scripts", _file("кот 猫.png", _encoded("PNG")), read, Right(lambda p: p.size == (24, 16))),
        Case(
            "file over the byte cap",
            _file("a.png", _encoded("PNG")),
            partial(read, max_bytes=50),
            Refused(InputError, "raise max_bytes="),
        ),
        Case(
            "bytes over the byte cap",
            lambda _: _encoded("PNG"),
            partial(read, max_bytes=50),
            Refused(InputError, "raise max_bytes="),
        ),
    ]


def _wrong_sources() -> list[Case]:
    """Values that are no picture, and Pillow pictures that cannot be used."""
    read = files.read_picture
    return [
        Case("None", lambda _: None, read, Refused(InputError, "Expected a picture as")),
        Case("a number", lambda _: 7, read, Refused(InputError, "got int")),
        Case("a list for one picture", lambda _: [1, 2], read, Refused(InputError, "got list")),
        Case("empty bytes", lambda _: b"", read, Refused(InputError, "0 bytes")),
        Case("random bytes", lambda _: bytes(range(200)), read, Refused(InputError, "no picture")),
        Case("Pillow, cut file", _opened_half, read, Refused(InputError, "open it again")),
        Case("Pillow, closed file", _opened_closed, read, Refused(InputError, "open it again")),
        Case("Pillow, no pixels", lambda _: Image.new("RGB", (0, 5)), read, Refused(InputError, "at least 1 x 1")),
        Case(
            "Pillow, mode I beyond 16 bits",
            lambda _: Image.new("I", (4, 4), 70000),
            read,
            Refused(InputError, "rescale it"),
        ),
        Case("Pillow, mode La", lambda _: Image.new("La", (4, 4)), read, Refused(InputError, "convert the picture")),
        Case("Pillow, mode F", lambda _: Image.new("F", (4, 4), 1.0), read, Right(_is((255, 255, 255)))),
        Case(
            "a background out of range",
            lambda _: Image.new("RGBA", (4, 4)),
            partial(read, background=(0, 0, 256)),
            Refused(InputError, "three whole numbers"),
        ),
        Case("no pictures in a list", lambda _: [], files.read_pictures, Refused(InputError, "at least one")),
        Case("a list of numbers", lambda _: [1], files.read_pictures, Refused(InputError, "Picture 0 of the list")),
        Case(
            "the third of a list is damaged",
            lambda _: [_encoded("PNG"), _encoded("JPEG"), b"x"],
            files.read_pictures,
            Refused(InputError, "Picture 2 of the list"),
        ),
    ]


def _odd_pictures() -> list[Case]:
    """Pictures that are unusual but good, with the colour or size that they must have."""
    red, half_red = Image.new("RGB", (6, 4), (255, 0, 0)), Image.new("RGBA", (6, 4), (255, 0, 0, 128))
    clear = Image.new("RGBA", (6, 4), (9, 9, 9, 0))
    odd: dict[str, tuple[bytes, Callable[[Any], bool]]] = {
        "JPEG named png": (_bytes(red, "JPEG"), _is((254, 0, 0))),
        "WebP named png": (_bytes(red, "WEBP", lossless=True), _is((255, 0, 0))),
        "palette": (_bytes(red.quantize(4), "PNG"), _is((255, 0, 0))),
        "palette with transparency": (_bytes(clear.quantize(4), "PNG"), _is((255, 255, 255))),
        "palette with one transparent index": (_bytes(red.quantize(4), "PNG", transparency=0), _is((255, 255, 255))),
        "half transparent": (_bytes(half_red, "PNG"), _is((255, 127, 127))),
        "fully transparent WebP": (_bytes(clear, "WEBP", lossless=True), _is((255, 255, 255))),
        "grey with alpha": (_bytes(Image.new("LA", (6, 4), (0, 128)), "PNG"), _is((127, 127, 127))),
        "transparent colour key": (_bytes(red, "PNG", transparency=(255, 0, 0)), _is((255, 255, 255))),
        "grey": (_bytes(Image.new("L", (6, 4), 77), "PNG"), _is((77, 77, 77))),
        "grey JPEG": (_bytes(Image.new("L", (6, 4), 77), "JPEG"), _is((77, 77, 77))),
        "one bit": (_bytes(Image.new("1", (6, 4), 1), "PNG"), _is((255, 255, 255))),
        "16 bits, white": (_sixteen(65535), _is((255, 255, 255))),
        "16 bits, middle": (_sixteen(128 * 257), _is((128, 128, 128))),
        "16 bits, dark": (_sixteen(255), _is((1, 1, 1))),
        "16 bits, transparent grey": (_sixteen(500, transparency=500), _is((255, 255, 255))),
        "CMYK JPEG": (_bytes(red.convert("CMYK"), "JPEG"), _is((255, 0, 0))),
        "progressive JPEG": (_bytes(red, "JPEG", progressive=True), _is((254, 0, 0))),
        "one pixel": (_bytes(red.resize((1, 1)), "PNG"), lambda p: p.size == (1, 1)),
        "one row of 20000": (_bytes(red.resize((20000, 1)), "PNG"), lambda p: p.size == (20000, 1)),
        "one column of 20000": (_bytes(red.resize((1, 20000)), "PNG"), lambda p: p.size == (1, 20000)),
        "bytes after the end": (_bytes(red, "PNG") + b"more" * 99, _is((255, 0, 0))),
        "animated PNG": (_animated("PNG"), _is((255, 0, 0))),
        "animated WebP": (_animated("WEBP", lossless=True), _is((255, 0, 0))),
        "broken EXIF": (_bytes(red, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), lambda p: p.size == (6, 4)),
        "EXIF of nonsense": (_bytes(red, "PNG", exif=b"Exif\0\0nonsense"), lambda p: p.size == (6, 4)),
    }
    turned = [
        Case(
            f"EXIF orientation {turn} in {kind}",
            _file("a", _turned(turn, kind)),
            files.read_picture,
            Right(_first_corner_is_red),
        )
        for turn, kind in [
            (1, "PNG"),
            (2, "PNG"),
            (3, "WEBP"),
            (4, "PNG"),
            (5, "WEBP"),
            (6, "PNG"),
            (7, "PNG"),
            (8, "PNG"),
        ]
    ]
    return turned + [
        Case(name, _file("picture.png", data), files.read_picture, Right(check)) for name, (data, check) in odd.items()
    ]


def _arrays() -> list[Case]:
    refused: dict[str, tuple[Any, str]] = {
        "channels first": (np.zeros((3, 8, 9), np.uint8), "transpose(1, 2, 0)"),
        "a batch": (np.zeros((2, 8, 9, 3), np.uint8), "list(array)"),
        "two channels": (np.zeros((8, 9, 2), np.uint8), "expected (h, w)"),
        "one dimension": (np.zeros(9, np.uint8), "expected (h, w)"),
        "no rows": (np.zeros((0, 9, 3), np.uint8), "no pixels"),
        "int64": (np.zeros((8, 9), np.int64), ".astype(np.uint8)"),
        "complex": (np.zeros((8, 9), complex), "dtype is complex128"),
        "objects": (np.full((8, 9), None), "dtype is object"),
        "text": (np.full((8, 9), "a"), "dtype is <U1"),
        "nan": (np.full((8, 9), np.nan), "nan_to_num"),
        "infinity": (np.full((8, 9), np.inf), "nan_to_num"),
        "floats to 255": (np.full((8, 9), 255.0), "divide by its maximum"),
        "negative floats": (np.full((8, 9), -1.0), "0..1"),
    }
    right: dict[str, tuple[Any, tuple[int, int, int]]] = {
        "bool": (np.ones((4, 6), bool), (255, 255, 255)),
        "uint16": (np.full((4, 6), 65535, np.uint16), (255, 255, 255)),
        "big-endian uint16": (np.full((4, 6), 257, ">u2"), (1, 1, 1)),
        "float64": (np.full((4, 6, 3), 0.5), (128, 128, 128)),
        "float16": (np.full((4, 6, 1), 1, np.float16), (255, 255, 255)),
        "a float a rounding above 1": (np.full((4, 6), 1 + 1e-6), (255, 255, 255)),
        "four channels": (np.zeros((4, 6, 4), np.uint8), (255, 255, 255)),
        "a strided view": (np.full((8, 12, 3), 9, np.uint8)[::2, ::-2], (9, 9, 9)),
    }
    return [
        Case(f"array: {name}", _value(array), files.read_picture, Refused(InputError, says))
        for name, (array, says) in refused.items()
    ] + [
        Case(f"array: {name}", _value(array), files.read_picture, Right(_is(colour)))
        for name, (array, colour) in right.items()
    ]


def _folders() -> list[Case]:
    list_ = files.list_pictures
    png = _encoded("PNG")
    return [
        Case("missing folder of pictures", lambda f: f / "no", list_, Refused(NotFoundError, "no folder")),
        Case("a file for a folder", _file("a.png", png), list_, Refused(InputError, "read_picture")),
        Case("an empty folder", lambda f: f, list_, Refused(NotFoundError, "holds no picture")),
        Case("only other files", _files({"a.txt": b"", "b.gif": b""}), list_, Refused(NotFoundError, ".webp")),
        Case("only hidden pictures", _files({".a.png": png}), list_, Refused(NotFoundError, "holds no picture")),
        Case(
            "only an unfinished write",
            _files({f"{TEMPORARY_PREFIX}12.png": png}),
            list_,
            Refused(NotFoundError, "holds no picture"),
        ),
        Case("pictures deeper down", _files({"sub/a.png": png}), list_, Refused(NotFoundError, "recursive=True")),
        Case("a folder named a.png", _files({"a.png/b.txt": b""}), list_, Refused(NotFoundError, "holds no picture")),
        Case(
            "a link that loops",
            _looping_folder,
            partial(list_, recursive=True),
            Right(lambda found: [p.name for p in found] == ["a.png"]),
        ),
        Case(
            "numbers in order",
            _files(dict.fromkeys(("a10.png", "a2.PNG", "A1.jpg", "²½.webp"), png)),
            list_,
            Right(lambda found: [p.name for p in found] == ["A1.jpg", "a2.PNG", "a10.png", "²½.webp"]),
        ),
        Case(
            "a folder as pictures",
            _files({"1.png": png, "2.jpg": png}),
            files.read_pictures,
            Right(lambda p: len(p) == 2),
        ),
    ]


def _written_pictures() -> list[Case]:
    picture = Image.new("RGB", (6, 4), (1, 2, 3))
    write = partial(files.write_picture, picture)
    wide = partial(files.write_picture, Image.new("L", (70000, 1)))
    return [
        Case("suffix of another format", lambda f: f / "a.tiff", write, Refused(InputError, ".png")),
        Case("no suffix", lambda f: f / "a", write, Refused(InputError, "suffix")),
        Case("a folder in the way", _folder("a.png"), write, Refused(files.WriteError, "choose another name")),
        Case(
            "a folder in the way of picture and recipe",
            _folder("a.png"),
            _write_recipe({}),
            Refused(files.WriteError, "name"),
        ),
        Case("a file for the parent", _beside("a", "a/b.png"), write, Refused(files.WriteError, "another path")),
        Case(
            "a name too long to write", lambda f: f / ("a" * 300 + ".png"), write, Refused(files.WriteError, "shorter")
        ),
        Case("a link to itself to write", _link("a.png", "a.png"), write, Refused(files.WriteError, "remove the link")),
        Case("a pipe to write", _pipe, write, Refused(files.WriteError, "not a plain file")),
        Case("zero byte in the target", lambda f: f"{f}/\0.png", write, Refused(InputError, "remove it")),
        Case("too wide for JPEG", lambda f: f / "a.jpg", wide, Refused(InputError, "use PNG")),
        Case("too wide for WebP", lambda f: f / "a.webp", wide, Refused(InputError, "use PNG")),
        Case(
            "text for a picture",
            lambda f: f / "a.png",
            lambda path: files.write_picture("cat", path),  # pyright: ignore[reportArgumentType]
            Refused(InputError, "got str"),
        ),
        Case("parents that are missing", lambda f: f / "x" / "y.png", _write_and_read(picture), Right(_is((1, 2, 3)))),
        Case("transparent into JPEG", lambda f: f / "a.jpg", _write_and_read(_clear()), Right(_is((255, 255, 255)))),
        Case("CMYK into PNG", lambda f: f / "a.png", _write_and_read(picture.convert("CMYK")), Right(_is((1, 2, 3)))),
    ]


def _recipes() -> list[Case]:
    png = _encoded("PNG")
    loop: dict[str, Any] = {}
    loop["again"] = loop
    unfit: dict[str, tuple[Any, str]] = {
        "nan": ({"a": {"b": [1, float("nan")]}}, "recipe.a.b[1] is nan"),
        "an object": ({"a": object()}, "recipe.a is a builtins.object"),
        "a numpy number": ({"seed": np.int64(3)}, ".item()"),
        "a path": ({"out": Path("a")}, "str() of a path"),
        "number keys": ({"a": {1: 2}}, "use '1'"),
        "a loop": (loop, "cut the loop"),
        "half a character": ({"a": "\ud800"}, "replace it"),
        "a list": ([1], "a mapping"),
        "too much": ({"a": "x" * 600_000}, "store large values in files"),
    }
    broken: dict[str, tuple[bytes, str]] = {
        "broken JSON": (b'{"format": ', "not valid JSON"),
        "empty JSON": (b"", "not valid JSON"),
        "NaN in JSON": (b'{"a": NaN}', "not valid JSON"),
        "JSON of another kind": (b'{"a": 1}', "no recipe of ours"),
        "a JSON list": (b"[]", "no recipe of ours"),
        "JSON nested without end": (b"[" * 100_000, "not valid JSON"),
        "JSON in Latin-1": (b'{"a": "\xe9"}', "not valid JSON"),
        "JSON of a megabyte and more": (b" " * 1_100_000, "larger than"),
        "a recipe that is text": (b'{"format": "innerlight recipe 1", "recipe": "x"}', "no mapping"),
    }
    read, recipe = files.read_recipe, {"method": "daam", "seed": 3, "words": ["cat", "猫"]}
    return [
        *(
            Case(f"recipe holding {name}", lambda f: f / "a.png", _write_recipe(value), Refused(InputError, says))
            for name, (value, says) in unfit.items()
        ),
        *(
            Case(f"recipe file: {name}", _file("a.json", data), read, Refused(InputError, says))
            for name, (data, says) in broken.items()
        ),
        *(
            Case(
                f"recipe in {suffix}",
                lambda f, s=suffix: f / f"a.{s}",
                _recipe_inside(recipe),
                Right(lambda r: r == recipe),
            )
            for suffix in ("png", "jpg", "webp")
        ),
        Case("no recipe anywhere", _file("a.png", png), read, Refused(NotFoundError, "carries no recipe")),
        Case("recipe of a missing picture", lambda f: f / "a.png", read, Refused(NotFoundError, "no file")),
        Case("recipe of a cut PNG", _file("a.png", png[:-9]), read, Refused(InputError, "truncated PNG")),
        Case("recipe text that swells", _file("a.png", _swelling(png)), read, Refused(InputError, "not ours")),
        Case(
            "recipe text that is broken",
            _file("a.png", _with_itxt(png, b"innerlight\0")),
            read,
            Refused(InputError, "anew"),
        ),
        Case(
            "someone else's JSON beside",
            _files({"a.png": png, "a.json": b'{"mine": 1}'}),
            lambda folder: files.write_recipe(recipe, folder / "a.png"),
            Refused(InputError, "rename one of the two"),
        ),
        Case(
            "another picture's recipe beside",
            _two_pictures_of_one_stem,
            lambda folder: files.write_picture(Image.new("L", (4, 4)), folder / "a.png", recipe=recipe),
            Refused(InputError, "the recipe of a.jpg"),
        ),
        Case(
            "a long recipe for JPEG goes beside",
            lambda f: f / "a.jpg",
            _write_and_read_recipe({"a": "x" * 90_000}),
            Right(lambda r: len(r["a"]) == 90_000),
        ),
    ]


def _labels() -> list[Case]:
    refused: dict[str, tuple[Any, dict[str, Any], str]] = {
        "negative": (np.full((4, 6), -1), {}, "ignore="),
        "floats": (np.zeros((4, 6)), {}, ".astype(np.uint8)"),
        "bool": (np.zeros((4, 6), bool), {}, ".astype(np.uint8)"),
        "above 16 bits": (np.full((4, 6), 65536), {}, "Number them anew"),
        "three dimensions": (np.zeros((4, 6, 1), int), {}, "expected (height, width)"),
        "no pixels": (np.zeros((0, 6), int), {}, "at least one pixel"),
        "a short palette": (np.full((4, 6), 9), {"palette": [[0, 0, 0]]}, "give each one"),
        "a palette of floats": (np.zeros((4, 6), int), {"palette": [[0.5, 0, 0]]}, "whole numbers (n, 3)"),
        "a palette over 255": (np.zeros((4, 6), int), {"palette": [[256, 0, 0]]}, "expected 0..255"),
        "a palette for 16 bits": (np.full((4, 6), 300), {"palette": [[0, 0, 0]]}, "leave palette= out"),
    }
    right: dict[str, tuple[Any, int | None, Any]] = {
        "8 bits": ([[0, 254, 255]], 255, [[0, 254, 255]]),
        "16 bits": ([[0, 255, 65535]], 255, [[0, 255, 65535]]),
        "-1 ignored": ([[-1, 0, 7]], -1, [[255, 0, 7]]),
        "-1 ignored beside a true 255": ([[-1, 0, 255]], -1, [[65535, 0, 255]]),
    }
    read = files.read_labels
    stored: dict[str, tuple[bytes, int]] = {
        "grey": (_bytes(Image.new("L", (6, 4), 77), "PNG"), 77),
        "4-bit grey": (_sixteen_colours(7), 7),
        "1 bit": (_bytes(Image.new("1", (6, 4), 1), "PNG"), 1),
        "true 4-bit grey": (_four_bit_grey(7), 7),
    }
    return [
        *(
            Case(
                f"labels: {name}",
                lambda f: f / "a.png",
                partial(_write_labels, value, options),
                Refused(InputError, says),
            )
            for name, (value, options, says) in refused.items()
        ),
        *(
            Case(
                f"labels: {name}",
                lambda f: f / "a.png",
                partial(_write_and_read_labels, np.array(value), ignore),
                Right(partial(np.array_equal, wanted)),
            )
            for name, (value, ignore, wanted) in right.items()
        ),
        *(
            Case(
                f"labels stored as {name}", _file("a.png", data), read, Right(lambda a, w=wanted: bool((a == w).all()))
            )
            for name, (data, wanted) in stored.items()
        ),
        Case("labels from true colour", _file("a.png", _encoded("PNG")), read, Refused(InputError, "voc_palette")),
        Case("labels from JPEG", _file("a.png", _encoded("JPEG")), read, Refused(InputError, "expected PNG")),
        Case("labels from nothing", lambda f: f / "a.png", read, Refused(NotFoundError, "no file")),
        Case(
            "labels into JPEG",
            lambda f: f / "a.jpg",
            partial(_write_labels, np.zeros((4, 6), int), {}),
            Refused(InputError, "PNG only"),
        ),
        Case(
            "label names that are no text",
            lambda f: f / "a.png",
            lambda path: files.write_label_map(LabelMap(np.zeros((4, 6), int), {0: 1}), path),  # pyright: ignore
            Refused(InputError, "whole numbers to text"),
        ),
        Case(
            "label names that are broken",
            _file("a.png", _with_itxt(_grey_png(), b"innerlight-names\0\0\0\0\0{")),
            files.read_label_map,
            Refused(InputError, "not valid JSON"),
        ),
        Case("labels without names", _file("a.png", _grey_png()), files.read_label_map, Right(lambda m: m.names == {})),
    ]


def _runs() -> list[Case]:
    malformed: dict[str, tuple[Any, str]] = {
        "runs that fall short": ({"size": [4, 6], "counts": [20]}, "add up to 20"),
        "runs that are too many": ({"size": [4, 6], "counts": [20, 5]}, "add up to 25"),
        "a negative run": ({"size": [4, 6], "counts": [30, -6]}, "whole numbers from 0"),
        "runs of floats": ({"size": [4, 6], "counts": [24.0]}, "whole numbers from 0"),
        "runs in lists": ({"size": [4, 6], "counts": [[24], [1, 2]]}, "whole numbers from 0"),
        "a foreign character": ({"size": [4, 6], "counts": "h~"}, "expected '0' to 'o'"),
        "text that is cut": ({"size": [4, 6], "counts": "Po"}, "cut or damaged"),
        "a number without end": ({"size": [4, 6], "counts": "o" * 40 + "0"}, "cut or damaged"),
        "no runs": ({"size": [4, 6], "counts": ""}, "add up to 0"),
        "a size of zero": ({"size": [0, 6], "counts": []}, "[height, width]"),
        "a size of one side": ({"size": [24], "counts": [24]}, "[height, width]"),
        "a size in text": ({"size": ["4", "6"], "counts": [24]}, "[height, width]"),
        "no size": ({"counts": [24]}, '"size" and "counts"'),
        "no mapping": ([4, 6], '"size" and "counts"'),
        "more pixels than the cap": ({"size": [10**6, 10**6], "counts": [10**12]}, "max_pixels="),
    }
    return [
        *(
            Case(f"RLE: {name}", _value(value), rle.decode, Refused(InputError, s))
            for name, (value, s) in malformed.items()
        ),
        Case("RLE of a float mask", _value(np.full((4, 6), 0.5)), rle.encode, Refused(InputError, "mask > 0")),
        Case("RLE of a mask of 2", _value(np.full((4, 6), 2)), rle.encode, Refused(InputError, "mask > 0")),
        Case("RLE of nothing", _value(np.zeros((0, 6), bool)), rle.encode, Refused(InputError, "at least one pixel")),
    ]


def _manifests() -> list[Case]:
    head = b'{"innerlight manifest": 1, "settings": {"steps": 25}, "task": "edit"}\n'
    line = b'{"key": "a", "result": {"score": 1}}\n'
    torn, open_ = b'{"key": "b", "resu', partial(Manifest.open, task="edit", settings={"steps": 25})
    refused: dict[str, tuple[bytes, str]] = {
        "of another task": (head.replace(b'"edit"', b'"find"'), "is of task 'find', not 'edit'"),
        "of other settings": (head.replace(b"25", b"50") + line, "steps is 50 there, 25 here"),
        "of another version": (head.replace(b": 1,", b": 9,"), "version 9"),
        "damaged in the middle": (head + b"\0\0\0\n" + line, "line 2 is damaged"),
        "with a line of another kind": (head + line + b"[1]\n", "line 3 is damaged"),
        "that is a text": (b"dear diary\nno\n", "is no manifest"),
        "that is a text of one line": (b"dear diary", "is no manifest"),
        "that is a picture": (_encoded("PNG"), "is no manifest"),
    }
    continued: dict[str, tuple[bytes, list[str]]] = {
        "whole": (head + line, ["a"]),
        "torn in its last line": (head + line + torn, ["a"]),
        "torn in its first line": (head[:20], []),
        "empty": (b"", []),
    }
    return [
        *(
            Case(f"manifest {name}", _file("m.jsonl", data), open_, Refused(InputError, says))
            for name, (data, says) in refused.items()
        ),
        *(
            Case(
                f"manifest {name}",
                _file("m.jsonl", data),
                _keys_after_adding(open_),
                Right(lambda k, w=keys: k == [*w, "z"]),
            )
            for name, (data, keys) in continued.items()
        ),
        Case("manifest for a folder", lambda f: f, open_, Refused(files.WriteError, "choose another name")),
        Case(
            "manifest with settings of nan",
            lambda f: f / "m.jsonl",
            partial(Manifest.open, task="edit", settings={"a": float("nan")}),
            Refused(InputError, "settings.a is nan"),
        ),
        Case("manifest in use", _file("m.jsonl", head), partial(_twice, open_), Refused(files.WriteError, "in use")),
        Case(
            "key recorded twice",
            _file("m.jsonl", head + line),
            partial(_record, open_, {"key": "a"}),
            Refused(InputError, "already recorded"),
        ),
        Case(
            "result that JSON cannot carry",
            _file("m.jsonl", head + line),
            partial(_record, open_, {"key": "b", "mask": np.zeros(3)}),
            Refused(InputError, ".tolist()"),
        ),
        Case(
            "record after closing",
            _file("m.jsonl", head),
            partial(_record_late, open_),
            Refused(InputError, "is closed"),
        ),
    ]


def _act(case: Case, made: Any) -> tuple[str, str]:
    """What went wrong, or nothing, and the message or result in words."""
    try:
        result = case.act(made)
    except Exception as error:  # any other error than the one expected is the finding
        if not isinstance(case.expect, Refused):
            return f"expected a result, got {type(error).__name__}: {error}", ""
        if not isinstance(error, case.expect.kind) or case.expect.says not in str(error):
            return f"expected {case.expect.kind.__name__} with {case.expect.says!r}, got {error!r}", ""
        return "", str(error)
    if isinstance(case.expect, Refused):
        return f"expected {case.expect.kind.__name__}, got {result!r}", ""
    return ("", "right") if case.expect.check(result) else (f"wrong result: {result!r}", "")


def _contents(folder: Path) -> dict[str, bytes]:
    """Every plain file below a folder with its bytes."""
    found = (path for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _changed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _value(value: Any) -> Callable[[Path], Any]:
    return lambda _: value


def _file(name: str, data: bytes) -> Callable[[Path], Path]:
    """Makes one file and gives its path."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def _files(contents: Mapping[str, bytes]) -> Callable[[Path], Path]:
    """Makes files and gives their folder."""

    def make(folder: Path) -> Path:
        for name, data in contents.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    return make


def _beside(present: str, asked: str) -> Callable[[Path], Path]:
    """Makes one file and gives the path of another."""

    def make(folder: Path) -> Path:
        (folder / present).write_bytes(_encoded("PNG"))
        return folder / asked

    return make


def _folder(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).mkdir()
        return folder / name

    return make


def _link(name: str, target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).symlink_to(target)
        return folder / name

    return make


def _linked_picture(folder: Path) -> Path:
    (folder / "true.png").write_bytes(_encoded("PNG"))
    return _link("a.png", "true.png")(folder)


def _looping_folder(folder: Path) -> Path:
    (folder / "a.png").write_bytes(_encoded("PNG"))
    (folder / "again").symlink_to(folder, target_is_directory=True)
    return folder


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def _two_pictures_of_one_stem(folder: Path) -> Path:
    files.write_picture(Image.new("L", (4, 4)), folder / "a.jpg", recipe={"of": "jpg"})
    return folder


def _opened_half(_: Path) -> Image.Image:
    return Image.open(io.BytesIO(_half(_encoded("PNG"))))


def _opened_closed(_: Path) -> Image.Image:
    image = Image.open(io.BytesIO(_encoded("PNG")))
    image.close()
    return image


def _noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))


def _clear() -> Image.Image:
    return Image.new("RGBA", (6, 4), (9, 9, 9, 0))


def _bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _encoded(kind: str) -> bytes:
    return _bytes(_noise(), kind)


def _grey_png() -> bytes:
    return _bytes(Image.new("L", (6, 4), 3), "PNG")


def _sixteen(value: int, **options: Any) -> bytes:
    return _bytes(Image.fromarray(np.full((4, 6), value, np.uint16)), "PNG", **options)


def _sixteen_colours(index: int) -> bytes:
    """A palette PNG at four bits a pixel."""
    image = Image.new("P", (6, 4), index)
    image.putpalette(bytes(range(48)))
    return _bytes(image, "PNG")


def _animated(kind: str, **options: Any) -> bytes:
    """Red, then blue."""
    red, blue = (Image.new("RGB", (6, 4), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    return _bytes(red, kind, save_all=True, append_images=[blue], duration=100, **options)


def _turned(turn: int, kind: str) -> bytes:
    """A picture stored so that only after EXIF turn number `turn` its upper left corner is red."""
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:4, :4] = (255, 0, 0)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[Base.Orientation] = turn
    options = {"lossless": True} if kind == "WEBP" else {}
    return _bytes(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options)


def _first_corner_is_red(picture: Image.Image) -> bool:
    pixels = np.asarray(picture).astype(int)
    return pixels.shape == (16, 24, 3) and bool((pixels[:4, :4] == (255, 0, 0)).all()) and int(pixels.sum()) == 255 * 16


def _is(colour: tuple[int, int, int]) -> Callable[[Any], bool]:
    """True for an RGB picture all of one colour."""
    return lambda picture: picture.mode == "RGB" and picture.getcolors() == [(picture.width * picture.height, colour)]


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _header_chunk(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def _end() -> bytes:
    return _chunk(b"IDAT", zlib.compress(bytes(64))) + _chunk(b"IEND", b"")


def _four_bit_grey(value: int) -> bytes:
    """A grey PNG of 4 x 2 pixels at four bits each, which Pillow itself does not write."""
    row = b"\0" + bytes([value * 17]) * 2  # no filter, then two pixels a byte
    pixels = _chunk(b"IDAT", zlib.compress(row * 2))
    return b"\x89PNG\r\n\x1a\n" + _header_chunk(4, 2, depth=4, colour=0) + pixels + _chunk(b"IEND", b"")


def _jpeg_claiming(side: int) -> bytes:
    data = _encoded("JPEG")
    place = data.index(b"\xff\xc0") + 5  # frame header: marker, length, precision, then height and width
    return data[:place] + struct.pack(">HH", side, side) + data[place + 4 :]


def _with_itxt(png: bytes, content: bytes) -> bytes:
    return png[:33] + _chunk(b"iTXt", content) + png[33:]


def _swelling(png: bytes) -> bytes:
    """A compressed recipe text of 20 KB that would be 20 MB."""
    return _with_itxt(png, b"innerlight\0\1\0\0\0" + zlib.compress(bytes(20_000_000)))


def _write_and_read(picture: Image.Image) -> Callable[[Path], Image.Image]:
    def act(path: Path) -> Image.Image:
        files.write_picture(picture, path)
        return files.read_picture(path)

    return act


def _write_recipe(recipe: Any) -> Callable[[Path], None]:
    return lambda path: files.write_picture(Image.new("L", (4, 4)), path, recipe=recipe)


def _write_and_read_recipe(recipe: Any) -> Callable[[Path], dict[str, Any]]:
    def act(path: Path) -> dict[str, Any]:
        _write_recipe(recipe)(path)
        return files.read_recipe(path)

    return act


def _recipe_inside(recipe: Any) -> Callable[[Path], dict[str, Any]]:
    """Writes picture and recipe, takes away the JSON beside, and reads."""

    def act(path: Path) -> dict[str, Any]:
        _write_recipe(recipe)(path)
        path.with_suffix(".json").unlink()
        return files.read_recipe(path)

    return act


def _write_labels(labels: Any, options: dict[str, Any], path: Path) -> None:
    files.write_labels(labels, path, **options)


def _write_and_read_labels(labels: Any, ignore: int | None, path: Path) -> Any:
    files.write_labels(labels, path, ignore=ignore)
    return files.read_labels(path)


def _keys_after_adding(open_: Callable[[Path], Manifest]) -> Callable[[Path], list[str]]:
    """Opens, records "z", and reads the keys anew."""

    def act(path: Path) -> list[str]:
        _record(open_, {"key": "z"}, path)
        with open_(path) as manifest:
            return list(manifest.results)

    return act


def _record(open_: Callable[[Path], Manifest], entry: dict[str, Any], path: Path) -> None:
    with open_(path) as manifest:
        manifest.record(**entry)


def _record_late(open_: Callable[[Path], Manifest], path: Path) -> None:
    with open_(path) as manifest:
        pass
    manifest.record("late")


def _twice(open_: Callable[[Path], Manifest], path: Path) -> None:
    with open_(path):
        open_(path)
