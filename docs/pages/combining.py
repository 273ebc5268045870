"""
Several methods, again, and through their settings
==================================================

Each editing method stands alone, and each is also a part that can be put beside others in one run.
What made a picture travels with it, and can be done again.
"""

import innerlight
from innerlight import viz
from innerlight.methods.editing.masactrl import MasaCtrlConfig
from innerlight.methods.editing.plug_and_play import PlugAndPlayConfig
from innerlight.methods.editing.prompt_to_prompt import PromptToPromptConfig
from innerlight.sampling import Run

model = innerlight.load()
quiet = Run(progress=False)

# %%
# Together
# --------
#
# `combine` takes the settings of as many methods as wanted; a method is known by its settings.
# Here words look where the source's words do (Prompt-to-Prompt), and a feature of the decoder and
# the looks of its cells are the source's (Plug-and-Play). The seeds of this page were chosen.

source, target = "a horse on the grass", "a zebra on the grass"
words = PromptToPromptConfig(self_maps=0)
shapes = PlugAndPlayConfig()
alone = [
    innerlight.combine(model, source, target, [one], seed=4, run=quiet)
    for one in (words, shapes)
]
both = innerlight.combine(model, source, target, [words, shapes], seed=4, run=quiet)
viz.grid(
    [both.sources[0], *(one.images[0] for one in alone), both.images[0]],
    [source, "Prompt-to-Prompt", "Plug-and-Play", "both"],
    columns=4,
)

# %%
# What is refused
# ---------------
#
# Two methods that change the same thing at one place in one step would each undo the other, and
# the order in which they are named would decide. So they are refused, before the first step, by
# name, place and steps:

from innerlight.types import InputError

try:
    innerlight.combine(
        model, source, target, [PlugAndPlayConfig(), MasaCtrlConfig()], run=quiet
    )
except InputError as error:
    print(error)

# %%
# Windows that do not meet are no conflict.

free = innerlight.combine(
    model,
    source,
    target,
    [PlugAndPlayConfig(), MasaCtrlConfig(start=0.5)],
    seed=1,
    run=quiet,
)
viz.grid([free.sources[0], free.images[0]], [source, target])

# %%
# Of methods that put latents back after a step, such as DiffEdit and a local blend, there may be
# one:

from innerlight.methods.editing.diffedit import DiffEditConfig

blend = PromptToPromptConfig(blend=("horse", "zebra"))
try:
    innerlight.combine(
        model, source, target, [DiffEditConfig(), blend], steps=2, run=quiet
    )
except InputError as error:
    print(error)

# %%
# Again
# -----
#
# A result has a recipe; a picture that is written with it carries it. `rerun` makes it again, with
# the model that is named there.

from innerlight.files import write_picture

write_picture(both.images[0], "both.png", recipe=both.recipe)
again = innerlight.rerun("both.png", model)
print("same picture:", again.images[0].tobytes() == both.images[0].tobytes())
print(", ".join(both.recipe))

# %%
# A picture that was given is named by path and hash. One that was never a file must be passed
# again; another one is refused.

horse = both.sources[0]
edited = innerlight.combine(
    model, source, target, [words], image=horse, steps=2, run=quiet
)
try:
    innerlight.rerun(edited.recipe, model)
except InputError as error:
    print(error)
again = innerlight.rerun(edited.recipe, model, image=horse)
print("same picture:", again.images[0].tobytes() == edited.images[0].tobytes())

# %%
# Through their settings
# ----------------------
#
# `sweep` edits once for each value of one setting, or of two, and says for each how near the
# picture stayed to its source. Any function of a result can be the score.

swept = innerlight.sweep(
    model,
    source,
    target,
    PlugAndPlayConfig(),
    {"features": [0, 0.8], "self_maps": [0, 0.5]},
    seed=1,
    steps=10,
    run=quiet,
)
swept.picture

# %%
# What was refused above is refused there too. Methods that do not conflict need not agree either:
# nothing says that two of them give a better picture than one.
