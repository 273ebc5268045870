"""
The world
=========

A method that claims to find the dog's ear can only be believed where somebody knows where the
ear is. The world draws scenes from a seed and knows everything about them: which pixel is whose,
which part it shows, which spot of another picture it matches, which words speak of it. There is
nothing to download and nothing to annotate, and the same seed gives the same scene everywhere.
"""

# %%
# From a seed to a picture
# ------------------------
#
# `sample` decides what there is, `render` draws it. A scene holds only whole numbers and names,
# so two scenes are equal exactly if all their fields are. A render holds the picture, an array
# (height, width, 3), and the truth about each of its pixels.

from PIL import Image

from innerlight import viz
from innerlight.world import render, sample

scene = sample(26, categories=["clock", "dog"], arrangement="behind", setting="street")
drawn = render(scene, 360, 360)
Image.fromarray(drawn.picture)

# %%
# Size is a matter of drawing, not of the scene: the shapes are distance fields, anti-aliased at
# any resolution. The default, 128 by 128, is what the tests and the measured numbers use.

small, large = render(scene, 32, 32), render(scene, 160, 320)
viz.grid(
    [viz.enlarge(small.picture, 5, "nearest"), large.picture],
    ["32 x 32, enlarged", "160 x 320: the setting goes on"],
)

# %%
# What is asked for is kept, and the seed decides the rest. Things can be named, or drawn `among`
# some categories; the first two can be given an arrangement.

asked = [
    sample(1, categories=["dog", "chair"], arrangement="on", setting="room"),
    sample(6, categories=["cat", "car"], arrangement="in", setting="street"),
    sample(2, categories=["horse", "umbrella"], arrangement="holding", setting="sand"),
    sample(5, count=2, among=["bird", "fish", "butterfly"], style="drawing"),
]
viz.grid([render(scene, 240, 240).picture for scene in asked], columns=4)

# %%
# Three styles repaint one geometry. A method that reads shape should not mind; one that reads
# colour will.

from innerlight.world.scene import STYLES

styles = [sample(7, categories=["giraffe", "teapot"], style=style) for style in STYLES]
viz.grid([render(scene, 240, 240).picture for scene in styles], STYLES, columns=3)

# %%
# Captions with marked words
# --------------------------
#
# A caption knows which of its words speak of which thing. That is what an attention map for the
# word "clock" is held against.

from innerlight.world import caption

sentence = caption(scene, "long")
print(sentence.text)
for span in sentence.spans:
    whose = "the picture" if span.thing is None else f"thing {span.thing}"
    print(f"  {sentence.text[span.start : span.end]!r:12} {span.role:9} of {whose}")

# %%
# `variant` words the same scene anew, `length` is "short", "medium" or "long".

for length in ("short", "medium", "long"):
    for variant in range(2):
        print(f"{length:7} {caption(scene, length, variant=variant).text}")

# %%
# Some values are drawn but have no word: three colours, two patterns, the relation "headstand"
# and all marks on a coat. They are what personalization has to learn. Words that do exist are
# left out at random too, so that a missing word gives nothing away.

from innerlight.world.palette import UNNAMED_COLOURS, UNNAMED_PATTERNS
from innerlight.world.relations import UNNAMED_RELATIONS

print(*UNNAMED_COLOURS, *UNNAMED_PATTERNS, *UNNAMED_RELATIONS, sep=", ")

# %%
# What is where
# -------------
#
# Every map is a look-up in one map of owners, so all of them agree to the pixel. Categories and
# parts come with their names; 0 is the setting.

from innerlight.world import truth

drawn = render(scene, 280, 280)
picture = drawn.picture
viz.grid(
    [
        viz.labels(picture, truth.semantic(drawn), hidden=[0]),
        viz.labels(picture, truth.parts(drawn), hidden=[0]),
    ],
    ["category of each pixel", "part of each pixel"],
)

# %%
# Instances tell two dogs apart. Boxes are around the pixels that are seen, as (left, top, right,
# bottom); a thing wholly hidden has `None`.

names = [thing.look.category for thing in drawn.scene.things]
for name, box in zip(names, truth.boxes(drawn), strict=True):
    print(name, box)

# %%
# Depth order runs from back to front. Relations are those that are true in the picture, told from
# both sides where language has the word.

print("back to front:", [names[thing] for thing in truth.depth_order(drawn)])
for relation in truth.relations(drawn):
    print(names[relation.subject], relation.name, names[relation.object])

# %%
# Keypoints
# ---------
#
# Each category has named keypoints in a fixed order. One is visible if its own part is what is
# seen there; hidden ones keep their place.

behind = sample(6, categories=["dog", "tree"], arrangement="behind", setting="grass")
drawn = render(behind, 480, 480)
points = truth.keypoints(drawn)[0]
for name in truth.keypoint_names("dog"):
    point = points[name]
    place = f"{point.x:6.1f} {point.y:6.1f}"
    print(f"{name:16} {place}  {'seen' if point.visible else 'hidden'}")

# %%
# Drawn, with the hidden ones left out:

seen = {name: (point.x, point.y) for name, point in points.items() if point.visible}
viz.points(drawn.picture, seen)

# %%
# Animals look alike from both sides, and a match may land on the wrong ear. `twin_of` names the
# keypoint that one is most easily mistaken for, so that this mistake can be counted apart.

print(*(truth.twin_of("dog", name) for name in ("ear_near", "paw_front_far", "nose")))

# %%
# Correspondence
# --------------
#
# For each pixel of one render, its partner in another: exact, since both are the same spot of the
# same shape. Things of one category match part by part, and so do animals of different kinds,
# which share the names of their parts. `partners` says which thing is which; without it, equal
# individuals are paired.

