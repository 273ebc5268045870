"""Each registered method as a command: its options are built from its settings when the command is asked for."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperGroup

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
from innerlight.cli._shell import answer, interruptible, refuse_unwritable
from innerlight.methods import Method, get, names, summaries
from innerlight.types import InputError

DEFAULTS = {
    "maps": "daam",
    "edit": "prompt_to_prompt",
    "segment": "diffseg",
    "match": "dift",
    "teach": "textual_inversion",
}  # commands that stand for a family, and what they run


class MethodGroup(TyperGroup):
    """The commands that are written down, and one for each method."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *DEFAULTS, *(name.replace("_", "-") for name in names())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """For lists: a method's name and first line, without importing it."""
        return super().get_command(ctx, cmd_name) or (_listed(cmd_name) if _method_of(cmd_name) else None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """For running: a method's command with all its options; of a family's command, by its --method."""
        name = _method_of(args[0])
        if name is None or super().get_command(ctx, args[0]) is not None:
            return super().resolve_command(ctx, args)
        method, rest = get(name), args[1:]
        if args[0] in DEFAULTS:
            wanted, rest = _taken(rest, "--method")
            method = _of_family(wanted, method.family) if wanted is not None else method
        return args[0], command_of(method, args[0]), rest


def _method_of(command: str) -> str | None:
    """The method that a command runs."""
    name = DEFAULTS.get(command, command.replace("-", "_"))
    return name if name in names() else None


def _taken(args: list[str], option: str) -> tuple[str | None, list[str]]:
    """The value of an option, and the arguments without it."""
    for place, one in enumerate(args):
        if one == option and place + 1 < len(args):
            return args[place + 1], [*args[:place], *args[place + 2 :]]
        if one.startswith(f"{option}="):
            return one.partition("=")[2], [*args[:place], *args[place + 1 :]]
    return None, args


def _of_family(name: str, family: str) -> Method:
    """A method that a family's command can run."""
    method = get(name.replace("-", "_"))
    if method.family != family:
        raise InputError(f"--method: expected one of {', '.join(names(family))}, got {name!r} ({method.family})")
    return method


def command_of(method: Method, name: str) -> Any:
    """A command with the method's inputs and settings."""
    run = RUNNERS[method.family]
    settings = {field.name: _option(field, method.config) for field in fields(method.config)}

    def command(**given: Any) -> None:
        from innerlight.files.json_text import refuse_foreign

        chosen = {key: parsed(given.pop(key), kind, key) for key, (kind, _) in settings.items()}
        for key, value in chosen.items():
            refuse_foreign(value, f"--{key.replace('_', '-')}")  # a recipe could not hold it
        run(method, method.config(**chosen), **given)

    inputs = list(inspect.signature(run).parameters.values())[2:]
    options = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for key, (_, (annotation, default)) in settings.items()
    ]
    hints = get_type_hints(run, include_extras=True)
    own = [one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY) for one in inputs]
    command.__signature__ = inspect.Signature([*own, *options])  # pyright: ignore[reportFunctionMemberAccess]
    command.__annotations__ = {one.name: one.annotation for one in (*own, *options)}
    command.__doc__ = method.summary
    if name in DEFAULTS:
        others = ", ".join(names(method.family))
        command.__doc__ += f"\n\nThe default of its family; --method NAME runs another, with its own options: {others}."
    return _built(command, name)


