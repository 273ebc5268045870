"""`innerlight index | find`: a folder of pictures extracted once, then searched for one thing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from innerlight.cli._model import (
    Device,
    Json,
    Learned,
    Model,
    Pickle,
    Precision,
    SizeText,
    Tokenizer,
    Variant,
    opened,
    sides,
)
from innerlight.cli._shell import answer, refuse_unwritable


def index(
    folder: Annotated[Path, typer.Argument(help="The pictures; folders in it are gone through, too.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the index.")] = Path("index"),
    timestep: Annotated[int, typer.Option(help="The label of the pass that is read, of 1000.")] = 1,
    site: Annotated[int, typer.Option(help="Which self-attention of the finest level.")] = 1,
    side: Annotated[int, typer.Option(help="Patches along the shorter side that are kept, at most.", min=1)] = 16,
    model: Model = None,
    size: SizeText = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Extract what `find` needs of every picture. May be stopped at any moment; the same line goes on, takes changed
    pictures in anew and drops those that are gone.
    """
    from innerlight.methods.indexing import IndexConfig
    from innerlight.methods.indexing import index as take_in

    refuse_unwritable(output)
    shape = sides(size)
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)
    made = take_in(backbone, folder, output, IndexConfig(timestep, site, side), size=shape)
    _tell_left_out(made.failed)
    result = {
        "index": str(output), "added": made.added, "total": made.total, "failed": dict(made.failed), "gone": made.gone,
    }  # fmt: skip
    gone = f"; {len(made.gone)} gone: {', '.join(made.gone)}" if made.gone else ""
    answer(result, json, f"{output}: {made.total} pictures, {made.added} of them new{gone}")


def find(
    reference: Annotated[Path, typer.Argument(help="The picture that shows the thing.")],
    store: Annotated[Path, typer.Option("--index", "-i", help="The folder that innerlight index wrote.")] = Path(
        "index"
    ),
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for ranking, sheet and masks.")] = Path(
        "found"
    ),
    mask: Annotated[Path | None, typer.Option(help="The thing in the reference, as a mask picture.")] = None,
    word: Annotated[str | None, typer.Option(help="The word that names it.")] = None,
    count: Annotated[int, typer.Option(help="Pictures to show.", min=1, max=100)] = 24,
    approximate: Annotated[
        bool, typer.Option(help="Not every picture is looked at; needs innerlight[search].")
    ] = False,
    model: Model = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """The pictures of an index that show this very thing, and where."""
    from innerlight.cli._recognising import mask_of, write_ranking
    from innerlight.methods.indexing import find as look_for

    refuse_unwritable(output)
    shown = mask_of(mask)
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)
    made, names = look_for(backbone, reference, store, mask=shown, word=word, count=count, approximate=approximate)
    _tell_left_out(made.recipe["left_out"])
    write_ranking(made, names, output, json)


def _tell_left_out(pictures: Mapping[str, str]) -> None:
    for name, reason in pictures.items():
        line = f"innerlight: left out {name}: {reason}".encode("utf-8", "surrogateescape")
        print(line.decode("utf-8", "backslashreplace"), file=sys.stderr)  # names of files need not be text
