"""
Inversions: back to the noise
=============================

To edit a picture that is given, its noise must be found: that from which sampling arrives at the
picture. Without guidance DDIM run backwards (Song et al. 2021, arXiv:2010.02502) is enough. Under
guidance it is not, and three ways are meant to mend that.
"""

import innerlight
from innerlight import viz
from innerlight.sampling import Inversion, Run, reconstruct
from innerlight.world import render, sample

model = innerlight.load()
quiet = Run(progress=False)

scene = sample(9, categories=["castle"], setting="grass", style="photo")
drawn = render(scene, 128).picture
prompt = "a castle on the grass"


def inverted(method: str, **settings) -> Inversion:
    return innerlight.invert(
        model, drawn, prompt, method=method, steps=10, run=quiet, **settings
    )


# %%
# How well they come back
# -----------------------
#
# One picture, ten steps, always brought back under the model's own guidance. The floor is what the
# VAE alone keeps, in dB: nothing comes back better. **fixed_point** is ddim that asks each step
# again, at the latents just found. **negative_prompt** (Miyake et al. 2023, arXiv:2305.16807) puts
# the picture's prompt where no prompt stands, so that guidance has nothing to guide. **null_text**
# (Mokady et al. 2023, arXiv:2211.09794) optimises what stands there, step by step.
# **edit_friendly** (Huberman-Spiegelglas et al. 2024, arXiv:2304.06140) finds the noise that every
# step adds.

rows = []
hook = model.unet.register_forward_pre_hook(
    lambda unet, given: rows.append(len(given[0]))
)
weight = model.calibration["guidance"]
found = {}
print(f"{'':16}    dB  rows through the UNet")
for method in ("ddim", "fixed_point", "negative_prompt", "null_text", "edit_friendly"):
    rows.clear()
    found[method] = one = inverted(method, guidance=weight)
    print(f"{method:16} {one.psnr[0]:5.1f}  {sum(rows):5}")
hook.remove()
print(f"{'the floor':16} {one.floor[0]:5.1f}")

# %%
# Rows are counted forward; null_text goes backward through most of its own as well. Of the steps
# edit_friendly leaves out the first 0.36, unless `skip` says otherwise, and it is measured under
# 3.5 unless `guidance` is named. Left to themselves ddim and fixed_point go without guidance:

for method in ("ddim", "fixed_point"):
    print(f"{method:16} {inverted(method).psnr[0]:5.1f}")

# %%

shown = ("ddim", "negative_prompt", "edit_friendly")
images = [model.decode(reconstruct(model, found[name], run=quiet))[0] for name in shown]
viz.grid([drawn, *images], ["given", *shown], columns=4)

# %%
# Within a budget
# ---------------
#
# **auto** tries them from the plainest to the dearest, as far as the budget pays, until one is
# close to the floor; a budget is in rows for each picture. Too small a one is refused.

from innerlight.types import InputError

best = inverted("auto", budget=100)
print(f"{best.method} at {best.psnr[0]:.1f} dB")
try:
    inverted("auto", budget=10)
except InputError as error:
    print(error)

# %%
# In an edit
# ----------
#
# `inversion` is the name of a way or an inversion that was found before, which serves for many
# edits and can be kept in a file. Without it, pictures whose words an edit looks at are inverted by
# negative_prompt (by ddim, where a negative prompt is given: both want the same place), others by
# ddim without a prompt.

from innerlight.methods.editing.prompt_to_prompt import prompt_to_prompt

best.save("found.safetensors")
kept = Inversion.load("found.safetensors")
target = "a castle on the sand"
others = [found["negative_prompt"], kept]
edits = [
    prompt_to_prompt(model, prompt, target, inversion=one, run=quiet) for one in others
]
viz.grid(
    [drawn, *(edit.images[0] for edit in edits)],
    [prompt, *(f"{target}\n{one.method}" for one in others)],
    columns=3,
)

# %%
# An inversion belongs to its model and its number of steps; with another it is refused.

try:
    prompt_to_prompt(model, prompt, target, inversion=kept, steps=25, run=quiet)
except InputError as error:
    print(error)

# %%
# Limits
# ------
#
# To come back well is not to be easily edited: what came back best above resisted the new
# prompt most. And none of them is better than the VAE, which here loses fine detail.