def run_reading(
    method: Method,
    config: Any,
    prompts: Annotated[list[str], typer.Argument(help="One picture each.", metavar="PROMPT...")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for pictures, maps and masks.")] = Path(
        "maps"
    ),
    words: Annotated[str | None, typer.Option(help="Words to map, with commas; left out, the nouns.")] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(help="A picture for each prompt, or any number, also folders, for one; left out, they are drawn."),
    ] = None,
    model: Model = None,
    seed: Seed = 0,
    size: SizeText = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Pictures, and of each word a heat map, a mask and a peak. Given pictures are gone through one by one, and gone on
    with after a stop.
    """
    from innerlight.cli._reading import mapped, write_maps
    from innerlight.cli.models import warn_of_unknown_words
    from innerlight.files import write_json

    asked = [word.strip() for word in words.split(",")] if words else None
    given: dict[str, Any] = {"size": sides(size), "seed": seed}
    refuse_unwritable(output)
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)
    warn_of_unknown_words(backbone, prompts)
    if image:
        written, facts = mapped(method, config, backbone, prompts, asked, image, output, given)
        answer({"written": written, "maps": facts}, json, "\n".join(written))
        return
    found = method.function(backbone, prompts, asked, config, **given)
    written, facts = [], []
    for number in range(len(found.images)):
        places, told = write_maps(found, number, output / f"{number:03d}")
        written += places
        facts += [{"picture": number, **one} for one in told]
    write_json({"maps": facts, "recipe": dict(found.recipe)}, output / "maps.json")
    answer({"written": written, "maps": facts}, json, "\n".join(written))


def run_editing(
    method: Method,
    config: Any,
    source: Annotated[str, typer.Argument(help="What the source shows.")],
    target: Annotated[str | None, typer.Argument(help="What it is to show; left out, the same.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for pictures, masks and maps.")] = Path(
        "edited"
    ),
    image: Annotated[list[Path] | None, typer.Option(help="Pictures to edit; left out, the source is drawn.")] = None,
    inversion: Annotated[
        str | None, typer.Option(help="How pictures are inverted, as in innerlight invert --method; or its file.")
    ] = None,
    also: Annotated[list[str] | None, typer.Option("--with", help="One more method in the same run.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of that method: masactrl.start=0.1")
    ] = None,
    sweep: Annotated[
        list[str] | None, typer.Option(help="Values of one or two settings, for a grid: cross=0.2,0.5,0.8")
    ] = None,
    negative: Annotated[str | None, typer.Option(help="What not to draw.")] = None,
    steps: Steps = None,
    guidance: Guidance = None,
    model: Model = None,
    seed: Seed = 0,
    size: SizeText = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Pictures before and after, and the masks and maps that were used."""
    from innerlight.cli._editing import opened_inversion, other_configs, swept, write_edited
    from innerlight.cli.models import warn_of_unknown_words
    from innerlight.methods.combining import combine

    others = other_configs(also or [], setting or [], method)
    values = swept(sweep or [], method)
    arguments: dict[str, Any] = {
        "image": image or None, "inversion": opened_inversion(inversion), "negative": negative, "steps": steps,
        "guidance": guidance, "size": sides(size), "seed": seed,
    }  # fmt: skip
    refuse_unwritable(output)
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)
    warn_of_unknown_words(backbone, [source, target or source])
    if values:
        if others:
            raise InputError("--sweep goes through settings of one method; leave --with out")
        from innerlight.methods.sweeping import sweep as through

        found = through(backbone, source, target or source, config, values, **arguments)
        written = write_edited(found.results[-1], output)
        found.picture.save(output / "sweep.png")
        scores = [{**choice, **score} for choice, score in zip(found.choices, found.scores, strict=True)]
        answer({"written": [str(output / "sweep.png"), *written], "scores": scores}, json, str(output / "sweep.png"))
        return
    made = combine(backbone, source, target or source, [config, *others], **arguments)
    written = write_edited(made, output)
    answer({"written": written, "recipe": dict(made.recipe)}, json, "\n".join(written))


def run_segmentation(
    method: Method,
    config: Any,
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.", metavar="PICTURE...")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for labels, masks and overlays.")] = Path(
        "segments"
    ),
    names: Annotated[
        str | None, typer.Option(help="Words with commas: each segment gets the one that fits it best (diffseg).")
    ] = None,
    refine: Annotated[
        str | None, typer.Option(help="graph_cut or crf: move borders to where the picture has them.")
    ] = None,
    model: Model = None,
    seed: Seed = 0,
    size: SizeText = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Each picture's segments: labels as indexed PNG, masks as JSON, and the picture under them."""
    from dataclasses import asdict

    from innerlight.bench.claims import settings_of
    from innerlight.cli._recognising import OVERLAY, one_by_one, pictures_of
    from innerlight.maps.refinement.refining import Refinement
    from innerlight.sampling import Run
    from innerlight.sampling.generate import learned_of

    asked = [word.strip() for word in names.split(",") if word.strip()] if names else None
    if asked and "names" not in inspect.signature(method.function).parameters:
        raise InputError(f"--names: {method.name} names no segments; diffseg does")
    if refine not in (None, *get_args(Refinement)):
        raise InputError(f"--refine: expected {' or '.join(get_args(Refinement))}, got {refine!r}")
    found = pictures_of(pictures)
    given: dict[str, Any] = {"size": sides(size), "seed": seed, **({"names": asked} if asked else {})}
    refuse_unwritable(output)
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)

    def work(name: str, path: Path) -> dict[str, Any]:
        made = method.function(backbone, path, config, run=Run(progress=False), **given)
        made = made.refined(refine) if refine else made
        return {"written": [str(place) for place in made.save(output / f"{name}.png")], "segments": len(made.scores[0])}

    settings = {
        "model": backbone.hash, "method": method.name, "config": asdict(config), "refine": refine, **given,
        **learned_of(backbone), "calibration": settings_of(backbone.calibration, {method.name}),
    }  # fmt: skip
    done = one_by_one(found, output, "segment", settings, work, [OVERLAY])
    lines = [f"{one['written'][0]}: {one['segments']} segments" for one in done]
    answer({"pictures": done}, json, "\n".join(lines))