import numpy as np

from innerlight.types import Match
from innerlight.world import correspond

one = render(sample(8, categories=["dog"], setting="grass", style="photo"), 320, 320)
other = render(sample(7, categories=["horse"], setting="snow", style="photo"), 320, 320)
found = correspond(one, other, {0: 0})

print("flow", found.flow.shape, "visible", found.visible.shape)
print(f"{found.visible.sum():,} pixels of the dog are seen on the horse")

# %%
# `flow` is `nan` where there is no partner, and `visible` is false where the partner is hidden. A
# line for every few hundred pixels that pass:

rows, columns = np.nonzero(found.visible)
chosen = np.linspace(0, len(rows) - 1, 16, dtype=int)
pairs = [
    Match((columns[k] + 0.5, rows[k] + 0.5), tuple(found.flow[rows[k], columns[k]]))
    for k in chosen
]
viz.matches(one.picture, other.picture, pairs)

# %%
# Altered pairs
# -------------
#
# The same scene with one thing changed and nothing else. An edit can then be scored twice: what
# should change did, and the rest did not.

from innerlight.world import alter

before = sample(3, categories=["cat", "mug"], arrangement="in", setting="room")
pairs = [
    alter(before, "colour", thing=0, to="gray"),
    alter(before, "pattern", thing=1),
    alter(before, "setting", to="sand"),
]
scenes = [before, *(pair.after for pair in pairs)]
viz.grid(
    [render(scene, 240, 240).picture for scene in scenes],
    ["before", *(f"{pair.change}: {pair.old} to {pair.new}" for pair in pairs)],
    columns=4,
)

# %%
# Both captions have the same words, but for the changed one, which is always said: a source and a
# target prompt.

for text in pairs[0].captions("medium"):
    print(text.text)

# %%
# Where the geometry stays, nothing outside the changed thing changes. `footprint` is where its
# paint can have gone: its pixels and their anti-aliased edge.

old, new = render(before, 240, 240), render(pairs[0].after, 240, 240)
changed = (old.picture != new.picture).any(axis=2)
reach = truth.footprint(new, 0)
print(
    f"{changed.sum():,} pixels changed, {(changed & ~reach).sum()} of them outside the cat"
)

# %%
# Individuals and distractors
# ---------------------------
#
# A look is an individual: colours, pattern, patches, marks and proportions that stay from scene to
# scene. Its distractors share every word that a caption has for it, so only what has no word tells
# them apart. Personalization and retrieval are tested on exactly this.

from innerlight.world import distractors, individual

look = individual(7, "elephant")
same = [sample(7 + k, looks=[look], style="photo") for k in range(3)]
strangers = [
    sample(10 + k, looks=[stranger], style="photo")
    for k, stranger in enumerate(distractors(look, 3, seed=7))
]
viz.grid(
    [render(scene, 220, 220).picture for scene in (*same, *strangers)],
    row_heads=["this one", "others"],
)

# %%
# `search` makes a retrieval task of it: the individual is thing 0 of the reference and of every
# positive scene, and every scene, the negatives too, holds at least one other of its class.

from innerlight.world import search

task = search(3, category="mug", positives=2, negatives=3)
viz.grid(
    [
        render(s, 200, 200).picture
        for s in (task.reference, *task.positives, *task.negatives)
    ],
    ["reference", "positive", "positive", "negative", "negative", "negative"],
    columns=3,
)

# %%
# Folds and episodes
# ------------------
#
# Four folds share out the categories, animals, objects and shapes spread over all. What is
# tested on one fold is learned outside it.

from innerlight.world import episode, fold, outside

for number in range(4):
    print(number, *fold(number))
print(f"outside of fold 0 there are {len(outside(0))}")

# %%
# An episode is few-shot segmentation: learn a category from the support scenes, find it in the
# query scenes. The category never stands alone, so the rest of the picture is a real choice.

few = episode(4, fold_number=1, shots=2, queries=2)
viz.grid(
    [render(scene, 200, 200).picture for scene in few.support + few.query],
    ["support", "support", "query", "query"],
    columns=4,
    title=f"Learn: {few.category}",
)

# %%
# Data sets
# ---------
#
# `export` writes what people's tools read: "coco" (instances with keypoints, captions), "voc"
# (indexed PNG and boxes) or "spair" (pairs with keypoints). A run that was stopped, or of which
# more is wanted, goes on when it is run again: what is there is not drawn twice.

from pathlib import Path

from innerlight.world import export

done = export(Path("world-coco"), "coco", count=6, seed=0, height=160, width=240)
print(f"{done.entries} entries, {done.drawn} drawn now")
again = export(Path("world-coco"), "coco", count=8, seed=0, height=160, width=240)
print(f"{again.entries} entries, {again.drawn} drawn now")
for path in sorted(done.folder.rglob("*.*"))[:6]:
    print(path.relative_to(done.folder).as_posix())

# %%
# The COCO project's own reader opens it:

from pycocotools.coco import COCO

coco = COCO("world-coco/annotations/instances.json")

# %%

frame = coco.loadImgs(7)[0]
objects = coco.loadAnns(coco.getAnnIds(imgIds=7))
viz.boxes(
    Path("world-coco/images", frame["file_name"]),
    [(x, y, x + w, y + h) for x, y, w, h in (thing["bbox"] for thing in objects)],
    [coco.cats[thing["category_id"]]["name"] for thing in objects],
    scale=2,
)

# %%
# The same from a shell is `innerlight world export`: see :doc:`/commands`. How the files are
# written, and why a kill at any moment loses nothing, is the subject of :doc:`files`.
