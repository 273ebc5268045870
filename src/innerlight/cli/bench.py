"""`innerlight bench`: measure what methods claim, and what the core costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerlight.cli._model import Device, Json, Model, Precision, Tokenizer, opened
from innerlight.cli._shell import answer, progress

if TYPE_CHECKING:
    from innerlight.backbones import Backbone
    from innerlight.bench.evidence import Row

RECOGNITION, GEOMETRY = Path("evidence/recognition.json"), Path("evidence/geometry.json")
TABLES = {  # of each family's claims
    "reading": Path("evidence/core.json"), "editing": Path("evidence/editing.json"),
    "teaching": Path("evidence/teaching.json"),
    "segmentation": RECOGNITION, "correspondence": RECOGNITION, "retrieval": RECOGNITION,
}  # fmt: skip
BESIDE = {
    "core": TABLES["reading"], "editing": TABLES["editing"], "recognition": RECOGNITION, "teaching": TABLES["teaching"]
}  # fmt: skip


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help='Methods; left out, all. "core", "editing", "recognition", "teaching": what is measured there beside '
            'claims; "geometry", alone or before methods: whether they run on networks of the published shapes.'
        ),
    ] = None,
    scenes: Annotated[int | None, typer.Option(help="Of each claim; left out, as many as it asks for.", min=2)] = None,
    output: Annotated[Path, typer.Option("--out", help="Raw scores, which a second run goes on from.")] = Path(
        "evidence/scores"
    ),
    evidence: Annotated[
        Path | None, typer.Option(help="The table that the rows go into; left out, that of their family.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Of the core: parities alone, no timings.")] = False,
    strict: Annotated[bool, typer.Option(help="Exit 1 if a row does not hold.")] = False,
    model: Model = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    json: Json = False,
) -> None:
    """Run the claims of methods on scoring scenes; killed and run again, it goes on where it was."""
    from innerlight.bench.evidence import table, write_rows

    def model_asked() -> Backbone:
        return opened(model, device, dtype, tokenizer)

    first, *others = names or [""]
    rows: list[Row] = []
    if first == "geometry":
        from innerlight.bench import geometry_scores

        rows = geometry_scores.score(evidence or GEOMETRY, output, others, progress=progress("running"))
    elif first in BESIDE and not others:
        rows = _beside(first, model_asked, evidence or BESIDE[first], output, scenes, quick)
    else:
        from innerlight.bench.claims import run_claims
        from innerlight.methods import get
        from innerlight.methods import names as known

        backbone = model_asked()
        for name in names or known():
            found = run_claims(backbone, [name], scenes=scenes, folder=output, progress=progress(name))
            write_rows(evidence or TABLES[get(name).family], found)
            rows += found
    answer({"rows": [row.as_json() for row in rows]}, json, table(rows))
    raise typer.Exit(1 if strict and not all(row.holds for row in rows) else 0)


def _beside(
    what: str, asked: Callable[[], Backbone], evidence: Path, output: Path, scenes: int | None, quick: bool
) -> list[Row]:
    """What is measured beside the claims of methods."""
    shown = progress("measuring")
    if what == "core":
        from innerlight.bench.core_scores import score
        from innerlight.cli import main

        return score(evidence, main, quick=quick, progress=shown)
    if what == "editing":
        from innerlight.bench import editing_scores

        return editing_scores.score(evidence, asked(), folder=output, scenes=scenes, quick=quick, progress=shown)
    if what == "recognition":
        from innerlight.bench import recognition_scores

        return recognition_scores.score(evidence, asked(), scenes=scenes, quick=quick, progress=shown)
    from innerlight.bench import teaching_scores

    return teaching_scores.score(evidence, asked(), progress=shown)
