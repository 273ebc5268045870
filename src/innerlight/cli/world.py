"""`innerlight world`: draw scenes, write data sets of them, measure what the world promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from innerlight.cli._shell import answer, progress, refuse_unwritable
from innerlight.types import InputError

app = typer.Typer(help="Procedural scenes whose truth is known.", invoke_without_command=True)

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")]
Seed = Annotated[int, typer.Option(help="The first scene's number.", min=0)]


@app.callback()
def sheet(
    context: typer.Context,
    seed: Seed = 7,
    count: Annotated[int, typer.Option(help="How many scenes.", min=1, max=400)] = 16,
    size: Annotated[str, typer.Option(help="Pixels of a scene: 256, or height x width as 192x320.")] = "256",
    columns: Annotated[int | None, typer.Option(help="Scenes in a row.", min=1)] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture to write.")] = Path("world.png"),
    json: Json = False,
) -> None:
    """Draw a contact sheet of scenes with their captions."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    from innerlight.bench.world_pages import contact_sheet
    from innerlight.files import write_picture

    recipe = {"command": "world", "seed": seed, "count": count, "size": size}
    write_picture(contact_sheet(range(seed, seed + count), _sides(size), columns), output, recipe=recipe)
    answer({"output": str(output), "scenes": count}, json, f"{count} scenes: {output}")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the data set goes.", metavar="OUT")],
    format: Annotated[str, typer.Option(help="coco, voc or spair.")] = "coco",
    count: Annotated[int, typer.Option(help="Pictures; for spair, pairs.")] = 1000,
    seed: Seed = 0,
    size: Annotated[str, typer.Option(help="Pixels: 128, or height x width as 96x160.")] = "128",
    json: Json = False,
) -> None:
    """Write a data set in the layout that a format's own tools read; run again, it goes on where it stopped."""
    from innerlight.world import export as write

    height, width = _sides(size)
    done = write(folder, format, count, seed=seed, height=height, width=width, progress=progress("drawing"))
    result = {"folder": str(done.folder), "entries": done.entries, "drawn": done.drawn, "format": format}
    answer(result, json, f"{done.entries} entries in {done.folder} ({done.drawn} drawn now)")


@app.command()
def quiz(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.", metavar="OUT")],
    count: Annotated[int, typer.Option(help="How many pictures.", min=1)] = 60,
    seed: Seed = 100_000,
    json: Json = False,
) -> None:
    """Write uncaptioned pictures of one thing each, for somebody to name; `score --answers` marks the answers."""
    from innerlight.bench.world_scores import write_quiz

    names = write_quiz(folder, count, seed)
    answer({"folder": str(folder), "pictures": names}, json, f"{count} pictures in {folder}; name the thing in each")


@app.command()
def score(
    evidence: Annotated[Path, typer.Option(help="Where the rows go.")] = Path("evidence/world.json"),
    answers: Annotated[
        Path | None, typer.Option(help='The quiz, answered: {"seed": 100000, "who": "...", "answers": ["cat", ...]}.')
    ] = None,
    scenes: Annotated[int, typer.Option(help="Scenes for the measured rows.", min=8)] = 200,
    strict: Annotated[bool, typer.Option(help="Exit 1 if a row does not hold.")] = False,
    json: Json = False,
) -> None:
    """Measure the rows of evidence that the world must show."""
    refuse_unwritable(evidence, "file")
    from innerlight.bench.evidence import table
    from innerlight.bench.world_scores import score as measure

    rows = measure(evidence, answers=answers, scenes=scenes, progress=progress("measuring"))
    answer({"rows": [row.as_json() for row in rows]}, json, table(rows))
    raise typer.Exit(1 if strict and not all(row.holds for row in rows) else 0)


def _sides(text: str) -> tuple[int, int]:
    """Height and width of "128" or "96x160"."""
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.lower().replace(" ", ""), re.ASCII)
    if found is None:
        raise InputError(f"size: expected pixels as 128 or height x width as 96x160, got {text!r}")
    return int(found[1]), int(found[2] or found[1])


def _refuse_options_before(context: typer.Context) -> None:
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        raise InputError(
            f"--{given[0]} stands before {context.invoked_subcommand!r} and would be lost; write it behind the command"
        )
