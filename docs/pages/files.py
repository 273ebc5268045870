"""
Files
=====

Other people's files are odd: turned on their side, transparent, sixteen bits deep, cut short,
or not what their name says. These functions read them into one form, or say in one sentence what
is wrong and what to do. What they write is whole or not there. None of it needs torch.
"""

# %%
# Odd pictures
# ------------
#
# A telephone stores a picture lying down, with a note to turn it. A drawing program leaves the
# background transparent. A scanner keeps sixteen bits. Here is one of each, made from a scene.

from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

from innerlight import viz
from innerlight.files import read_picture
from innerlight.world import render, sample, truth

drawn = render(sample(7, count=1, setting="grass", style="photo"), 180, 240)
upright = Image.fromarray(drawn.picture)

turned = Image.Exif()
turned[Base.Orientation] = 6
upright.transpose(Image.Transpose.ROTATE_90).save("telephone.jpg", exif=turned)

cut_out = upright.copy()
cut_out.putalpha(Image.fromarray(np.uint8(255) * (truth.instances(drawn) > 0)))
cut_out.save("drawing.webp")

grey = np.asarray(upright.convert("L")).astype(np.uint16) * 257
Image.fromarray(grey).save("scan.png")

# %%
# Whatever the file, `read_picture` gives upright RGB, 8 bits, without metadata. Transparency shows
# a background, white unless another is asked for.

names = ["telephone.jpg", "drawing.webp", "scan.png"]
for name in names:
    with Image.open(name) as stored:
        print(f"{name:14} stored as {stored.mode:6} {stored.size}", end="  ")
    print("read as", read_picture(name).mode, read_picture(name).size)

# %%

viz.grid([read_picture(name) for name in names], names, columns=3)

# %%
# Arrays, bytes and Pillow images go the same way. `read_pictures` takes several, or a folder, in
# the order in which people count: 2 before 10.

from innerlight.files import list_pictures, read_pictures

print(read_picture(Path("scan.png").read_bytes()).size, read_picture(grey).size)
print([path.name for path in list_pictures(".")], len(read_pictures(".")), "pictures")

# %%
# What cannot be read is refused
# ------------------------------
#
# Every error says what was expected, what came and what to do. Size is checked before anything is
# decoded, so a small file that claims a gigapixel costs nothing.

import struct
import zlib

from innerlight.types import InnerlightError

