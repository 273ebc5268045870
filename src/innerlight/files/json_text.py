"""JSON text that is the same for the same value; what JSON cannot carry is refused by its place in the value."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence

from innerlight.files.reading import read_capped
from innerlight.types import InputError

MAX_JSON_BYTES = 256 * 2**20
DEEPEST = 100  # levels of nesting; beyond that a value holds itself, or is an attack on the reader


def json_text(value: object, *, name: str = "value", indent: int | None = None, ascii_only: bool = False) -> str:
    """`value` as JSON with sorted keys; `name` is what the value is called in an error."""
    refuse_foreign(value, name)
    return json.dumps(value, sort_keys=True, ensure_ascii=ascii_only, allow_nan=False, indent=indent)


def parse_json(text: str | bytes, name: str) -> object:
    """The value of JSON text; `name` is what the text is called in an error."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise InputError(f"{name} is not valid JSON ({error}); restore it from a copy or write it anew.") from error


def read_json(path: str | os.PathLike[str], *, max_bytes: int = MAX_JSON_BYTES, what: str = "JSON") -> object:
    """The value in a JSON file; `what` names its kind in errors, such as "a recipe in JSON"."""
    return parse_json(read_capped(path, max_bytes=max_bytes, what=what), str(path))


def refuse_foreign(value: object, name: str, depth: int = 0) -> None:
    """Raise for the first part of `value` that JSON cannot carry, naming its key path."""
    if depth > DEEPEST:
        raise InputError(f"{name[:60]}... is nested deeper than {DEEPEST} levels; flatten it, or cut the loop in it.")
    if value is None or isinstance(value, bool | int):
        return
    if isinstance(value, float):
        _refuse_endless(value, name)
    elif isinstance(value, str):
        _refuse_surrogates(value, name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(f"{name} has the key {key!r}, but JSON keys are text; use {str(key)!r}.")
            _refuse_surrogates(key, f"a key of {name}")
            refuse_foreign(item, f"{name}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        _refuse_items(value, name, depth)
    else:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise InputError(
            f"{name} is a {kind}, which JSON cannot carry; use numbers, text, lists, mappings or None "
            "(.item() of a numpy number, .tolist() of an array, str() of a path)."
        )


def _refuse_items(items: Sequence[object], name: str, depth: int) -> None:
    for index, item in enumerate(items):
        refuse_foreign(item, f"{name}[{index}]", depth + 1)


def _refuse_endless(value: float, name: str) -> None:
    if not math.isfinite(value):
        raise InputError(f"{name} is {value}, which JSON cannot carry; use a finite number or None.")


def _refuse_surrogates(value: str, name: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{name} holds text that UTF-8 cannot carry ({error.reason}); replace it.") from error


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
