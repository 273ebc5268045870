"""
Conventions
===========

Most mistakes in this field are off by half a pixel, by a swapped axis or by a seed that was seen
before. What holds everywhere in the library stands here, once, and runs.
"""

# %%
# Coordinates
# -----------
#
# Points are (x, y): x to the right, y down, the origin at the upper left corner of the picture.
# The pixel in column c and row r covers c to c + 1 and r to r + 1, so **its centre lies at .5**.
# Arrays are indexed the other way round, rows first: (height, width). Here are 8 by 5 pixels, each
# drawn large.

from innerlight import viz
from innerlight.world import render, sample, truth

tiny = render(sample(10, categories=["dog"], setting="grass"), 5, 8).picture
named = {
    "(1, 1), where four pixels meet": (1, 1),
    "(2.5, 3.5), the centre of column 2, row 3": (2.5, 3.5),
}
viz.points(tiny, named, scale=64, enlarging="nearest")

# %%
# So a point (x, y) lies in the pixel `[int(y), int(x)]` of every map:

drawn = render(sample(10, categories=["dog"], setting="grass"), 120, 160)
print("array", drawn.picture.shape)

nose = truth.keypoints(drawn)[0]["nose"]
row, column = int(nose.y), int(nose.x)
parts = truth.parts(drawn)
print(f"({nose.x:.2f}, {nose.y:.2f}) is in row {row}, column {column}:", end=" ")
print(parts.names[int(parts.labels[row, column])])

# %%
# Points scale with the picture, without an offset: twice the size is twice the numbers.

twice = truth.keypoints(render(drawn.scene, 240, 320))[0]["nose"]
print(twice.x / nose.x, twice.y / nose.y)

# %%
# Boxes
# -----
#
# A box is (left, top, right, bottom), right and bottom just outside. Only where it is stored for
# COCO is it (x, y, width, height). Neither has the "minus one" of older tools; only the Pascal VOC
# export, whose tools expect it, counts pixels from 1.

from innerlight.files import rle

mask = truth.instances(drawn) == 1
print("truth.boxes ", truth.boxes(drawn)[0])
print("rle.box     ", rle.box(rle.encode(mask)))

# %%
# Canvas units
# ------------
#
# A scene knows no pixels. The shorter side of its canvas is 10,000 units, and every length in it
# is a whole number of these, so that equal scenes are equal on every machine. A render fits the
# canvas into the picture, centred; its `canvas` frame carries units to pixels.

from innerlight.world.scene import UNIT

thing = drawn.scene.things[0]
print("unit", UNIT, " canvas", drawn.scene.width, "x", drawn.scene.height)
print("the dog stands at", (thing.x, thing.y), "units")
x, y = drawn.canvas.point(thing.x, thing.y)
print(f"which is ({x:.2f}, {y:.2f}) in pixels")

# %%
# Labels
# ------
#
# 0 is the background. In instance maps, thing number k is k + 1. Numbers of categories and parts
# follow the alphabet; their names travel with the map. The number that counts for nothing is 255
# in 8-bit files, as in Pascal VOC.

print({number: truth.category_names()[number] for number in range(5)})

# %%
# Colours and numbers
# -------------------
#
# Pictures are RGB. An array of `uint8` holds 0 to 255, one of floats 0 to 1; nothing is guessed
# from the values. Masks are `bool`.
#
# Seeds
# -----
#
# A seed is a scene's number, and the same scene everywhere. Who tunes on a scene must not be
# scored on it, so the numbers are shared out once, for all:
#
# ====================  ===================================================================
# 0 to 99 999           development: examples, tests, thresholds, calibration
# 100 000 to 899 999    scoring: every number that is claimed
# 900 000 to 999 999    never drawn
# 1 000 000 000 and up  training of the embedded model
# ====================  ===================================================================
#
# Randomness inside the world is integer arithmetic, so it does not change with a version of numpy.
# What the seed decides, it decides for each part by itself: another setting leaves the things
# where they are.

here, there = sample(12, count=2, setting="room"), sample(12, count=2, setting="snow")
print([t.look.category for t in here.things], [t.look.category for t in there.things])
print(
    "equal looks:",
    [a.look == b.look for a, b in zip(here.things, there.things, strict=True)],
)
print("equal scenes:", sample(12) == sample(12))

# %%
# Errors
# ------
#
# Whatever the library raises on purpose is an `InnerlightError`, and also the Python error that
# one would expect: a value that cannot be used is a `ValueError`, a missing name a `LookupError`,
# a disk that fails an `OSError`. On the command line it is one line on stderr and exit code 2.

from innerlight.types import InnerlightError

for ask in ({"categories": ["unicorn"]}, {"setting": "moon"}, {"count": 9}):
    try:
        sample(0, **ask)
    except InnerlightError as error:
        print(f"{type(error).__name__}: {error}\n")
