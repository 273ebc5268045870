"""The options that every command has which opens a model, and how it is opened."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerlight.types import InputError

if TYPE_CHECKING:
    from innerlight.backbones import Backbone, Size

Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Hub id, folder, .safetensors file, or pocket-2; left out, pocket."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]
Precision = Annotated[str | None, typer.Option("--dtype", help="float32, float16, bfloat16; left out, float32.")]
Tokenizer = Annotated[Path | None, typer.Option(help="Folder of a tokenizer, for single files.")]
Variant = Annotated[
    str | None,
    typer.Option(help="fp16, say, of a folder or hub id; sd21 or sd21-base of a file of Stable Diffusion 2."),
]
Pickle = Annotated[bool, typer.Option("--pickle", help="Open pickled weights, such as .ckpt, too.")]
Learned = Annotated[
    list[Path] | None,
    typer.Option(help="The file of a learned word that prompts may hold, or of a LoRA, or its folder; several times."),
]
Seed = Annotated[int, typer.Option(help="Picture k has this plus k.", min=0)]
Steps = Annotated[int | None, typer.Option(help="Left out: the model's own.")]
Guidance = Annotated[float | None, typer.Option(help="Weight of the prompt; left out: the model's own.")]
SizeText = Annotated[str | None, typer.Option("--size", help="Pixels: 512, or height x width as 384x512.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")]


def opened(
    model: str | None,
    device: str,
    dtype: str | None,
    tokenizer: Path | None,
    learned: Sequence[Path] | None = None,
    *,
    variant: str | None,
    pickle: bool,
) -> Backbone:
    """The model that the options name, which knows what was learned."""
    from innerlight.backbones import load

    backbone = load(model, device=device, dtype=dtype, tokenizer=tokenizer, variant=variant, pickle=pickle)
    for path in learned or ():
        backbone = _knowing(backbone, path)
    return backbone


def _knowing(backbone: Backbone, path: Path) -> Backbone:
    """A model with the word or the LoRA in a file; one that was learned on another model is tried, and said to be."""
    from innerlight.tuning.adapters import is_lora, open_lora, read_lora
    from innerlight.tuning.words import open_word, read_word

    lora = is_lora(path)
    base = (read_lora(path)[1] if lora else read_word(path).about).get("base")
    other = bool(base) and base not in (backbone.hash, backbone.beneath)
    if other:
        print(f"innerlight: {path} was learned on another model and may mean something else here", file=sys.stderr)
    if lora:
        return open_lora(path, backbone, other_base=other)
    return backbone.knowing(open_word(path, backbone, other_base=other))


def sides(text: str | None) -> Size | None:
    """`512` or `384x512` as (rows, columns)."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})(?:\s*[xX]\s*(\d{1,5}))?", text.strip(), re.ASCII)
    if not found:
        raise InputError(f"--size: expected a number or height x width as 384x512, got {text!r}")
    return int(found[1]), int(found[2] or found[1])
