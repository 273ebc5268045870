"""`innerlight evidence`: the tables of what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from innerlight.cli._shell import answer


def show(
    folder: Annotated[Path, typer.Argument(help="The folder of the tables; evidence/pocket-2, of that model.")] = Path(
        "evidence"
    ),
    strict: Annotated[bool, typer.Option(help="Exit 1 also for rows that honestly do not hold.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print the table of methods instead, as README has it.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
) -> None:
    """Print what was measured and whether it holds; exits 1 for missing, stale and contradictory rows."""
    from innerlight.backbones.loading import EMBEDDED, SHIPPED
    from innerlight.bench.claims import shipped_hash
    from innerlight.bench.evidence import faults, methods_table, read_folder, table
    from innerlight.bench.promised import PROMISED
    from innerlight.world.layout import fingerprint

    rows = read_folder(folder)
    if markdown:
        print(methods_table(rows))
        return
    model = folder.name if folder.name in SHIPPED else EMBEDDED
    promised = PROMISED if model == EMBEDDED else ()
    wrong = faults(rows, promised=promised, current={fingerprint(), shipped_hash(model)})
    result = {"rows": [row.as_json() for row in rows], "faults": wrong}
    answer(result, json, "\n".join([table(rows), *wrong]))
    raise typer.Exit(1 if wrong or (strict and not all(row.holds for row in rows)) else 0)
