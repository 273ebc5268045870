"""
DiffSeg: a picture in segments
==============================

Cells of one thing look at the same cells. DiffSeg (Tian et al. 2023, arXiv:2308.12469) takes
where each cell looks, over all levels of self-attention, as a distribution over the picture, and
merges those that are alike, until a few are left. There is no training, no text, and the number
of segments is not given.
"""

import innerlight
from innerlight import viz
from innerlight.methods.segmentation.diffseg import DiffsegConfig, attention, diffseg
from innerlight.sampling import Run
from innerlight.world import render, sample

model = innerlight.load()
quiet = Run(progress=False)

scenes = [render(sample(seed), 128) for seed in (7, 8, 10)]
pictures = [scene.picture for scene in scenes]
found = diffseg(model, pictures, run=quiet)
viz.grid(
    [
        *pictures,
        *(viz.labels(found.images[k], found.labels[k], legend=False) for k in range(3)),
    ],
    [*(["given"] * 3), *(f"{len(scores)} segments" for scores in found.scores)],
    columns=3,
)

# %%
# What is merged
# --------------
#
# One pass shows the attention: a row for each cell of the latent, which says where that cell
# looks. Three rows as pictures, of a cell in a thing, one in the ground and one in the sky:

rows = attention(model, model.encode(pictures[0]), DiffsegConfig())
cells = {"thing": (21, 9), "ground": (28, 25), "sky": (3, 16)}
viz.grid(
    [
        viz.heat(pictures[0], rows[y * 32 + x].view(32, 32).numpy())
        for y, x in cells.values()
    ],
    list(cells),
    columns=3,
)

# %%
# How much is merged
# ------------------
#
# The one setting that matters is how far apart two rows may be. The authors' value, 1.1, is for
# Stable Diffusion; how peaked rows are differs from model to model, and `calibration.json` says
# what fits the one that ships.

thresholds = (0.2, 0.4, 0.6, 0.8)
swept = [
    diffseg(model, pictures[0], DiffsegConfig(threshold=t), run=quiet)
    for t in thresholds
]
viz.grid(
    [viz.labels(one.images[0], one.labels[0], legend=False) for one in swept],
    [
        f"threshold {t}: {len(one.scores[0])}"
        for t, one in zip(thresholds, swept, strict=True)
    ],
    columns=4,
)

# %%
# Names
# -----
#
# Words can be given, and each segment takes the one whose attention is strongest inside it.

words = [thing.look.category for thing in scenes[0].scene.things]
named = diffseg(model, pictures[0], names=[*words, scenes[0].scene.setting], run=quiet)
named.picture()

# %%
# Where it goes wrong
# -------------------
#
# k-means on the same rows is better at it on this model, when it is told how many segments there
# are. On 200 scenes of the world (`innerlight bench diffseg`), with one segment for each thing,
# DiffSeg's mean IoU is 0.53, that of k-means on the same rows 0.59, and of k-means on colours and
# places 0.40. By the adjusted Rand index, which counts how the whole picture is cut, they have
# 0.25, 0.53 and 0.23. It is not told how many segments there are, and splits what counts as one
# setting here, sky from water and shops from street, and the rims of things.

# %%
# Sharper borders
# ---------------
#
# A segment ends at cells, four pixels wide on this model. `refined` moves its border to where the
# picture has one: by a graph cut, or by a conditional random field.

viz.grid(
    [
        viz.labels(one.images[0], one.labels[0], legend=False)
        for one in (found, found.refined("graph_cut"), found.refined("crf"))
    ],
    ["as found", "graph cut", "random field"],
    columns=3,
)

# %%
# What it gives
# -------------
#
# A label map for each picture at the picture's size, with names and with scores, as indexed PNG,
# COCO run-length masks and an overlay: `found.save("one.png")` writes all three. On the command
# line it is `innerlight segment`, which takes folders and goes on after a stop.

{key: value for key, value in found.annotations()[1].items() if key != "segmentation"}
