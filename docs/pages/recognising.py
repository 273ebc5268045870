"""
Recognise: segments, points, this very thing
============================================

What a model knows of a picture in order to draw it is enough to take pictures apart and to compare
them. Three questions, the methods that answer them, and the truth beside each answer.
"""

import numpy as np

import innerlight
from innerlight import viz
from innerlight.embedded.recognition import hunt, pair
from innerlight.methods import get
from innerlight.sampling import Run
from innerlight.world import render, sample, truth

model = innerlight.load()
quiet = Run(progress=False)

# %%
# What belongs together
# ---------------------
#
# :doc:`DiffSeg <diffseg>` merges what cells look at, :doc:`EmerDiff <emerdiff>` asks which pixels
# move with a cell (here its fast mode). Neither needs words; which segment is which thing is found
# when they are scored. Both cut further than the truth does, and the fast mode is rough.

scene = render(sample(60_004), 128)
emerdiff = get("emerdiff")
segments = {
    "diffseg": get("diffseg").function(model, scene.picture, run=quiet),
    "emerdiff": emerdiff.function(
        model, scene.picture, emerdiff.config(fast=True, clusters=20), run=quiet
    ),
}
drawn = [viz.labels(scene.picture, truth.semantic(scene), legend=False)]
drawn += [
    viz.labels(scene.picture, one.labels[0], legend=False) for one in segments.values()
]
viz.grid([scene.picture, *drawn], ["given", "true", *segments], columns=4)

# %%
# Where this point is there
# -------------------------
#
# :doc:`DIFT <dift>` compares features; full dots are right. :doc:`Prompts for points
# <embedding_correspondence>` finds more of them in 60 steps with two prompts a point (0.37 to
# 0.28); each point is a training of its own. In the authors' setting, five times as long, the
# difference is undecided.

both = pair(60_026, "within", 128)
dift = get("dift").function
found = dift(model, both.source.picture, both.target.picture, both.points, run=quiet)
viz.matches(
    both.source.picture,
    both.target.picture,
    found.matches(),
    correct=both.hits(found.found[0]),
    scale=2,
)

# %%
# Where this very thing is
# ------------------------
#
# :doc:`PDM <pdm>` as it was released takes a thing by its mask, and ranks pictures by how likely
# they show that individual and not its like. The scene was chosen: where things differ in marks and
# build alone, as here, it is not shown to do better than chance. Best first:

asked = hunt(60_003, 128)
gallery = [one.picture for one in asked.gallery]
ranked = get("pdm_voting").function(
    model,
    asked.reference.picture,
    gallery,
    mask=asked.mask,
    run=quiet,
)
order = np.argsort(-ranked.scores)[:5]
viz.grid(
    [asked.reference.picture, *(gallery[k] for k in order)],
    ["this one", *("found" if asked.positives[k] else "its like" for k in order)],
    columns=6,
)

# %%
# A folder that is searched often is indexed once: `innerlight index`, `innerlight find`
# (:doc:`Command line </commands>`).
