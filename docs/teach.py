"""Teach what the demonstration and the pages on teaching show, and keep it with the weights that ship:
`python docs/teach.py`, some minutes.
"""

from __future__ import annotations

from innerlight.backbones import WEIGHTS, load
from innerlight.embedded.concepts import concept, plain_names
from innerlight.methods import get

PLACE = WEIGHTS / "taught"
NUMBER = 60_001  # a balloon, lime and patched
NAMES = {"textual_inversion": "<toy>", "p_plus": "<toy-at-places>", "dreambooth_lora": "sks"}


def main() -> None:
    """Each with the settings that the model ships with."""
    model = load()
    shown = concept(NUMBER, model.size[0], plain_names(model))
    PLACE.mkdir(exist_ok=True)
    for number, shot in enumerate(shown.shots):
        shot.save(PLACE / f"shot-{number}.png")
    for method, name in NAMES.items():
        found = get(method).function(model, shown.shots, name, shown.like, report=0, seed=1)
        found.save(PLACE / ("lora" if found.kind == "lora" else f"{method}.safetensors"))


if __name__ == "__main__":
    main()
