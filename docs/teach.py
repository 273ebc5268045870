"""Teach what the demonstration and the pages on teaching show, and keep it with the weights that ship:
`python docs/teach.py`, some minutes. It is learned from five pictures of a lime, patched balloon, kept there too.
"""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from innerlight.backbones import WEIGHTS, load
from innerlight.methods import get
from innerlight.world import individual, render, sample

PLACE = WEIGHTS / "taught"
LIKE, COLOUR = "balloon", "lime"
DRAWS = "concept/60001"  # a seed of the world
NAMES = {"textual_inversion": "<toy>", "p_plus": "<toy-at-places>", "dreambooth_lora": "sks"}


def shots() -> list[Image.Image]:
    """Pictures of one balloon, of a colour that no word names."""
    look = replace(individual(DRAWS, LIKE), colour=COLOUR)
    return [Image.fromarray(render(sample(f"{DRAWS}/{number}", looks=[look]), 128).picture) for number in range(5)]


def main() -> None:
    """Each with the settings that the model ships with."""
    model, pictures = load(), shots()
    PLACE.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        picture.save(PLACE / f"shot-{number}.png")
    for method, name in NAMES.items():
        found = get(method).function(model, pictures, name, LIKE, report=0, seed=1)
        found.save(PLACE / ("lora" if found.kind == "lora" else f"{method}.safetensors"))


if __name__ == "__main__":
    main()
