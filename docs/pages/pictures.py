"""
Pictures of maps
================

What a model knows comes out as numbers on a grid. These functions put the numbers back on the
picture they speak of. Each takes a picture in any form that `read_picture` takes (a path, bytes,
an array, a Pillow image), returns a Pillow image, and leaves both alone. Coordinates are (x, y) in
pixels of the picture given, whatever the `scale` at which it is drawn.
"""

# %%
# The pictures of this page come from the world, whose truth stands in for a method's answer.

from innerlight import viz
from innerlight.world import render, sample, truth

scene = sample(13, categories=["dog", "tree"], arrangement="behind", setting="grass")
drawn = render(scene, 320, 320)
picture = drawn.picture

# %%
# Heat
# ----
#
# A map of any grid is resized smoothly to the picture. Low numbers let more of the picture
# through than high ones, so that one still sees what is there. Here, the share of each 20 by 20
# cell that the dog fills: what a perfect attention map for "dog" would be at 16 by 16.

cells = (truth.instances(drawn) == 1).reshape(16, 20, 16, 20).mean(axis=(1, 3))
viz.heat(picture, cells, colour_bar=True)

# %%
# Without `limits` each map is stretched to its own extremes, so two maps cannot be compared by
# eye. With common limits they can: the second is the first at a third of its strength.

viz.grid(
    [
        viz.heat(picture, cells),
        viz.heat(picture, cells / 3),
        viz.heat(picture, cells / 3, limits=(0, 1)),
    ],
    ["its own limits", "a third of it, its own limits", "a third of it, limits 0 to 1"],
    columns=3,
    scale=0.75,
)

# %%
# The ramps rise in lightness all along, so they read in grey too. `opacity` is that of the highest
# number; some of the picture stays visible under the lowest, even at 1.

ramps = ["magma", "viridis", "grey"]
viz.grid(
    [
        viz.heat(picture, cells, colours=ramp, opacity=1, limits=(0, 1))
        for ramp in ramps
    ],
    ramps,
    columns=3,
    scale=0.75,
)

# %%
# Labels
# ------
#
# Regions are tinted, solid at their borders, and named below. The colour of a label depends on
# its number alone, so it is the same in every picture. `hidden` labels and ignored pixels stay
# bare.

viz.labels(picture, truth.parts(drawn), hidden=[0])

# %%
# A map of the caller's own is a `LabelMap`: whole numbers, their names, and the number that
# counts for nothing. `colours` overrules the colours of some.

from innerlight.types import LabelMap

rows = LabelMap(truth.instances(drawn), {0: "setting", 1: "dog", 2: "tree"}, ignore=0)
viz.labels(picture, rows, colours={1: (213, 94, 0)}, opacity=0.7)

# %%
# Matches
# -------
#
# A line from each source point to its target. With `correct`, right ones are green with full dots
# and wrong ones vermilion with hollow dots, which colour-blind readers tell apart too.
#
# Here a guess is held against the truth: that a keypoint lies at the same place of the box in both
# pictures. It counts as right within a tenth of the larger side of the target's box.

import numpy as np

from innerlight.types import Match

one = render(sample(10, categories=["dog"], setting="grass", style="photo"), 320, 320)
other = render(sample(7, categories=["horse"], setting="snow", style="photo"), 320, 320)
(source_points,), (target_points,) = truth.keypoints(one), truth.keypoints(other)
(source_box,), (target_box,) = np.array(truth.boxes(one)), np.array(truth.boxes(other))

pairs, correct = [], []
for name in sorted(source_points.keys() & target_points.keys()):
    source, target = source_points[name], target_points[name]
    share = ((source.x, source.y) - source_box[:2]) / (source_box[2:] - source_box[:2])
    guess = target_box[:2] + share * (target_box[2:] - target_box[:2])
    pairs.append(Match((source.x, source.y), tuple(guess)))
    distance = np.linalg.norm(guess - (target.x, target.y))
    correct.append(bool(distance <= 0.1 * (target_box[2:] - target_box[:2]).max()))

print(f"{sum(correct)} of {len(correct)} are right")

# %%

viz.matches(one.picture, other.picture, pairs, correct=correct)

# %%
# Points
# ------
#
# Names are put where they hide the least. A point outside of the picture is an error rather than
# a dot at the edge: leave out what is not visible.

seen = {name: (p.x, p.y) for name, p in source_points.items() if p.visible}
viz.points(one.picture, seen, scale=1.5)

# %%
# Boxes
# -----
#
# Boxes are left, top, right, bottom. COCO's, and those of `files.rle.box`, are x, y, width, height.

from innerlight.files import rle

owners = truth.instances(drawn)
masks = {"dog": owners == 1, "tree": owners == 2}
coco = [rle.box(rle.encode(mask)) for mask in masks.values()]
viz.boxes(picture, [(x, y, x + w, y + h) for x, y, w, h in coco], list(masks))

# %%
# Grids
# -----
#
# Pictures of any sizes on one sheet, with captions, heads and a title that never run over. Most
# figures of a paper are one call.

sizes, styles = (16, 48, 144), ("photo", "drawing", "night")
pictures = [
    viz.enlarge(
        render(sample(7, count=1, style=style), size, size).picture,
        144 / size,
        "nearest",
    )
    for style in styles
    for size in sizes
]
viz.grid(
    pictures,
    title="One scene at three sizes, in three styles",
    row_heads=styles,
    column_heads=[f"{size} x {size}" for size in sizes],
)

# %%
# `enlarge` is also there by itself: "nearest" shows a picture's pixels, "lanczos" hides them.

tiny = render(scene, 40, 40).picture
viz.grid(
    [viz.enlarge(tiny, 6, "nearest"), viz.enlarge(tiny, 6, "lanczos")],
    ["nearest", "lanczos"],
)