def run_correspondence(
    method: Method,
    config: Any,
    source: Annotated[Path, typer.Argument(help="The picture that the points are of.")],
    targets: Annotated[list[Path], typer.Argument(help="Where to look for them.", metavar="TARGET...")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for matches and pictures.")] = Path(
        "matches"
    ),
    point: Annotated[
        list[str] | None,
        typer.Option(help="x,y in pixels of the source; several times. dift alone can do without, for one target."),
    ] = None,
    prompt: Annotated[str, typer.Option(help="What the pictures show, such as 'a photo of a cat'.")] = "",
    model: Model = None,
    seed: Seed = 0,
    size: SizeText = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Where points of one picture are in others: for each target JSON, and a picture with lines."""
    from dataclasses import asdict

    from innerlight.bench.claims import settings_of
    from innerlight.cli._recognising import hash_of, one_by_one, pictures_of, point_of
    from innerlight.files import read_picture
    from innerlight.sampling.generate import learned_of

    points = [point_of(one) for one in point] if point else None
    found = pictures_of(targets)
    given: dict[str, Any] = {"prompt": prompt, "size": sides(size), "seed": seed}
    refuse_unwritable(output)
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)
    finders: list[Any] = []  # made with the first target that is left to do

    def work(name: str, path: Path) -> dict[str, Any]:
        if not finders:
            read_picture(path)  # what is none is refused before the source is prepared, which may take long
            finders.append(method.finder(backbone, source, points, config, **given))
        made = finders[0](path)
        (told,) = made.as_json()["targets"]
        written = [str(place) for place in made.save(output / f"{name}.json")]
        return {"written": written, "points": made.points.tolist(), **told}

    settings = {
        "model": backbone.hash, "method": method.name, "config": asdict(config), "source": str(source),
        "source_sha256": hash_of(source), "points": points, **given, **learned_of(backbone),
        "calibration": settings_of(backbone.calibration, {method.name}),
    }  # fmt: skip
    done = one_by_one(found, output, "match", settings, work)
    lines = [
        f"{one['written'][0]}: {len(one['points'])} points, mean score {sum(one['scores']) / len(one['scores']):.3f}"
        for one in done
    ]
    answer({"targets": done}, json, "\n".join(lines))


def run_retrieval(
    method: Method,
    config: Any,
    reference: Annotated[Path, typer.Argument(help="The picture that shows the thing.")],
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to rank, or folders of them.", metavar="PICTURE...")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the ranking, and sheet and masks of the 24 surest.")
    ] = Path("ranked"),
    mask: Annotated[Path | None, typer.Option(help="The thing in the reference, as a mask picture.")] = None,
    word: Annotated[str | None, typer.Option(help="The word that names it; not of pdm-voting.")] = None,
    model: Model = None,
    seed: Seed = 0,
    size: SizeText = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    learned: Learned = None,
    json: Json = False,
) -> None:
    """Pictures in the order in which they show this very thing, and where they show it."""
    from innerlight.cli._recognising import mask_of, pictures_of, write_ranking
    from innerlight.matching.ranking import SHOWN

    found = pictures_of(pictures)
    given: dict[str, Any] = {"mask": mask_of(mask), "word": word, "size": sides(size), "seed": seed}
    refuse_unwritable(output)
    backbone = opened(model, device, dtype, tokenizer, learned, variant=variant, pickle=pickle)
    made = method.function(backbone, reference, list(found.values()), config, **given)
    write_ranking(made, [str(path) for path in found.values()], output, json, SHOWN)


def run_teaching(
    method: Method,
    config: Any,
    pictures: Annotated[
        list[Path], typer.Argument(help="Three to five that show it, or a folder.", metavar="PICTURE...")
    ],
    like: Annotated[str, typer.Option(help="The word that comes nearest to it, such as cat.")],
    name: Annotated[
        str | None,
        typer.Option(help="What it is to be called in prompts; left out, <thing>, or before its word sks."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for what is learned.")] = Path("taught"),
    report: Annotated[int, typer.Option(help="Pictures of each kind in the report; 0 for no report.", min=0)] = 2,
    model: Model = None,
    seed: Seed = 0,
    size: SizeText = None,
    device: Device = "auto",
    dtype: Precision = None,
    tokenizer: Tokenizer = None,
    variant: Variant = None,
    pickle: Pickle = False,
    json: Json = False,
) -> None:
    """What was learned, as a file or a folder, and a report on it; stopped and run again, it goes on where it was."""
    from innerlight.cli._recognising import pictures_of
    from innerlight.cli._teaching import write_taught

    shown = list(pictures_of(pictures).values())
    given: dict[str, Any] = {"size": sides(size), "seed": seed, **({} if name is None else {"name": name})}
    refuse_unwritable(output)
    backbone = opened(model, device, dtype, tokenizer, variant=variant, pickle=pickle)
    with interruptible() as run:
        found = method.function(
            backbone, shown, like=like, config=config, folder=output / "run", report=report, run=run, **given
        )
    written = write_taught(found, output)
    scores = dict(found.report.scores) if found.report else {}
    lines = [*written, *(f"{key} {value:.3f}" for key, value in scores.items())]
    answer({"written": written, "scores": scores}, json, "\n".join(lines))


RUNNERS: Mapping[str, Callable[..., None]] = {
    "reading": run_reading,
    "editing": run_editing,
    "segmentation": run_segmentation,
    "correspondence": run_correspondence,
    "retrieval": run_retrieval,
    "teaching": run_teaching,
}


def _option(field: Field[Any], config: type) -> tuple[Any, tuple[Any, Any]]:
    """The type of a setting, and its annotation and default as an option; tuples and whatever else are text."""
    kind = get_type_hints(config)[field.name]
    default = field.default_factory() if field.default is MISSING else field.default  # pyright: ignore[reportCallIssue]
    plain = plain_kind(kind)
    help = _comments(config).get(field.name, "")
    if plain not in (int, float, bool, str):
        default = ",".join(map(str, default)) if isinstance(default, tuple) else default
        default = ",".join(f"{key}={one}" for key, one in default.items()) if isinstance(default, Mapping) else default
        plain = str
    shown = plain | None if default is None else plain
    return kind, (Annotated[shown, typer.Option(help=help)], default)


def plain_kind(kind: Any) -> Any:
    """`int` of `int | None`."""
    if get_origin(kind) in (Union, types.UnionType):
        return next(one for one in get_args(kind) if one is not type(None))
    return kind


def parsed(value: Any, kind: Any, name: str) -> Any:
    """An option's value as the setting's type: text with commas becomes a tuple."""
    plain = plain_kind(kind)
    if value is not None and get_origin(plain) is Mapping:
        return _table(str(value), name)
    if value is None or get_origin(plain) is not tuple:
        return value
    element = get_args(plain)[0]
    try:
        return tuple(element(part) for part in str(value).split(",") if part)
    except ValueError as error:
        raise InputError(
            f"--{name.replace('_', '-')}: expected {element.__name__}s with commas, got {value!r}"
        ) from error


def _table(text: str, name: str) -> dict[str, float]:
    """`cat=0.2,red dog=1` as numbers by word."""
    try:
        pairs = [part.rpartition("=") for part in text.split(",") if part.strip()]
        if not all(word.strip() for word, _, _ in pairs):
            raise ValueError("a number without a word")
        return {word.strip(): float(number) for word, _, number in pairs}
    except ValueError as error:
        raise InputError(f"--{name.replace('_', '-')}: expected word=number with commas, got {text!r}") from error


def _comments(config: type) -> dict[str, str]:
    """What stands behind each setting in the source."""
    lines = inspect.getsource(config).splitlines()
    found = {}
    for node in ast.parse(inspect.cleandoc("\n".join(lines))).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            _, mark, comment = lines[node.end_lineno - 1].partition("  # ")  # type: ignore[operator]
            found[node.target.id] = comment[:1].upper() + comment[1:] if mark else ""
    return found


def _listed(name: str) -> Any:
    """A command that only says its first line."""

    def command() -> None:
        raise AssertionError("listed only")

    command.__doc__ = summaries()[_method_of(name) or ""][1]
    return _built(command, name)


def _built(command: Callable[..., None], name: str) -> Any:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(command)
    return typer.main.get_command(app)
