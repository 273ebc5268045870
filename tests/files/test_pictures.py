"""Pictures in and out, beyond the table of malformed files."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageFile

from innerlight.files import ReadError, list_pictures, read_picture, read_pictures, write_picture
from innerlight.types import InnerlightError, InputError


def noise(height: int = 16, width: int = 24, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, kind, **options)
    return buffer.getvalue()


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_an_array_comes_back_from_png_and_webp(array: np.ndarray):
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        buffer = io.BytesIO()
        read_picture(array).save(buffer, kind, **options)
        assert np.array_equal(np.asarray(read_picture(buffer.getvalue())), array)


@given(arrays.arrays(np.uint16, (3, 5)))
def test_sixteen_bits_scale_and_do_not_clip(array: np.ndarray):
    wanted = np.round(array / 257).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    for source in (array, buffer.getvalue(), Image.fromarray(array), Image.fromarray(array.astype(np.int32))):
        assert np.array_equal(np.asarray(read_picture(source))[..., 0], wanted)


def test_floats_and_their_bytes_agree():
    array = noise()
    assert np.array_equal(np.asarray(read_picture(array / 255)), array)
    assert np.array_equal(np.asarray(read_picture((array / 255).astype(np.float32))), array)


def test_transparency_shows_the_background():
    array = noise(channels=4)
    picture = np.asarray(read_picture(array, background=(10, 200, 30))).astype(float)
    alpha = array[..., 3:] / 255
    assert np.abs(picture - (alpha * array[..., :3] + (1 - alpha) * [10, 200, 30])).max() <= 1


def test_the_callers_picture_is_untouched_and_the_result_its_own():
    source = Image.fromarray(noise())
    source.info["note"] = "mine"
    result = read_picture(source)
    result.putpixel((0, 0), (1, 2, 3))
    assert np.array_equal(np.asarray(source), noise())
    assert source.info == {"note": "mine"}
    assert result.info == {}


def test_pillows_settings_stay_and_its_pixel_limit_does_not_bind(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # 16 x 24 is over twice that
    assert read_picture(encoded("PNG")).size == (24, 16)
    assert read_picture(encoded("JPEG")).size == (24, 16)
    with pytest.raises(InputError, match="pixels"):
        read_picture(encoded("WEBP"))  # Pillow's own check within its WebP reader: refused, typed
    assert Image.MAX_IMAGE_PIXELS == 100
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_damaged_bytes_are_read_or_refused_and_nothing_else():
    """A thousand damaged files of each kind: no other error, no warning."""
    chance = random.Random(0)
    exif = Image.Exif()
    exif[0x112] = 6
    for kind in ("PNG", "JPEG", "WEBP"):
        whole = encoded(kind, exif=exif)
        for _ in range(1000):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            if chance.random() < 0.3:
                del data[chance.randrange(len(data)) :]
            with suppress(InnerlightError):
                assert read_picture(bytes(data), max_pixels=10**6).mode == "RGB"


def test_threads_read_at_once_and_warnings_stay_as_they_were(tmp_path: Path):
    broken_exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\xff\xff\xff\xff\xff\xff"
    data = encoded("JPEG", exif=broken_exif)
    filters = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        sizes = {picture.size for picture in pool.map(read_picture, [data] * 200)}
    assert sizes == {(24, 16)}
    assert warnings.filters == filters


def test_a_bomb_costs_no_memory():
    """A PNG of 900 million pixels, which zlib packs into a megabyte, is refused from its header."""
    script = (
        "import io, resource, struct, zlib\n"
        "from innerlight.files import read_picture\n"
        "from innerlight.types import InputError\n"
        "chunk = lambda k, c: struct.pack('>I', len(c)) + k + c + struct.pack('>I', zlib.crc32(k + c))\n"
        "head = chunk(b'IHDR', struct.pack('>IIBBBBB', 30000, 30000, 8, 2, 0, 0, 0))\n"
        "data = b'\\x89PNG\\r\\n\\x1a\\n' + head + chunk(b'IDAT', zlib.compress(bytes(10**8))) + chunk(b'IEND', b'')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    read_picture(data)\n"
        "except InputError as error:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 'cap' in str(error))\n"
    )
    grown, refused = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert refused == "True"
    assert int(grown) < 20_000  # KB


@pytest.mark.parametrize("suffix", ["png", "PNG", "jpg", "jpeg", "webp"])
def test_a_written_picture_is_read_again(tmp_path: Path, suffix: str):
    smooth = np.asarray(Image.fromarray(noise(4, 6)).resize((24, 16), Image.Resampling.BICUBIC))
    write_picture(smooth, tmp_path / f"a.{suffix}")
    again = np.asarray(read_picture(tmp_path / f"a.{suffix}")).astype(int)
    assert np.abs(again - smooth).mean() < (2 if suffix.startswith("jp") else 1e-9)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{suffix}"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_keeps_the_mode(tmp_path: Path, mode: str):
    image = Image.new("I;16", (3, 2), 700) if mode == "I;16" else Image.fromarray(noise()).convert(mode)
    write_picture(image, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as again:
        assert again.mode == mode
        assert np.array_equal(np.asarray(again), np.asarray(image))


def test_folders_are_listed_in_natural_order_with_their_subfolders(tmp_path: Path):
    for name in ("b/2.png", "b/10.png", "a.png", "B1.png", "b/.hidden/3.png", ".hidden.png", "c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded("PNG"))
    flat = [str(path.relative_to(tmp_path)) for path in list_pictures(tmp_path)]
    deep = [str(path.relative_to(tmp_path)) for path in list_pictures(tmp_path, recursive=True)]
    assert flat == ["a.png", "B1.png"]
    assert deep == ["a.png", "b/2.png", "b/10.png", "B1.png"]
    assert len(read_pictures(str(tmp_path))) == 2


def test_read_pictures_takes_one_several_and_arrays():
    assert len(read_pictures(noise())) == 1
    assert len(read_pictures(bytearray(encoded("PNG")))) == 1
    assert [picture.size for picture in read_pictures(iter([noise(), encoded("JPEG")]))] == [(24, 16)] * 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_what_may_not_be_read_is_a_read_error(tmp_path: Path):
    write_picture(noise(), tmp_path / "sub" / "a.png")
    (tmp_path / "sub" / "a.png").chmod(0)
    with pytest.raises(ReadError, match="check its permissions"):
        read_picture(tmp_path / "sub" / "a.png")
    (tmp_path / "sub").chmod(0)
    with pytest.raises(ReadError, match="check its permissions"):
        list_pictures(tmp_path, recursive=True)
    (tmp_path / "sub").chmod(0o700)


def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_picture(noise(), tmp_path / "a.png")

    def refuse(path: Path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ReadError, match="cannot be listed"):
        list_pictures(tmp_path)
