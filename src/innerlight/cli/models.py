"""`innerlight inspect | generate | invert | methods`: open a model, look at it, draw, and go back to the noise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from innerlight.cli._model import (
    Device,
    Guidance,
    Json,
    Learned,
    Model,
    Pickle,
    Precision,
    Seed,
    SizeText,
    Steps,
    Tokenizer,
    Variant,
    opened,
    sides,
)
from innerlight.cli._shell import answer, refuse_unwritable
from innerlight.types import InputError

if TYPE_CHECKING:
    from innerlight.backbones import Backbone


def inspect(
    model: Annotated[str | None, typer.Argument(help="As for --model; left out, the model that ships.")] = None,
    blank: Annotated[str | None, typer.Option(help="sd15, sd21 or sdxl: a family's shape, without weights.")] = None,
    device: Device = "cpu",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    json: Json = False,
) -> None:
    """What a model is, and every site where it can be read or written."""
    if blank is not None:
        from innerlight.backbones import blank as shape

        backbone = shape(blank, "real", device="meta")
    else:
        backbone = opened(model, device, dtype, tokenizer, variant=variant, pickle=pickle)
    facts = {
        "name": backbone.name,
        "family": backbone.family,
        "size": list(backbone.size),
        "latent": list(backbone.sites.latent),
        "prediction": backbone.prediction,
        "hash": backbone.hash,
        "calibration": {key: value for key, value in backbone.calibration.items() if key != "vocabulary"},
    }
    sites = [_site(site, backbone) for site in backbone.sites.values()]
    lines = [f"{key}: {value}" for key, value in facts.items()]
    answer({**facts, "sites": sites}, json, "\n".join([*lines, "", str(backbone.sites)]))


def generate(
    prompts: Annotated[list[str], typer.Argument(help="One picture each.", metavar="PROMPT...")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A picture, or a folder for several.")] = Path("drawn"),
    source: Annotated[Path | None, typer.Option("--from", help="A picture to start from.")] = None,
    strength: Annotated[float, typer.Option(help="How far --from is noised, 0 to 1.")] = 0.8,
    negative: Annotated[str | None, typer.Option(help="What not to draw.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="A scheduler of diffusers; left out, DDIM.")] = None,
    model: Model = None,
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Guidance = None,
    size: SizeText = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Draw one picture for each prompt; its recipe is kept inside it and beside it."""
    paths = places(output, prompts)
    for path in paths:
        refuse_unwritable(path, "picture")
    from innerlight.backbones import StepRule, scheduler_named
    from innerlight.files import write_picture
    from innerlight.sampling import from_image
    from innerlight.sampling import generate as draw
    from innerlight.sampling.generate import default_steps

    settings: dict[str, Any] = {"seed": seed, "steps": steps, "guidance": guidance, "negative": negative}
    settings["size"] = sides(size)
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)
    warn_of_unknown_words(backbone, prompts)
    settings["stepper"] = None
    if scheduler is not None:
        settings["stepper"] = StepRule(scheduler_named(scheduler, backbone.levels), default_steps(backbone, steps))
    if source is None:
        made = draw(backbone, prompts, **settings)
    else:
        made = from_image(backbone, [source] * len(prompts), prompts, strength=strength, **settings)
    for number, (image, path) in enumerate(zip(made.images, paths, strict=True)):
        write_picture(image, path, recipe={**made.recipe, "picture": number})
    written = [str(path) for path in paths]
    answer({"written": written, "seeds": list(made.seeds)}, json, "\n".join(written))


