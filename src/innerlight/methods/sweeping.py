"""One or two settings of an edit through several values: a grid of pictures with captions and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

from innerlight import viz
from innerlight.backbones import Backbone
from innerlight.methods._registry import of_config
from innerlight.metrics import psnr
from innerlight.sampling.editing import Edited, edit
from innerlight.types import InputError

ARGUMENTS = ("steps", "guidance", "seed", "inversion", "negative")

Scores = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Sweep:
    """What each choice of values gave, in the order of the grid: row by row."""

    choices: list[dict[str, Any]]
    results: list[Edited]
    scores: list[Scores]
    picture: Image.Image


def kept(result: Edited) -> Scores:
    """How near the first picture stayed to its source, in dB."""
    before, after = (np.asarray(images[0].convert("RGB")) for images in (result.sources, result.images))
    return {"kept, dB": float(psnr(before, after))}


def sweep(
    backbone: Backbone,
    source: str,
    target: str,
    config: Any,
    over: Mapping[str, Sequence[Any]],
    *,
    score: Callable[[Edited], Scores] = kept,
    **arguments: Any,
) -> Sweep:
    """An edit for each combination of the values of one or two settings in `over`: fields of `config`, or steps,
    guidance, seed, inversion, negative. The first of two goes down, the second across.
    """
    known = {field.name for field in fields(config)}
    wrong = [name for name in over if name not in known and name not in ARGUMENTS]
    if wrong or not 1 <= len(over) <= 2 or not all(len(values) for values in over.values()):
        raise InputError(
            f"over: expected one or two of {', '.join([*sorted(known), *ARGUMENTS])}, with values; "
            f"got {', '.join(over) or 'none'}"
        )
    choices = [dict(zip(over, values, strict=True)) for values in product(*over.values())]
    part = of_config(config).part
    parts = [  # of all choices, so that a wrong value is refused before the first edit
        part(replace(config, **{name: value for name, value in choice.items() if name in known})) for choice in choices
    ]
    results = []
    for one, choice in zip(parts, choices, strict=True):
        given = arguments | {name: value for name, value in choice.items() if name not in known}
        results.append(edit(backbone, source, target, [one], **given))
    scores = [score(result) for result in results]
    return Sweep(choices, results, scores, _grid(over, choices, results, scores))


def _grid(
    over: Mapping[str, Sequence[Any]],
    choices: Sequence[dict[str, Any]],
    results: Sequence[Edited],
    scores: Sequence[Scores],
) -> Image.Image:
    """The source, then each result with what was chosen and how it scored."""
    captions = [
        "\n".join([", ".join(f"{k} {v}" for k, v in choice.items()), *(f"{k} {v:.2f}" for k, v in score.items())])
        for choice, score in zip(choices, scores, strict=True)
    ]
    columns = len(list(over.values())[-1])
    pictures = [result.images[0] for result in results]
    title = " -> ".join([results[0].recipe["sources"][0] or "the picture", results[0].recipe["prompts"][0]])
    return viz.grid(pictures, captions, columns, title)
