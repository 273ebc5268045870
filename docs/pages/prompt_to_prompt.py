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
viz.grid([edited.sources[0], edited.images[0], free.images[0]], [source, target, "without it"])

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
# and what was added is free (`align` says which by name). `weights` multiplies the attention of a
# word, here of one that both prompts have.
