"""`innerlight embedded`: make the model that ships, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from innerlight.cli._shell import answer, progress, refuse_unwritable

app = typer.Typer(help="The model that ships with the library: its recipe.", no_args_is_help=True)


@app.command()
def train(
    stage: Annotated[
        str,
        typer.Argument(
            help="data, base (to go on from the latest that ships), tokenizer, towers, binding, vae, unet, judge or "
            "calibration."
        ),
    ],
    folder: Annotated[Path, typer.Option(help="Where data, checkpoints, logs and samples are kept.")] = Path("runs"),
    minutes: Annotated[float | None, typer.Option(help="Stop after so long; run again to go on.", min=0)] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads of this stage.", min=1)] = None,
    workers: Annotated[
        int,
        typer.Option(help="Processes that train together, each with --threads.", min=1),
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
) -> None:
    """Train one stage of the recipe; killed at any moment and run again, it goes on where it was."""
    from innerlight.embedded.recipe import train_stage

    seconds = None if minutes is None else 60 * minutes
    done = train_stage(
        stage, folder, seconds=seconds, threads=threads, device=device, workers=workers, progress=progress(stage)
    )  # fmt: skip
    answer(done, json, ", ".join(f"{name} {value}" for name, value in done.items()))


@app.command()
def fit(
    keys: Annotated[list[str] | None, typer.Argument(help="Settings, such as dift_timestep; left out, all.")] = None,
    model: Annotated[str, typer.Option(help="One of the models that ship.")] = "pocket",
    folder: Annotated[Path, typer.Option(help="Raw scores are kept in its folder fit.")] = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
) -> None:
    """Fit the settings of methods that belong to a model that ships, and write them into its calibration; killed
    and run again, it goes on where it was.
    """
    from innerlight.backbones import WEIGHTS, load
    from innerlight.backbones.loading import SHIPPED
    from innerlight.bench.fitting import fit as found
    from innerlight.files import read_json, write_json
    from innerlight.types import NotFoundError

    place = WEIGHTS / model / "calibration.json"
    if not place.is_file():
        raise NotFoundError(f"there is no {place}; expected one of the models that ship: {', '.join(SHIPPED)}")
    fitted = found(load(model), keys or (), folder=folder / "fit", progress=progress("fitting"))
    there: Any = read_json(place)
    write_json({**there, **fitted, "fitted": {**there.get("fitted", {}), **fitted["fitted"]}}, place)
    told = {key: value for key, value in fitted.items() if key != "fitted"}
    answer(fitted, json, ", ".join(f"{key} {value:g}" for key, value in told.items()))


@app.command()
def pack(
    folder: Annotated[Path, typer.Option(help="Where the stages were trained.")] = Path("runs"),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The folder; else pocket's own, but for what went on from another model."),
    ] = None,
    evidence: Annotated[Path, typer.Option(help="Rows for the model card.")] = Path("evidence/embedded.json"),
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
) -> None:
    """Write the trained model as a folder that diffusers opens, with its calibration and its model card."""
    from innerlight.backbones import WEIGHTS
    from innerlight.bench.evidence import hardware, read_rows
    from innerlight.embedded.packing import BASE, write_card
    from innerlight.embedded.packing import pack as write
    from innerlight.types import InputError

    if output is None and (folder / BASE).exists():
        raise InputError(f"{folder} went on from a packed model; say where the new one belongs: --output FOLDER")
    target = output or WEIGHTS / "pocket"
    write(folder, target, hardware())
    write_card(target, read_rows(evidence) if evidence.exists() else [])
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    answer({"folder": str(target), "bytes": size}, json, f"{target}: {size / 1e6:.1f} MB")


@app.command()
def score(
    evidence: Annotated[
        Path | None,
        typer.Option(help="Where the rows go; left out, evidence/embedded.json, or evidence/MODEL/embedded.json."),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the stages were trained.")] = Path("runs"),
    model: Annotated[
        str | None,
        typer.Option(help="Measure this model alone, by the latest judge; pocket-2, or a folder of embedded pack."),
    ] = None,
    scenes: Annotated[int, typer.Option(help="Scenes for each row.", min=8)] = 512,
    strict: Annotated[bool, typer.Option(help="Exit 1 if a row does not hold.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
) -> None:
    """Measure on scenes they never saw what VAE, judge and towers get right, those trained in the folder, else those
    that ship; and what the model that ships does.
    """
    if evidence is None:
        evidence = Path("evidence") / ("" if model is None else Path(model).name) / "embedded.json"
    refuse_unwritable(evidence, "file")
    from innerlight.backbones import load
    from innerlight.bench import embedded_scores
    from innerlight.bench.evidence import table

    told = progress("measuring")
    if model is None:
        rows = embedded_scores.score(evidence, folder, scenes=scenes, progress=told)
    else:
        rows = embedded_scores.score_model(load(model), evidence, scenes=scenes, progress=told)
    answer({"rows": [row.as_json() for row in rows]}, json, table(rows))
    raise typer.Exit(1 if strict and not all(row.holds for row in rows) else 0)