whole = Path("scan.png").read_bytes()
Path("cut.png").write_bytes(whole[: len(whole) // 2])
Path("empty.png").touch()
upright.save("animation.gif")
Path("animation.gif").rename("animation.png")

header = whole[12:16] + struct.pack(">II", 65_000, 65_000) + whole[24:29]
checksum = struct.pack(">I", zlib.crc32(header))
Path("bomb.png").write_bytes(whole[:12] + header + checksum + whole[33:])

for name in ("cut.png", "empty.png", "animation.png", "bomb.png", "scam.png"):
    try:
        read_picture(name)
    except InnerlightError as error:
        print(f"{type(error).__name__}: {error}\n")

# %%
# An array says what it is by its type. Floats are in 0 to 1; a guess would be wrong half of the
# time, so there is none.

for array in (
    np.full((4, 4, 3), 200.0),
    np.zeros((3, 64, 64)),
    np.zeros((64, 64), np.int64),
):
    try:
        read_picture(array)
    except InnerlightError as error:
        print(error, "\n")

# %%
# Label maps
# ----------
#
# Class numbers must survive to the bit, so they are written as indexed PNG and never as JPEG: 8
# bits with the Pascal VOC palette, 16 bits where there are more than 256. Any viewer shows the
# colours, any reader gets the numbers, and the names travel inside the file.

# sphinx_gallery_thumbnail_number = 2
from innerlight.files import read_label_map, write_label_map

parts = truth.parts(drawn)
write_label_map(parts, "parts.png")
back = read_label_map("parts.png")
print(back.labels.dtype, back.labels.shape, bool((back.labels == parts.labels).all()))
print([back.names[number] for number in np.unique(back.labels)])

# %%

with Image.open("parts.png") as stored:
    mode, colours = stored.mode, stored.convert("RGB")
viz.grid(
    [colours, viz.labels(drawn.picture, back, hidden=[0])],
    [f"parts.png, mode {mode}", "drawn over the picture"],
)

# %%
# A pixel that counts for nothing is often -1, which PNG cannot hold. It is stored as 255, and
# read as such.

from innerlight.types import LabelMap

unsure = np.where(parts.labels == 0, -1, parts.labels)
write_label_map(LabelMap(unsure, parts.names, ignore=-1), "unsure.png")
print("ignore:", read_label_map("unsure.png").ignore)

# %%
# Run-length masks
# ----------------
#
# COCO writes masks as runs down the columns, as numbers or in a compressed text. Both are read
# and written here, without a compiled package.

from innerlight.files import rle

mask = truth.instances(drawn) == 1
runs = rle.encode(mask)
text = rle.compress(runs["counts"])
print(f"{mask.size:,} pixels, {len(runs['counts'])} runs, {len(text)} characters")
print("starts with", text[:48])
print("area", rle.area(runs), " box (x, y, width, height)", rle.box(runs))

# %%
# The reader of the COCO project agrees:

from pycocotools import mask as coco

theirs = {"size": runs["size"], "counts": text}
print("area", coco.area(theirs), " box", coco.toBbox(theirs))

# %%
# Recipes
# -------
#
# A picture without the settings that made it is a dead end. A recipe is a mapping of names to
# values; it is kept inside the picture, where it survives a copy, and beside it as JSON, where it
# can be searched.

from innerlight.files import read_recipe, write_picture

recipe = {"seed": 7, "setting": "grass", "size": [180, 240]}
write_picture(drawn.picture, "scene.png", recipe=recipe)
Path("scene.png").rename("renamed.png")
print("inside:", read_recipe("renamed.png"))
print(Path("scene.json").read_text())

# %%
# PNG and WebP keep every pixel; JPEG has quality 95. Two pictures that would share one recipe file
# are refused, since one recipe would be lost.

try:
    write_picture(drawn.picture, "scene.jpg", recipe=recipe)
except InnerlightError as error:
    print(error)

# %%
# A manifest
# ----------
#
# Long work gets killed. A manifest is a journal of finished keys: each line is on disk before
# `record` returns, so the work goes on where it stopped, loses nothing and repeats nothing. Here
# the power fails at the third of five.

from innerlight.files import Manifest


def draw_all(keys, fails_at=None):
    settings = {"height": 32, "width": 32}
    with Manifest.open("drawn.jsonl", task="draw", settings=settings) as manifest:
        for key in manifest.pending(keys):
            if key == fails_at:
                raise KeyboardInterrupt
            write_picture(render(sample(int(key)), 32, 32).picture, f"drawn/{key}.png")
            manifest.record(key, things=len(sample(int(key)).things))
            print("drew", key)


try:
    draw_all("12345", fails_at="3")
except KeyboardInterrupt:
    print("interrupted")

# %%
# The same call again:

draw_all("12345")
print(Path("drawn.jsonl").read_text())

# %%
# Its first line is what the work is. Other settings are other work, and mixing the two would be
# noticed too late:

try:
    Manifest.open("drawn.jsonl", task="draw", settings={"height": 64, "width": 32})
except InnerlightError as error:
    print(error)

# %%
# Whole or not there
# ------------------
#
# All writing goes through a temporary beside the target that is synced to disk and then takes its
# name. A reader never sees half a file, and a failed write leaves the old one. `atomic_path` gives
# the same to any other writer.

from innerlight.files import atomic_path

try:
    with atomic_path("table.npy") as temporary:
        np.save(temporary, np.arange(3))
        raise RuntimeError("something else went wrong")
except RuntimeError:
    print("table.npy exists:", Path("table.npy").exists())
