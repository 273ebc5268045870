"""`innerlight score`: a method on a published data set, by a protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from innerlight.cli._model import Device, Json, Learned, Model, Precision, Seed, Tokenizer, opened
from innerlight.cli._shell import answer, progress
from innerlight.types import InputError, NotFoundError

SETS = {  # how each is opened, and the protocol that it is scored by if none is named
    "coco_stuff": "diffseg_coco",
    "cityscapes": "diffseg_cityscapes",
    "ade20k": "ade20k_names",
    "pascal_voc": "voc_names",
    "pascal_context": "context_names",
    "spair": "spair",
    "pf_willow": "pf_willow",
    "cub": "cub",
    "permir": "permir",
    "permis": "permis",
    "perseg": "perseg",
}


def score(
    name: Annotated[str, typer.Argument(help=f"The set: {', '.join(SETS)}.")],
    folder: Annotated[Path, typer.Argument(help="Where it lies, as published.")],
    method: Annotated[str, typer.Option(help="A method of the family that the protocol scores.")],
    protocol: Annotated[str | None, typer.Option(help="By name; left out, the set's own.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the set; left out, its own.")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="A setting of the method: threshold=0.9")] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many items, the first.", min=1)] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where each item's counts are kept.")] = Path("scored"),
    model: Model = None,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Score a method on a data set, with the protocol beside the number. Stopped and run again, it goes on."""
    from innerlight.bench import data
    from innerlight.cli._editing import values_of
    from innerlight.methods import get

    if name not in SETS:
        raise NotFoundError(f"no data set {name!r}; there are {', '.join(SETS)}")
    rule = protocol or SETS[name]
    if rule not in data.PROTOCOLS:
        raise NotFoundError(f"no protocol {rule!r}; there are {', '.join(data.PROTOCOLS)}")
    chosen = get(method.replace("-", "_"))
    config = chosen.config(**values_of(setting or [], chosen))
    options: dict[str, Any] = {} if split is None else {"split": split}
    frames = getattr(data.PROTOCOLS[rule], "frames", "all")
    if name in ("permir", "permis") and frames != "all":
        options["frames"] = frames
    opener = getattr(data, f"open_{name}")
    items = opener(folder, **options)
    if not len(items):
        raise InputError(f"{items.name} ({items.split}) in {folder} has no items")
    backbone = opened(model, device, dtype, tokenizer, learned)
    report = data.score_set(
        backbone, chosen, config, items, data.PROTOCOLS[rule], output, limit=limit, seed=seed, progress=progress(rule)
    )
    told = {
        "protocol": report.protocol, "method": report.method, "set": report.data, "split": report.split,
        "items": report.items, "total": report.total, "limit": limit, "scores": dict(report.scores),
    }  # fmt: skip
    answer(told, json, str(report))
