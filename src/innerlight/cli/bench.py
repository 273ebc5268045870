"""`innerlight bench`: measure what methods claim, and what the core costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from innerlight.cli._model import Device, Json, Model, Precision, Tokenizer, opened
from innerlight.cli._shell import answer, progress


def run(
    names: Annotated[list[str] | None, typer.Argument(help='Methods; left out, all. "core": the core.')] = None,
    scenes: Annotated[int | None, typer.Option(help="Of each claim; left out, as many as it asks for.", min=2)] = None,
    output: Annotated[Path, typer.Option("--out", help="Raw scores, which a second run goes on from.")] = Path(
        "runs/bench"
    ),
    evidence: Annotated[Path, typer.Option(help="The table that the rows go into.")] = Path("evidence/core.json"),
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

    rows = []
    if names == ["core"]:
        from innerlight.bench.core_scores import score
        from innerlight.cli import main

        rows = score(evidence, main, quick=quick, progress=progress("measuring"))
    else:
        from innerlight.bench.claims import run_claims

        backbone = opened(model, device, dtype, tokenizer)
        rows = run_claims(backbone, names, scenes=scenes, folder=output, progress=progress("scoring"))
        write_rows(evidence, rows)
    answer({"rows": [row.as_json() for row in rows]}, json, table(rows))
    raise typer.Exit(1 if strict and not all(row.holds for row in rows) else 0)
