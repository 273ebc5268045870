"""
Teach: as a word, as a word with places, as weights
===================================================

A few pictures of a thing that no words describe, and from then on it can be said. What is learned
decides how much is kept, how large the file is, and what else changes.
"""

import innerlight
from innerlight import viz
from innerlight.backbones import WEIGHTS
from innerlight.files import read_pictures
from innerlight.sampling import Run
from innerlight.tuning.adapters import open_lora
from innerlight.tuning.words import open_word

model = innerlight.load()
quiet = Run(progress=False)
TAUGHT = WEIGHTS / "taught"  # ships with the library; docs/teach.py made it

shots = read_pictures(sorted(TAUGHT.glob("shot-*.png")))
viz.grid(shots, columns=5)

# %%
# Three ways, one thing
# ---------------------
#
# :doc:`Textual Inversion <textual_inversion>` learns one vector, :doc:`P+ <p_plus>` one for each
# place where the network reads words, :doc:`DreamBooth <dreambooth>` weights, here as a LoRA. Each
# row is one of them, each column has one noise.

word = open_word(TAUGHT / "textual_inversion.safetensors", model)
places = open_word(TAUGHT / "p_plus.safetensors", model)
rows = {
    "not taught": (model, "balloon"),
    "one vector": (model.knowing(word), word.name),
    "one a place": (model.knowing(places), places.name),
    "weights": (open_lora(TAUGHT / "lora", model), "sks balloon"),
}
drawn = [
    innerlight.generate(
        knowing,
        [f"a {name}", f"a {name} on the grass", f"a {name} in the snow"],
        seed=[1, 2, 3],
        run=quiet,
    ).images
    for knowing, name in rows.values()
]
viz.grid([image for images in drawn for image in images], row_heads=list(rows))

# %%
# What it takes
# -------------
#
# Numbers that are learned, and what the file weighs. Files are those of diffusers:
# `load_textual_inversion` and `load_lora_weights` open the first and the last.

numbers = {
    name: sum(vector.numel() for vector in one.vectors)
    for name, one in {"one vector": word, "one a place": places}.items()
}
lora = sum(path.stat().st_size for path in (TAUGHT / "lora").glob("*.safetensors"))
print(numbers, "LoRA:", lora // 1024, "KiB")

# %%
# Once taught, a thing is a word for everything else: in an edit, as what
# :doc:`DAAM <daam>` maps and :doc:`PDM <pdm>` looks for, and on the command line by `--learned`.
# How often a thing is kept, and what else changes, stands in :doc:`Evidence </evidence>` where it
# was measured.