def invert(
    picture: Annotated[Path, typer.Argument(help="The picture.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("inversion.safetensors"),
    prompt: Annotated[str, typer.Option(help="What the picture shows.")] = "",
    method: Annotated[
        str, typer.Option(help="ddim, fixed_point, null_text, negative_prompt, edit_friendly or auto.")
    ] = "ddim",
    refinements: Annotated[int, typer.Option(help="Of each step; 3 to 5 make it nearly exact.", min=0)] = 0,
    guidance: Annotated[
        float | None, typer.Option(help="Weight under which the picture is to come back; left out: the method's own.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(help="Of auto: passes through the network; left out: any number.", min=1)
    ] = None,
    model: Model = None,
    steps: Steps = None,
    size: SizeText = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Find the noise that a picture would have come from, and say how well it comes back."""
    from innerlight.sampling import invert as find

    refuse_unwritable(output, "file")
    settings: dict[str, Any] = {"method": method, "guidance": guidance, "refinements": refinements, "budget": budget}
    settings |= {"steps": steps, "size": sides(size)}
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)
    found = find(backbone, picture, prompt, **settings)
    found.save(output)
    result = {
        "written": str(output), "method": found.method, "guidance": found.guidance, "psnr": found.psnr[0],
        "floor": found.floor[0], "steps": found.steps,
    }  # fmt: skip
    text = (
        f"{output}: by {found.method}, under guidance {found.guidance:g}, it comes back at {found.psnr[0]:.1f} dB; "
        f"the VAE alone keeps {found.floor[0]:.1f} dB"
    )
    answer(result, json, text)


def rerun(
    picture: Annotated[Path, typer.Argument(help="A picture that carries its recipe, or the recipe's JSON file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The picture to write.")] = None,
    image: Annotated[list[Path] | None, typer.Option(help="Where given pictures are now, if they moved.")] = None,
    inversion: Annotated[Path | None, typer.Option(help="The inversion it began from, if it was a file.")] = None,
    model: Model = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Make a picture again from its recipe, and say whether it is the same."""
    import numpy as np

    from innerlight.files import as_written, read_picture, read_recipe, write_picture
    from innerlight.methods.rerunning import model_of, pictured
    from innerlight.methods.rerunning import rerun as again
    from innerlight.sampling import Inversion

    told = read_recipe(picture)
    place = output or picture.with_name(f"{picture.stem}-again.png")
    refuse_unwritable(place, "picture")
    kind = dtype or told.get("dtype")
    backbone = opened(model or model_of(told), device, kind, tokenizer, learned, variant=variant, pickle=pickle)
    found = again(told, backbone, image=image or None, inversion=Inversion.load(inversion) if inversion else None)
    made = pictured(found, told)
    write_picture(made, place, recipe={**found.recipe, "picture": told.get("picture", 0)})
    same = None
    if picture.suffix.lower() != ".json":
        same = bool(np.array_equal(np.asarray(read_picture(picture)), np.asarray(as_written(made, picture))))
    text = {None: str(place), True: f"{place}: the same, pixel by pixel", False: f"{place}: not the same"}[same]
    answer({"written": str(place), "same": same}, json, text)


def methods(
    family: Annotated[str | None, typer.Option(help="Of one family only.")] = None,
    json: Json = False,
) -> None:
    """The methods there are; each is a command of its own name."""
    from innerlight.methods import names, summaries

    told = summaries()
    rows = [{"name": name, "family": told[name][0], "summary": told[name][1]} for name in names(family)]
    width = max((len(row["name"]) for row in rows), default=0)
    text = "\n".join(f"{row['name'].ljust(width)}  {row['family']}  {row['summary']}" for row in rows)
    answer({"methods": rows}, json, text)


def places(output: Path, prompts: list[str]) -> list[Path]:
    """Where each picture goes: the file itself for one, numbered files of a folder for several."""
    if output.suffix:
        if len(prompts) > 1:
            raise InputError(f"{len(prompts)} pictures do not fit into {output}; give a folder")
        return [output]
    return [output / f"{number:03d}.png" for number in range(len(prompts))]


def warn_of_unknown_words(backbone: Backbone, prompts: list[str]) -> None:
    """Say on stderr which words the model never saw, with the nearest it knows."""
    known = backbone.calibration.get("vocabulary")
    if not known:
        return
    from innerlight.prompts import unknown_words

    for prompt in prompts:
        for one in unknown_words(prompt, known):
            near = ", ".join(one.nearest)
            print(f"innerlight: {backbone.name} never saw the word {one.word!r}; it knows {near}", file=sys.stderr)


def _site(site: Any, backbone: Backbone) -> dict[str, Any]:
    grid = list(site.grid(backbone.sites.latent))
    return {"name": site.name, "kind": site.kind, "grid": grid, "width": site.width, "heads": site.heads}
