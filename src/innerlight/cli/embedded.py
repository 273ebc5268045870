"""`innerlight embedded`: make the model that ships, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from innerlight.cli._shell import answer, progress

app = typer.Typer(help="The model that ships with the library: its recipe.", no_args_is_help=True)


@app.command()
def train(
    stage: Annotated[str, typer.Argument(help="data, tokenizer, towers, vae, unet or judge.")],
    folder: Annotated[Path, typer.Option(help="Where data, checkpoints, logs and samples are kept.")] = Path("runs"),
    minutes: Annotated[float | None, typer.Option(help="Stop after so long; run again to go on.", min=0)] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads of this stage.", min=1)] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
) -> None:
    """Train one stage of the recipe; killed at any moment and run again, it goes on where it was."""
    from innerlight.embedded.recipe import train_stage

    seconds = None if minutes is None else 60 * minutes
    done = train_stage(stage, folder, seconds=seconds, threads=threads, device=device, progress=progress(stage))
    answer(done, json, ", ".join(f"{name} {value}" for name, value in done.items()))


@app.command()
def score(
    evidence: Annotated[Path, typer.Option(help="Where the rows go.")] = Path("evidence/embedded.json"),
    folder: Annotated[Path, typer.Option(help="Where the stages were trained.")] = Path("runs"),
    scenes: Annotated[int, typer.Option(help="Scenes for each row.", min=8)] = 512,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
) -> None:
    """Measure what the trained stages get right on scenes they never saw; exits 1 if a row does not hold."""
    from innerlight.bench.embedded_scores import score as measure
    from innerlight.bench.evidence import table

    rows = measure(evidence, folder, scenes=scenes, progress=progress("measuring"))
    answer({"rows": [row.as_json() for row in rows]}, json, table(rows))
    raise typer.Exit(0 if all(row.holds for row in rows) else 1)
