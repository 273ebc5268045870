"""`innerlight bench`: measure what methods claim, and what the core costs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerlight.cli._model import Device, Json, Model, Pickle, Precision, Tokenizer, Variant, opened
from innerlight.cli._shell import answer, progress, refuse_unwritable
from innerlight.cli.scoring import score_methods, told
from innerlight.types import InputError

if TYPE_CHECKING:
    from innerlight.backbones import Backbone
    from innerlight.bench.evidence import Row

TABLES = {  # of each family's claims
    "reading": "core.json", "editing": "editing.json", "teaching": "teaching.json",
    "segmentation": "recognition.json", "correspondence": "recognition.json", "retrieval": "recognition.json",
}  # fmt: skip
BESIDE = ("core", "editing", "recognition", "teaching", "soak")
QUICK, LONG = 3, 40  # scenes of a claim at quick size; claims that ask for no more than so many take long for each


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help='Methods; left out, all. "core", "editing", "recognition", "teaching": what is measured there beside '
            'claims; "soak": kills, threads, a thousand runs, odd input; "geometry", alone or before methods: whether '
            "they run on networks of the published shapes."
        ),
    ] = None,
    scenes: Annotated[int | None, typer.Option(help="Of each claim; left out, as many as it asks for.", min=2)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Tables, raw scores, which a second run goes on from, and the page; left out, evidence, or "
            "build/quick at quick size.",
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            help="Three scenes of each claim, but for those that take minutes a scene; of the core, parities alone."
        ),
    ] = False,
    pictures: Annotated[bool, typer.Option(help="Show the best, the median and the worst scene on the page.")] = True,
    strict: Annotated[bool, typer.Option(help="Exit 1 if a row does not hold.")] = False,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Methods as they ship on a published data set instead; left out, all that its protocol scores. More "
            "to choose from: innerlight score."
        ),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Where the data set lies, as published.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the data set; left out, its own.")] = None,
    model: Model = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    json: Json = False,
) -> None:
    """Run the claims of methods on scoring scenes and write a page; killed and run again, it goes on where it was."""
    from innerlight.bench.evidence import table

    def model_asked() -> Backbone:
        return opened(model, device, dtype, tokenizer, variant=variant, pickle=pickle)

    if dataset is not None or root is not None:
        if dataset is None or root is None:
            raise InputError("a data set has a name and a place: expected --dataset and --root, got one of them")
        limit = scenes or (QUICK if quick else None)
        reports = score_methods(names or (), dataset, root, split, model_asked, output or Path("scored"), limit)
        answer({"reports": [told(one, limit) for one in reports]}, json, "\n\n".join(map(str, reports)))
        return
    folder = output or Path("build/quick" if quick else "evidence")
    refuse_unwritable(folder)
    asked = [name.replace("-", "_") for name in names or ()]
    first, *others = asked or [""]
    if first == "geometry":
        from innerlight.bench import geometry_scores

        rows = geometry_scores.score(folder / "geometry.json", folder / "scores", others, progress=progress("running"))
    elif alone := [name for name in asked if name in BESIDE]:
        if others:
            raise InputError(f"{alone[0]} is measured alone: innerlight bench {alone[0]}")
        rows = _beside(first, model_asked, folder, scenes, quick)
    else:
        rows = _claims(asked, model_asked, folder, scenes, quick, pictures)
    answer({"rows": [row.as_json() for row in rows]}, json, table(rows))
    raise typer.Exit(1 if strict and not all(row.holds for row in rows) else 0)


def _claims(
    asked: Sequence[str],
    model_asked: Callable[[], Backbone],
    folder: Path,
    scenes: int | None,
    quick: bool,
    pictures: bool,
) -> list[Row]:
    """The claims of methods (all, if none are asked for), and the page of all that the folder has."""
    from innerlight.bench.claims import run_claims
    from innerlight.bench.evidence import write_rows
    from innerlight.bench.page import write_page
    from innerlight.methods import get, names

    methods = [get(name) for name in asked or names()]  # all are there, before any is measured
    backbone = model_asked()
    scenes = scenes or (QUICK if quick else None)
    rows: list[Row] = []
    least = LONG if quick and not asked else 0
    for method in methods:
        found = run_claims(
            backbone,
            [method.name],
            scenes=scenes,
            least=least,
            folder=folder / "scores",
            progress=progress(method.name),
        )
        if found:
            write_rows(folder / TABLES[method.family], found)
        rows += found
    drawn = {row.id.partition(".")[0] for row in rows} if pictures else ()
    page = write_page(folder, backbone, drawn, progress("drawing"))
    print(f"Open {page.resolve()}", file=sys.stderr)
    return rows


def _beside(what: str, asked: Callable[[], Backbone], folder: Path, scenes: int | None, quick: bool) -> list[Row]:
    """What is measured beside the claims of methods."""
    table, shown = folder / f"{what}.json", progress("measuring")
    if what == "core":
        from innerlight.bench.core_scores import score
        from innerlight.cli import main

        return score(table, main, quick=quick, progress=shown)
    if what == "editing":
        from innerlight.bench import editing_scores

        return editing_scores.score(
            table, asked(), folder=folder / "scores", scenes=scenes, quick=quick, progress=shown
        )
    if what == "recognition":
        from innerlight.bench import recognition_scores

        return recognition_scores.score(table, asked(), scenes=scenes, quick=quick, progress=shown)
    if what == "soak":
        from innerlight.bench import soak
        from innerlight.cli import main

        return soak.score(table, asked(), main, quick=quick, progress=shown)
    from innerlight.bench import teaching_scores

    return teaching_scores.score(table, asked(), progress=shown)
