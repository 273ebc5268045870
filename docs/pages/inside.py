"""
Look inside a model
===================

A model is opened with one line. Nothing named, it is the small one that ships with the library; a
folder, a hub id, a single `.safetensors` file or a pipeline opens the same way.
"""

import innerlight
from innerlight import viz
from innerlight.sampling import Run

model = innerlight.load()
print(model.name, "draws", model.size, "with", model.prediction)

# %%
# Pictures from prompts. Each has a seed of its own, so it does not change with its neighbours.

made = innerlight.generate(
    model,
    ["a red car on the street", "a cat on the grass"],
    seed=3,
    run=Run(progress=False),
)
viz.grid(
    [viz.enlarge(image, 2) for image in made.images], ["a red car ...", "a cat ..."]
)

# %%
# Sites
# -----
#
# Every place where something can be read or replaced has a name that means the same on every
# model: branch, stride (latent cells per cell), number in the order of execution, kind. Methods
# ask for **roles**, because the site that knows what a thing is sits elsewhere in each network.

print(innerlight.atlas(model))

# %%
# Real models are larger, not different. Stable Diffusion XL, of which no weights are needed here:

huge = innerlight.blank("sdxl", "real", device="meta")
texts = huge.sites.select("*.text")
print(
    len(huge.sites), "sites,", len(texts), "text attentions, none at the finest level:"
)
print(sorted({(site.branch, site.stride) for site in texts}))

# %%
# Read
# ----
#
# A tap is a `with` block. What is read is reduced inside the pass, so a map of all heads never
# stands in memory; the picture is the same to the last bit. A row is one latent of a pass: with
# guidance each picture has two in every step, with its prompt ("cond") and without.

from innerlight import Read, tapped
from innerlight.taps import HeadMean

prompt = "a red car on the street"
maps = Read(
    "semantic.text", "probabilities", rows="cond", reduce=HeadMean(), keep="mean"
)
with tapped(model.sites, maps) as seen:
    again = innerlight.generate(model, prompt, seed=3, run=Run(progress=False))
print({site: tuple(values.shape) for site, values in seen[maps].items()})
print("same picture:", again.images[0].tobytes() == made.images[0].tobytes())

# %%
# One pass over a given picture is a `probe`: noised to a timestep, passed through, stopped behind
# the last site that is read.

from innerlight.world import render, sample

drawn = render(sample(7, categories=["dog"], setting="grass"), 128).picture
latents = model.encode([drawn])
feature = Read("match")
found = innerlight.probe(model, latents, 260, feature).values(feature)
print("feature at half the latent's side:", tuple(found.shape))

# %%
# Write
# -----
#
# A write replaces what is found in some rows. Here every word but "car" is shut out of the text
# attention of the conditional row, by a bias on the logits.

import torch

from innerlight import Write
from innerlight.prompts import tokens_of_word

tokens = model.embed(prompt).tokens[0][0]
kept = [0, *tokens_of_word(tokens, "car")]


def only_the_car(view):
    blocked = torch.full_like(view.own, -1e4)
    blocked[..., kept] = 0
    return view.own + blocked


write = Write("*.text", "logits", only_the_car, rows="cond", name="only the car")
with tapped(model.sites, write):
    other = innerlight.generate(model, prompt, seed=3, run=Run(progress=False))
viz.grid(
    [viz.enlarge(m.images[0], 2) for m in (again, other)], ["as it is", "one word only"]
)

# %%
# Back to the noise
# -----------------
#
# An inversion finds the noise that a picture would have come from, and says how well it comes back
# beside what the VAE alone keeps of it.

back = innerlight.invert(
    model,
    [drawn],
    "a dog on the grass",
    steps=25,
    refinements=2,
    run=Run(progress=False),
)
print(
    f"comes back at {back.psnr[0]:.1f} dB; the VAE alone keeps {back.floor[0]:.1f} dB"
)
