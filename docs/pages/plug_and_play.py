"""
Plug-and-Play: a new prompt on old shapes
=========================================

Plug-and-Play (Tumanyan et al. 2023, arXiv:2211.12572) draws a new prompt on top of a source: for a
share of the steps one feature of the decoder is the source's own, and its cells look where the
source's do. The source's prompt is not needed; a given picture is inverted without one.
"""

import innerlight
from innerlight import viz
from innerlight.methods.editing.plug_and_play import PlugAndPlayConfig, plug_and_play
from innerlight.sampling import Run

model = innerlight.load()
quiet = Run(progress=False)

source = ["a horse on the grass", "a castle on the grass"]
target = ["a zebra on the grass", "a castle in the snow"]
edited = plug_and_play(model, source, target, seed=[1, 0], run=quiet)
viz.grid(
    [edited.sources[0], edited.images[0], edited.sources[1], edited.images[1]],
    [source[0], target[0], source[1], target[1]],
)

# %%
# A picture that is given
# -----------------------
#
# Horses of the world, as zebras. The seeds of this page were chosen.

from innerlight.world import render, sample

scenes = [
    sample(seed, categories=["horse"], setting="grass", style="photo")
    for seed in (8, 9)
]
drawn = [render(scene, 128).picture for scene in scenes]
found = innerlight.invert(model, drawn, run=quiet)  # once, for all that follows
zebras = plug_and_play(model, "", [target[0]] * 2, inversion=found, run=quiet)
viz.grid([drawn[0], zebras.images[0], drawn[1], zebras.images[1]], columns=4)

# %%
# Feature and attention
# ---------------------
#
# The authors keep the feature for 0.8 of the steps and the attention for 0.5. Without both there
# remains the inverted noise. `guidance` is the model's own where it has one, else the authors' 10.

import numpy as np

from innerlight.metrics import psnr

images, captions = [], []
for features, self_maps in ((0, 0), (0.8, 0), (0, 0.5), (0.8, 0.5)):
    config = PlugAndPlayConfig(features=features, self_maps=self_maps)
    one = plug_and_play(model, "", [target[0]] * 2, config, inversion=found, run=quiet)
    images.append(one.images[1])
    near = psnr(np.asarray(drawn[1]), np.asarray(images[-1]))
    captions.append(f"feature {features}\nattention {self_maps}\n{near:.1f} dB")
viz.grid(images, captions, columns=4)

# %%
# The number says how near the picture is to the one that was given.
#
# Cost
# ----
#
# Rows that go through the UNet, of ten steps. The source needs one row, and none any more when
# nobody looks at it; an inversion costs one row a step, as much again to see how it comes back,
# and serves for every prompt.

rows = []
hook = model.unet.register_forward_pre_hook(
    lambda unet, given: rows.append(len(given[0]))
)
innerlight.generate(model, target[0], steps=10, run=quiet)
plain, rows[:] = sum(rows), []
short = innerlight.invert(model, drawn[0], steps=10, run=quiet)
inverting, rows[:] = sum(rows), []
plug_and_play(model, "", target[0], inversion=short, run=quiet)
hook.remove()
print(f"a picture {plain}, inverting and coming back {inverting}, the edit {sum(rows)}")

# %%
# Limits
# ------
#
# What has another shape than the source comes out in the source's shape. Texture can leak through
# the feature; `away_from`, a prompt that tells what the source shows, leads away from it at the
# price of one more row. The authors invert with up to 999 steps, here it is as many as are drawn.
