"""
Prompt-to-Prompt: change a word
===============================

Two prompts are drawn side by side from the same noise. Prompt-to-Prompt (Hertz et al. 2022,
arXiv:2208.01626) gives the second one the attention of the first: where a word keeps its place in
the prompt, what it names keeps its place in the picture. The words' values stay the new prompt's.
"""

import innerlight
from innerlight import viz
from innerlight.methods.editing.prompt_to_prompt import (
    PromptToPromptConfig,
    prompt_to_prompt,
)
from innerlight.sampling import Run

model = innerlight.load()
quiet = Run(progress=False)

source, target = "a castle on the grass", "a castle in the snow"
edited = prompt_to_prompt(model, source, target, seed=3, run=quiet)
free = innerlight.generate(model, target, seed=3, run=quiet)
viz.grid(
    [edited.sources[0], edited.images[0], free.images[0]],
    [source, target, "the new prompt alone"],
    columns=3,
)

# %%
# The seeds of this page were chosen: they show what the method does, not how often.
#
# How long the source's attention is kept
# ---------------------------------------
#
# `cross` is the share of the steps in which words look where the source's do, `self_maps` the same
# for cells that look at cells; the authors take 0.8 and 0.4. Below, only `cross` changes, and
# `self_maps` is off, so that the first picture is the new prompt's own.

config = PromptToPromptConfig(self_maps=0)
source, target = "a horse on the grass", "a zebra on the grass"
swept = innerlight.sweep(
    model, source, target, config, {"cross": [0, 0.4, 0.8]}, seed=4, run=quiet
)
swept.picture

# %%
# The number is how near the picture stayed to the source, in dB: more is nearer.
#
# Words that were added, words that weigh
# ---------------------------------------
#
# With as many words in both prompts each stands for its neighbour; with more, the two are aligned
# and the attention of what was added is free. `weights` multiplies a word's attention; here the
# prompts are the same, and "snow" counts -3.

told = ["a castle on the grass", "a castle in the snow"]
added = prompt_to_prompt(
    model, told[0], "a drawing of a castle on the grass", seed=3, run=quiet
)
config = PromptToPromptConfig(weights={"snow": -3})
weighed = prompt_to_prompt(model, told[1], told[1], config, seed=3, run=quiet)
viz.grid(
    [added.sources[0], added.images[0], weighed.sources[0], weighed.images[0]],
    [told[0], "a drawing of ...", told[1], "snow: -3"],
    columns=4,
)

# %%
# What stays as it was
# --------------------
#
# `blend` names words of both prompts; outside of their maps the picture is put back after each
# step. The mask that was used comes with the result, and so do the maps of all words. The maps of
# this small model are broad, so here the threshold is 0.7 of a map's maximum, not the authors' 0.3.

config = PromptToPromptConfig(blend=("horse", "zebra"), threshold=0.7)
blended = prompt_to_prompt(model, source, target, config, seed=4, run=quiet)
mask = blended.masks["prompt_to_prompt"][0]
viz.grid(
    [
        blended.images[0],
        viz.heat(blended.images[0], mask, limits=(0, 1)),
        blended.maps["source"][0]["horse"].picture(blended.sources[0]),
        blended.maps["target"][0]["zebra"].picture(blended.images[0]),
    ],
    ["blended", "mask", "source: horse", "target: zebra"],
    columns=4,
)

# %%
# A picture that is given
# -----------------------
#
# It is inverted first, under its own prompt; which :doc:`inversion <inversions>` is a choice.

from innerlight.world import render, sample

scene = sample(9, categories=["castle"], setting="grass", style="photo")
drawn = render(scene, 128).picture
edited = prompt_to_prompt(model, *told, image=drawn, run=quiet)
viz.grid([drawn, edited.images[0]], ["given", told[1]])

# %%
# Cost
# ----
#
# Rows that go through the UNet, of five steps:

rows = []
hook = model.unet.register_forward_pre_hook(
    lambda unet, given: rows.append(len(given[0]))
)
innerlight.generate(model, told[0], steps=5, run=quiet)
plain, rows[:] = sum(rows), []
prompt_to_prompt(model, *told, steps=5, run=quiet)
hook.remove()
print(f"a picture {plain}, source and edit {sum(rows)}")

# %%
# Limits
# ------
#
# What keeps its place cannot move: another pose or another count is not for this method. A blend
# mask is as good as the maps of its words; a word that has no map of its own gives a bad one.
# Weighted maps do not sum to 1, as in the released code (`renormalise` makes them). The model that
# ships draws colours badly, so swapping a colour word does little here.
