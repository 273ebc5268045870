"""
Read: three things a pass knows
===============================

While a model draws or looks at a picture, it says where each word is, which cells belong together,
and what each cell is. This page reads all three from one picture; the pages on the methods say what
is made of them.
"""

import torch

import innerlight
from innerlight import Read, viz
from innerlight.methods.reading.daam import daam
from innerlight.sampling import Run
from innerlight.taps import HeadMean
from innerlight.world import caption, render, sample

model = innerlight.load()
quiet = Run(progress=False)
scene = render(sample(7, categories=["dog", "balloon"], setting="grass"), 128)
picture, prompt = scene.picture, caption(scene.scene, "short").text
print(prompt)

# %%
# Where a word is
# ---------------
#
# Each cell looks at the words of the prompt. :doc:`DAAM <daam>` sums these looks.
# This small model mixes the words of two things, as here: each map is high on both.

words = [thing.look.category for thing in scene.scene.things]
found = daam(model, prompt, words, image=picture, run=quiet).maps[0]
viz.grid(
    [picture, *(found[word].picture(picture) for word in words)],
    ["given", *words],
    columns=3,
)

# %%
# Which cells belong together
# ---------------------------
#
# Each cell also looks at other cells, most at those of its own thing. One row of that attention is
# where one cell looks; :doc:`DiffSeg <diffseg>` merges all of them into segments. One
# site is named here, with sixteen cells a side; :doc:`inside` lists them.

latents = model.encode([picture])
looks = Read("up.s2.3.self", "probabilities", reduce=HeadMean())
rows = innerlight.probe(model, latents, 260, looks).values(looks).float()[0]
side = int(rows.shape[-1] ** 0.5)  # of the square that the cells are
cells = {"the balloon": (8, 4), "the dog": (8, 11), "the sky": (1, 3)}  # row and column
viz.grid(
    [
        viz.heat(picture, rows[y * side + x].view(side, side).numpy())
        for y, x in cells.values()
    ],
    [f"where a cell of {name} looks" for name in cells],
    columns=3,
)

# %%
# What a cell is
# --------------
#
# Features of the decoder are alike where parts are alike. Their three strongest directions as red,
# green and blue; :doc:`DIFT <dift>` compares them between pictures.

match = Read("match")
feature = innerlight.probe(model, latents, 260, match).values(match).float()[0]
flat = feature.flatten(1).T  # a row for each cell
_, _, directions = torch.pca_lowrank(flat, 3, niter=8)
shown = (flat - flat.mean(0)) @ directions
shown = (shown - shown.amin(0)) / (shown.amax(0) - shown.amin(0))
colours = (255 * shown).byte().view(*feature.shape[1:], 3).numpy()
viz.grid([picture, viz.enlarge(colours, 128 / len(colours))], ["given", "features"])
