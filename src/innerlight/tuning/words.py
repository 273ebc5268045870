"""Learned words as files: those that diffusers loads, and those with vectors for each place, which it must refuse.

    <toy>                       (tokens, d), or (d,)      one text encoder, one word for all places
    clip_l, clip_g              (tokens, d)               SDXL's two encoders; the word's name is in the metadata
    <toy>@PATH, ...             (tokens, d)               a place each, by the path of its module; order in the metadata
    clip_l.<toy>@PATH, ...      the same of SDXL

Metadata say how a word was learned. Files of others are read too: without metadata, with their tensors called
`emb_params`, and pickled ones on request.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.files import ReadError, atomic_path
from innerlight.prompts import LearnedWord
from innerlight.types import InputError, NotFoundError

FORMAT = "innerlight learned word 1"
ENCODERS = ("clip_l", "clip_g")  # of SDXL, as its users call them
NAMELESS = ("emb_params", "*")  # what others call their tensor
PICKLED = (".pt", ".bin", ".pth", ".ckpt")


@dataclass(frozen=True, eq=False)
class WordFile:
    """What is in a file: a word, and what is known about how it was learned."""

    word: LearnedWord
    about: Mapping[str, Any] = field(default_factory=dict)  # method, base, tokenizer, prediction, settings, seed
    paths: tuple[str, ...] = ()  # of the modules that have vectors of their own, in the order of execution


def save_word(path: str | os.PathLike[str], backbone: Backbone, word: LearnedWord, **about: Any) -> None:
    """Write a word that was learned on `backbone`; `about` says how: method, settings, seed."""
    if Path(path).suffix in PICKLED:
        raise InputError(
            f"{path}: words are written as safetensors; call it {Path(path).with_suffix('.safetensors').name}"
        )
    told = {
        "format": "pt" if word.places is None else "xti",
        "innerlight": FORMAT,
        "placeholder": word.name,
        **about_base(backbone, backbone.hash),
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()},
    }
    names = [word.name] if len(word.vectors) == 1 else [f"{one}.{word.name}" for one in ENCODERS]
    if word.places is None:
        keys = names if len(names) == 1 else ENCODERS
        tensors = dict(zip(keys, word.vectors, strict=True))
    else:
        paths = [site.path for site in backbone.places]
        told["order"] = json.dumps(paths)
        tensors = {
            f"{name}@{path}": vectors[place]
            for name, vectors in zip(names, word.vectors, strict=True)
            for place, path in enumerate(paths)
        }
    with atomic_path(path) as temporary:
        save_file({key: one.detach().float().cpu().contiguous() for key, one in tensors.items()}, temporary, told)


def file_of(name: str) -> str:
    """What the file of a word is called, where it stands beside others."""
    plain = re.sub(r"[^\w-]+", "-", name).strip("-")
    return f"{plain or 'word'}.safetensors"


def about_base(backbone: Backbone, model_hash: str) -> dict[str, str]:
    """What files say of the model that something was learned on."""
    table = backbone.texts[0].model.get_input_embeddings().weight
    return {"base": model_hash, "tokenizer": str(len(table)), "prediction": backbone.prediction}


def open_word(
    path: str | os.PathLike[str],
    backbone: Backbone | None = None,
    *,
    name: str | None = None,
    pickle: bool = False,
    other_base: bool = False,
) -> LearnedWord:
    """The word in a file, by the name it was given or by `name`.

    With `backbone` it is refused if it does not fit, or was learned on another model (but for `other_base`). Pickled
    files are opened with `pickle` only.
    """
    found = read_word(path, name=name, pickle=pickle)
    if backbone is not None:
        refuse_foreign(found, backbone, path, other_base=other_base)
        backbone.knowing(found.word)
    return found.word


def read_word(path: str | os.PathLike[str], *, name: str | None = None, pickle: bool = False) -> WordFile:
    """A file as it is, compared with no model."""
    path = Path(path)
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}; expected a learned word, such as toy.safetensors")
    if path.suffix in PICKLED and not pickle:
        raise InputError(f"{path} is pickled, and opening it may run code; if you trust it: pickle=True")
    tensors, told = _unpickled(path) if path.suffix in PICKLED else opened_tensors(path)
    order, own = _order(path, told), told.get("placeholder", "")
    if order:
        vectors = _by_place(path, tensors, own, order)
    elif set(tensors) == set(ENCODERS):
        vectors = tuple(_rows(tensors[key]) for key in ENCODERS)
    elif len(tensors) == 1:
        ((key, only),) = tensors.items()
        own, vectors = own or ("" if key in NAMELESS else key), (_rows(only),)
    else:
        raise InputError(
            f"{path} holds {len(tensors)} tensors ({', '.join(sorted(tensors)[:3])}, ...); expected one word: a tensor "
            f"of that name, or {' and '.join(ENCODERS)}"
        )
    return WordFile(LearnedWord(_bracketed(name or own or path.stem), vectors), told, order)


def refuse_foreign(
    found: WordFile, backbone: Backbone, path: str | os.PathLike[str], *, other_base: bool = False
) -> None:
    """Raise for a word that was learned on another model, or at places that this one does not have."""
    base = found.about.get("base")
    if base and base not in (backbone.hash, backbone.beneath) and not other_base:
        raise InputError(
            f"{path}: {found.word.name} was learned on a model of hash {base}, not on {backbone.name} "
            f"({backbone.hash}), and may mean something else here; to try it: other_base=True"
        )
    paths = tuple(site.path for site in backbone.places)
    if found.paths and found.paths != paths:
        raise InputError(
            f"{path}: {found.word.name} has vectors for {len(found.paths)} places that are not those of "
            f"{backbone.name}; it was learned on another kind of model"
        )


def opened_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path} is no safetensors file, or damaged ({error}); get it again") from error
    except OSError as error:
        raise ReadError(f"{path} cannot be read ({error.strerror}); check its permissions") from error


def _unpickled(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Diffusers' {name: tensor}, or the older {"string_to_param": {"*": tensor}, "name": name}; tensors alone."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{path} is no file of tensors alone ({str(error).splitlines()[0]:.100})") from error
    told = {"placeholder": str(found["name"])} if isinstance(found, dict) and found.get("name") else {}
    inner = found.get("string_to_param", found) if isinstance(found, dict) else {}
    tensors = {str(key): one.detach() for key, one in inner.items() if isinstance(one, Tensor)}
    if not tensors:
        raise InputError(f"{path} holds no tensor by name; expected a learned word")
    return tensors, told


def _order(path: Path, told: Mapping[str, str]) -> tuple[str, ...]:
    """The places that have vectors of their own."""
    try:
        order = json.loads(told.get("order", "[]"))
    except ValueError:
        order = None
    if not isinstance(order, list) or not all(isinstance(one, str) for one in order):
        raise InputError(f"{path}: expected a list of places as its order, got {told['order']!r:.40}; get it again")
    return tuple(order)


def _by_place(path: Path, tensors: Mapping[str, Tensor], name: str, order: tuple[str, ...]) -> tuple[Tensor, ...]:
    """(places, tokens, d) for each text encoder."""
    heads = [name] if f"{name}@{order[0]}" in tensors else [f"{one}.{name}" for one in ENCODERS]
    wanted = [[f"{head}@{place}" for place in order] for head in heads]
    if {key for keys in wanted for key in keys} != set(tensors):
        raise InputError(f"{path}: expected the tensors {wanted[0][0]}, ...; the file is incomplete, get it again")
    return tuple(torch.stack([_rows(tensors[key]) for key in keys]) for keys in wanted)


def _rows(vectors: Tensor) -> Tensor:
    """(tokens, d) of that, or of (d,)."""
    return (vectors[None] if vectors.ndim == 1 else vectors).float()


def _bracketed(name: str) -> str:
    """A name as it stands in prompts: in brackets, without blanks."""
    plain = "-".join(name.strip("<>").split()) or "word"
    return f"<{plain}>"
