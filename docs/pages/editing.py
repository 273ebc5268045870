"""
Edit: one change, four ways
===========================

An edit says what a picture shows and what it is to show. Each method keeps something else of the
source, which decides what it is good for; all are called alike.
"""

import innerlight
from innerlight import viz
from innerlight.methods import get, summaries
from innerlight.sampling import Run

model = innerlight.load()
quiet = Run(progress=False)

METHODS = ("prompt_to_prompt", "plug_and_play", "masactrl", "diffedit")
for name in METHODS:
    print(f"{name:17}", summaries()[name][1].partition("): ")[2])

# %%
# A drawn picture
# ---------------
#
# The same noise, the same two prompts. The new prompt alone comes first: nothing ties it to the
# source but the noise.

source, target = "a horse on the grass", "a zebra on the grass"
alone = innerlight.generate(model, target, seed=4, run=quiet)
made = {
    name: get(name).function(model, source, target, seed=4, run=quiet)
    for name in METHODS
}
viz.grid(
    [
        made["prompt_to_prompt"].sources[0],
        alone.images[0],
        *(one.images[0] for one in made.values()),
    ],
    [source, "the new prompt alone", *METHODS],
    columns=3,
)

# %%
# A given picture
# ---------------
#
# The same lines with `image`. A given picture is first brought back to noise
# (:doc:`Inversions <inversions>`); how well it comes back bounds what an edit can keep of it.

given = made["prompt_to_prompt"].sources[0]
again = {
    name: get(name).function(model, source, target, image=given, seed=4, run=quiet)
    for name in METHODS
}
viz.grid(
    [given, *(one.images[0] for one in again.values())],
    ["given", *METHODS],
    columns=5,
)

# %%
# Which one
# ---------
#
# Words exchanged, layout kept: Prompt-to-Prompt. Shapes kept, all else new: Plug-and-Play. Looks
# kept, pose and place new: MasaCtrl. What is around it put back, as well as the VAE can:
# DiffEdit. What each measures on the model that ships stands in :doc:`Evidence </evidence>`; on
# that model what keeps more mostly edits less often (MasaCtrl beside Prompt-to-Prompt does both
# better). Two of them in one run: :doc:`combining`.
