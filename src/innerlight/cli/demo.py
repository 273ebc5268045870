"""`innerlight demo`: a page of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from innerlight.cli._shell import answer, progress, refuse_unwritable


def write(
    folder: Annotated[Path, typer.Argument(help="Where the page goes.", metavar="OUT")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Which scenes are shown.", min=0)] = 7,
    only: Annotated[
        list[str] | None, typer.Option(help="A chapter alone, such as Draw or Recognise; can be given again.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
) -> None:
    """Show what the library has: write a page of pictures and say where it is."""
    refuse_unwritable(folder)
    from innerlight.bench.demo import write_demo

    page = write_demo(folder, seed, only or (), progress=progress("drawing"))
    answer({"page": str(page)}, json, f"Open {page.resolve()}")
