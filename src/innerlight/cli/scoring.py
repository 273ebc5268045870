"""`innerlight score`: a method on a published data set, by a protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from innerlight.cli._model import Device, Json, Learned, Model, Pickle, Precision, Seed, Tokenizer, Variant, opened
from innerlight.cli._shell import answer, progress
from innerlight.types import InputError, NotFoundError

if TYPE_CHECKING:
    from innerlight.backbones import Backbone
    from innerlight.bench.data import DataSet, Protocol, Report

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
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Score a method on a data set, with the protocol beside the number. Stopped and run again, it goes on."""
    from innerlight.bench.data import score_set
    from innerlight.cli._editing import values_of
    from innerlight.methods import get

    rule = rule_of(name, protocol)
    chosen = get(method.replace("-", "_"))
    config = chosen.config(**values_of(setting or [], chosen))
    items = items_of(name, folder, rule, split)
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)
    report = score_set(
        backbone, chosen, config, items, rule, output, limit=limit, seed=seed, progress=progress(rule.name)
    )
    answer(told(report, limit), json, str(report))


def score_methods(
    names: Sequence[str],
    dataset: str,
    root: Path,
    split: str | None,
    asked: Callable[[], Backbone],
    output: Path,
    limit: int | None,
) -> list[Report]:
    """Methods (all that its own protocol scores, if none are named) as they ship, on a data set."""
    from innerlight.bench.data import score_set
    from innerlight.bench.data.scoring import FAMILIES, unfit
    from innerlight.methods import get
    from innerlight.methods import names as known

    rule = rule_of(dataset)
    chosen = [get(name.replace("-", "_")) for name in names]
    if reason := next(filter(None, (unfit(one, rule) for one in chosen)), ""):
        raise InputError(reason)
    chosen = chosen or [one for one in map(get, known(FAMILIES[type(rule)])) if not unfit(one, rule)]
    items = items_of(dataset, root, rule, split)
    backbone = asked()
    return [
        score_set(backbone, one, one.config(), items, rule, output, limit=limit, progress=progress(one.name))
        for one in chosen
    ]


def rule_of(dataset: str, protocol: str | None = None) -> Protocol:
    """A protocol by name, or the data set's own."""
    from innerlight.bench.data import PROTOCOLS

    if dataset not in SETS:
        raise NotFoundError(f"no data set {dataset!r}; there are {', '.join(SETS)}")
    rule = protocol or SETS[dataset]
    if rule not in PROTOCOLS:
        raise NotFoundError(f"no protocol {rule!r}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[rule]


def items_of(dataset: str, folder: Path, rule: Protocol, split: str | None = None) -> DataSet[Any]:
    """What a data set holds, in the frames that the protocol asks for."""
    from innerlight.bench import data

    options: dict[str, Any] = {} if split is None else {"split": split}
    frames = getattr(rule, "frames", "all")
    if dataset in ("permir", "permis") and frames != "all":
        options["frames"] = frames
    items = getattr(data, f"open_{dataset}")(folder, **options)
    if not len(items):
        raise InputError(f"{items.name} ({items.split}) in {folder} has no items")
    return items


def told(report: Report, limit: int | None) -> dict[str, Any]:
    """As an answer in JSON."""
    return {
        "protocol": report.protocol, "method": report.method, "set": report.data, "split": report.split,
        "items": report.items, "total": report.total, "limit": limit, "scores": dict(report.scores),
    }  # fmt: skip
