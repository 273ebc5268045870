"""
DiffEdit: find the place, then edit only there
==============================================

Where two prompts disagree about the noise in a picture, there is what has to change. DiffEdit
(Couairon et al. 2022, arXiv:2210.11427) makes a mask of that disagreement, inverts the picture
without a prompt, draws the new prompt from there, and puts the picture back outside of the mask
after each step.
"""

import innerlight
from innerlight import viz
from innerlight.methods.editing.diffedit import DiffEditConfig, diffedit
from innerlight.sampling import Run
from innerlight.world import render, sample

model = innerlight.load()
quiet = Run(progress=False)

scene = sample(9, categories=["horse"], setting="grass", style="photo")
drawn = render(scene, 128)
target = "a zebra on the grass"
edited = diffedit(model, "", target, image=drawn.picture, run=quiet)
mask = edited.masks["diffedit"][0]
viz.grid(
    [drawn.picture, viz.heat(drawn.picture, mask, limits=(0, 1)), edited.images[0]],
    ["given", "mask", target],
    columns=3,
)

# %%
# The scene and the seeds of this page were chosen. What the mask is worth here, against the truth,
# and how much of the picture outside stayed as it was:

import numpy as np

from innerlight.metrics import iou, psnr
from innerlight.world import truth

print(f"mask: IoU {iou(mask, truth.instances(drawn) == 1):.2f} with the horse")
before, after = (np.asarray(one)[~mask] for one in (drawn.picture, edited.images[0]))
print(f"outside of the mask: {psnr(before[None], after[None]):.1f} dB, with the VAE")

# %%
# With a source that is drawn
# ---------------------------
#
# Then the source is drawn first and inverted after it, since the method needs its way to noise.

source = "a horse on the grass"
other = diffedit(model, source, target, seed=1, run=quiet)
viz.grid(
    [
        other.sources[0],
        viz.heat(other.sources[0], other.masks["diffedit"][0], limits=(0, 1)),
        other.images[0],
    ],
    [source, "mask", target],
    columns=3,
)

# %%
# Settings
# --------
#
# The prompt is held against `reference`, which is empty unless it is named. One that tells what is
# there leaves only the difference. `ratio` is how far the picture goes back towards noise: less
# keeps more of its shape, even inside the mask.

config = DiffEditConfig(reference=source)
narrow = diffedit(model, "", target, config, image=drawn.picture, run=quiet)
near = diffedit(
    model, "", target, DiffEditConfig(ratio=0.4), image=drawn.picture, run=quiet
)
masks = [mask, narrow.masks["diffedit"][0]]
viz.grid(
    [
        *(viz.heat(drawn.picture, one, limits=(0, 1)) for one in masks),
        narrow.images[0],
        near.images[0],
    ],
    ["against no prompt", "against a horse", "its picture", "ratio 0.4, no prompt"],
    columns=4,
)

# %%
# Cost
# ----
#
# Rows that go through the UNet, of ten steps: the mask takes two for each of its ten noises, the
# way back one a step (twice, since an inversion also says how well it comes back), the drawing two.

rows = []
hook = model.unet.register_forward_pre_hook(
    lambda unet, given: rows.append(len(given[0]))
)
innerlight.generate(model, target, steps=10, run=quiet)
plain, rows[:] = sum(rows), []
short = innerlight.invert(model, drawn.picture, steps=10, reach=0.8, run=quiet)
inverting, rows[:] = sum(rows), []
diffedit(model, "", target, inversion=short, run=quiet)
hook.remove()
print(f"a picture {plain}, inverting and coming back {inverting}, the edit {sum(rows)}")

# %%
# Limits
# ------
#
# The mask is found in the picture as it is: a thing that needs more room than the old one, or
# another place, is cut off at the mask's border. Two prompts that say the same give an empty mask
# and the picture itself. The mask lives on the latent's grid, so its edges are coarse; thin parts
# may be missed.
