"""What the editing commands read from their options, and what they write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from innerlight.types import InputError

if TYPE_CHECKING:
    from innerlight.methods import Method
    from innerlight.sampling import Inversion
    from innerlight.sampling.editing import Edited

SWEPT = {"steps": int, "guidance": float, "seed": int, "inversion": str, "negative": str}  # besides a method's settings


def opened_inversion(given: str | None) -> Inversion | str | None:
    """A file that `innerlight invert` wrote, or the name of a way to invert."""
    if given is None or not given.endswith(".safetensors"):
        return given
    from innerlight.sampling import Inversion

    return Inversion.load(given)


def other_configs(also: Sequence[str], settings: Sequence[str], first: Method) -> list[Any]:
    """The settings of further methods, from `--with NAME` and `--set NAME.setting=value`."""
    from innerlight.methods import get

    chosen: dict[str, dict[str, Any]] = {name.replace("-", "_"): {} for name in also}
    for text in settings:
        place, mark, value = text.partition("=")
        name, dot, key = place.strip().replace("-", "_").partition(".")
        if not mark or not dot or name not in chosen:
            raise InputError(
                f"--set: expected METHOD.setting=value of a method named by --with ({', '.join(chosen) or 'none is'}), "
                f"got {text!r}; the settings of {first.name} have options of their own"
            )
        chosen[name][key] = _value(get(name), key, value)
    for name in chosen:
        if get(name).family != first.family:
            raise InputError(f"--with: expected a method that edits, got {name!r} ({get(name).family})")
    return [get(name).config(**given) for name, given in chosen.items()]


def values_of(texts: Sequence[str], method: Method) -> dict[str, Any]:
    """The values of `--set setting=value`, of one method."""
    found = {}
    for text in texts:
        key, mark, value = text.partition("=")
        if not mark:
            raise InputError(f"--set: expected setting=value, got {text!r}")
        found[key.strip().replace("-", "_")] = _value(method, key.strip().replace("-", "_"), value)
    return found


def swept(texts: Sequence[str], method: Method) -> dict[str, list[Any]]:
    """The values of `--sweep setting=value,value`."""
    found = {}
    for text in texts:
        key, mark, values = text.partition("=")
        key = key.strip().replace("-", "_")
        if not mark:
            raise InputError(f"--sweep: expected setting=value,value, got {text!r}")
        found[key] = [_value(method, key, value, SWEPT) for value in values.split(",") if value.strip()]
    return found


def write_edited(made: Edited, output: Path) -> list[str]:
    """Pictures before and after, masks as label maps, a sheet of the words' maps; says what was written."""
    import numpy as np

    from innerlight import viz
    from innerlight.files import write_label_map, write_picture
    from innerlight.types import LabelMap

    written = []
    for number, (image, source) in enumerate(zip(made.images, made.sources, strict=True)):
        stem = output / f"{number:03d}"
        places = [stem.with_suffix(".png"), Path(f"{stem}-source.png")]
        write_picture(image, places[0], recipe={**made.recipe, "picture": number})
        write_picture(source, places[1])
        for name, masks in made.masks.items():
            places.append(Path(f"{stem}-mask-{name}.png"))
            write_label_map(LabelMap(masks[number].astype(np.uint8), {0: "", 1: name}), places[-1])
        heats = [
            (stream, one.word, one.picture(image if stream == "target" else source))
            for stream, maps in made.maps.items()
            for one in maps[number].values()
        ]
        if heats:
            places.append(Path(f"{stem}-maps.png"))
            columns = max(sum(stream == own for own, _, _ in heats) for stream in made.maps)
            sheet = viz.grid([one[2] for one in heats], [f"{s}: {word}" for s, word, _ in heats], columns)
            write_picture(sheet, places[-1])
        written += [str(place) for place in places]
    return written


def _value(method: Method, key: str, text: str, others: Mapping[str, Any] | None = None) -> Any:
    """The value of a setting from text, or of one of `others`, names with types."""
    from innerlight.cli._methods import parsed, plain_kind

    kinds: Mapping[str, Any] = {**get_type_hints(method.config), **(others or {})}
    if key not in kinds:
        raise InputError(f"{method.name} has no setting {key!r}; it has {', '.join(kinds)}")
    plain = plain_kind(kinds[key])
    if plain is bool:
        if text.strip().lower() not in ("1", "true", "yes", "0", "false", "no"):
            raise InputError(f"{key}: expected yes or no, got {text!r}")
        return text.strip().lower() in ("1", "true", "yes")
    try:
        return plain(text) if plain in (int, float) else parsed(text.strip(), kinds[key], key)
    except ValueError as error:
        raise InputError(f"{key}: expected {plain.__name__}, got {text!r}") from error
