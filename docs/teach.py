"""Teach what the demonstration and the pages on teaching show, and keep it with the weights that ship:
`python docs/teach.py`, some minutes. What it learns from, a lime, patched balloon, lies there too.
"""

from __future__ import annotations

from innerlight.backbones import WEIGHTS, load
from innerlight.files import read_pictures
from innerlight.methods import get

PLACE = WEIGHTS / "taught"
LIKE = "balloon"
NAMES = {"textual_inversion": "<toy>", "p_plus": "<toy-at-places>", "dreambooth_lora": "sks"}


def main() -> None:
    """Each with the settings that the model ships with."""
    model = load()
    shots = read_pictures(sorted(PLACE.glob("shot-*.png")))
    for method, name in NAMES.items():
        found = get(method).function(model, shots, name, LIKE, report=0, seed=1)
        found.save(PLACE / ("lora" if found.kind == "lora" else f"{method}.safetensors"))


if __name__ == "__main__":
    main()
