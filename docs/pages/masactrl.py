"""
MasaCtrl: the same thing in another pose
========================================

Drawn again with "rearing" in the prompt, a horse becomes another horse. MasaCtrl (Cao et al. 2023,
arXiv:2304.08465) lets the new picture decide on the shape and fetch the look: in the decoder its
cells ask the source's keys and take the source's values.
"""

import innerlight
from innerlight import viz
from innerlight.methods.editing.masactrl import MasaCtrlConfig, masactrl
from innerlight.sampling import Run

model = innerlight.load()
quiet = Run(progress=False)

source, target = "a horse on the grass", "a rearing horse on the grass"
edited = masactrl(model, source, target, seed=4, run=quiet)
free = innerlight.generate(model, target, seed=4, run=quiet)
viz.grid(
    [edited.sources[0], edited.images[0], free.images[0]],
    [source, target, "the new prompt alone"],
    columns=3,
)

# %%
# A picture that is given
# -----------------------
#
# It is inverted without a prompt. `start` is the share of the steps after which the source is
# asked; the authors take 0.08, so that the layout has a few steps to become the new prompt's. At 1
# the source is never asked, and its look is lost. The scene and the seeds of this page were chosen.

from innerlight.world import render, sample

scene = sample(7, categories=["horse"], setting="grass", style="photo")
drawn = render(scene, 128).picture
found = innerlight.invert(model, drawn, run=quiet)  # once, for all that follows
swept = innerlight.sweep(
    model,
    "",
    target,
    MasaCtrlConfig(),
    {"start": [0, 0.08, 0.4, 1]},
    inversion=found,
    run=quiet,
)
viz.grid(
    [drawn, *(one.images[0] for one in swept.results)],
    ["given", *(f"start {choice['start']}" for choice in swept.choices)],
    columns=5,
)

# %%
# Inside asks inside
# ------------------
#
# Where thing and ground look alike the one borrows from the other. Mask-aware, what is inside asks
# only what is inside, and the ground the ground. The masks come from words of both prompts, or
# from outside as arrays. The maps of this small model are broad, so the threshold is 0.5, not the
# authors' 0.1.

config = MasaCtrlConfig(source_words=("horse",), target_words=("horse",), threshold=0.5)
aware = masactrl(model, source, target, config, inversion=found, run=quiet)
mask = aware.masks["masactrl"][0]
viz.grid(
    [aware.images[0], viz.heat(aware.images[0], mask, limits=(0, 1))],
    ["mask-aware", "where the new picture has the word"],
)

# %%
# Cost
# ----
#
# Rows that go through the UNet, of ten steps:

rows = []
hook = model.unet.register_forward_pre_hook(
    lambda unet, given: rows.append(len(given[0]))
)
innerlight.generate(model, target, steps=10, run=quiet)
plain, rows[:] = sum(rows), []
masactrl(model, source, target, steps=10, run=quiet)
drawing, rows[:] = sum(rows), []
short = innerlight.invert(model, drawn, steps=10, run=quiet)
rows.clear()
masactrl(model, "", target, inversion=short, run=quiet)
hook.remove()
print(f"a picture {plain}, source and edit {drawing}, of an inversion {sum(rows)}")

# %%
# Limits
# ------
#
# It moves what the prompt can move: where the model does not draw the pose, nothing changes, and
# the small model knows few. Masks of words are stretched to their own extremes, so that even a flat
# map gives one. A thing that changes its kind is a task for other methods.
