"""The command line: a thin shell. A command's code is imported when that command is run, torch never before."""

from __future__ import annotations

import sys

import typer

from innerlight import __version__
from innerlight.cli import bench, demo, embedded, evidence, indexing, models, scoring, world
from innerlight.cli._methods import MethodGroup
from innerlight.types import CancelledError, InnerlightError

app = typer.Typer(
    name="innerlight",
    cls=MethodGroup,
    help="Read, steer, teach and recognise with the representations inside text-to-image diffusion models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(world.app, name="world")
app.add_typer(embedded.app, name="embedded")
app.command("inspect")(models.inspect)
app.command("generate")(models.generate)
app.command("invert")(models.invert)
app.command("rerun")(models.rerun)
app.command("index")(indexing.index)
app.command("find")(indexing.find)
app.command("score")(scoring.score)
app.command("methods")(models.methods)
app.command("bench")(bench.run)
app.command("evidence")(evidence.show)
app.command("demo")(demo.write)

BAD_INPUT = 2  # exit code; usage errors have it too
INTERRUPTED = 130


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"innerlight {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line; an error of ours, or of memory, is one line on stderr and an exit code."""
    try:
        app()
    except InnerlightError as error:
        print(f"innerlight: {error}", file=sys.stderr)
        sys.exit(INTERRUPTED if isinstance(error, CancelledError) else BAD_INPUT)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate" not in str(error):  # as torch says it, of any device
            raise
        told = str(error).partition("\n")[0]
        print(f"innerlight: out of memory ({told}); ask for a smaller --size, or for less at once", file=sys.stderr)
        sys.exit(BAD_INPUT)
