"""Open a model: the embedded one, a folder, a checkpoint, one of the hub, or a pipeline that is open already."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from innerlight.backbones.backbone import Backbone
from innerlight.backbones.blank import WEIGHTS
from innerlight.backbones.folder import INDEX, PICKLE, open_folder, open_tokenizer, pairs_of
from innerlight.backbones.hashing import hash_modules
from innerlight.backbones.opening import opening
from innerlight.backbones.parts import Parts
from innerlight.backbones.pipelines import is_pipeline, parts_of, pipeline_of
from innerlight.backbones.single_file import open_single_file
from innerlight.files import ReadError
from innerlight.types import InnerlightError, InputError, NotFoundError

EMBEDDED = "pocket"
SHIPPED = {  # what to say of each until its weights are there
    "pocket": "the embedded model is not complete here; make it: innerlight embedded pack",
    "pocket-2": "the embedded model that was trained further is not complete here; make it: innerlight embedded pack",
    "desk": "the larger embedded model is not shipped yet; use load() for the small one",
}
CHECKPOINTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
SHORT = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
KINDS = (
    "None (the embedded model), 'pocket-2', 'desk', a folder in diffusers' layout, a .safetensors checkpoint, the "
    "owner/name of a model on the hub, or a pipeline of diffusers"
)


def load(
    source: Any = None,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype | None = None,
    tokenizer: Any = None,
    variant: str | None = None,
    revision: str | None = None,
    local_only: bool = False,
    pickle: bool = False,
    lora: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
) -> Backbone:
    """Open the embedded model (None or "pocket"), the same trained further ("pocket-2"), a folder in diffusers' layout,
    a `.safetensors` checkpoint with the original names, a model of the hub by "owner/name", or share a pipeline that is
    open already.

    "pocket-2" draws better; what is claimed of methods was measured on "pocket".

    `device` "auto" is a GPU where there is one; `dtype` None is float32. `tokenizer` is a folder (for SDXL one with
    tokenizer and tokenizer_2), which a single checkpoint needs, as it holds none. `variant` and `revision` are
    diffusers'; of a checkpoint of Stable Diffusion 2, `variant` is "sd21" or "sd21-base". With `local_only` nothing is
    downloaded. Pickled weights are opened with `pickle` only. `lora`: files, folders or names of the hub, all active.

    A pipeline is left as it was found, with its LoRA and image adapters active; the other arguments are not for it.
    """
    if is_pipeline(source):
        given = {"dtype": dtype, "tokenizer": tokenizer, "variant": variant, "revision": revision, "lora": lora}
        refused = [name for name, value in given.items() if value is not None]
        if refused or device != "auto":
            raise InputError(
                f"{', '.join([*refused, *(['device'] if device != 'auto' else [])])}: a pipeline is shared as it is; "
                "change it yourself before it is passed, or pass the folder it came from"
            )
        return parts_of(source).backbone()
    place, kind = device_named(device), _dtype(dtype)
    options = {
        "dtype": kind, "tokenizers": _tokenizers(tokenizer), "variant": variant, "pickle": pickle,
    }  # fmt: skip
    try:
        parts = _open(source, options, revision, local_only)
    except OSError as error:
        if isinstance(error, InnerlightError):
            raise
        raise ReadError(f"{source!r:.80} cannot be read ({error.strerror}); check its name and permissions") from error
    if lora:
        parts = _with_lora(parts, lora, local_only, pickle)
    backbone = parts.backbone()
    with opening(f"{parts.name} on {place}", cure="try another device=, or dtype='float16'"):
        for module in parts.modules.values():
            module.to(place)
        if kind == torch.float16 and len(parts.texts) == 2 and parts.vae.config.force_upcast:
            parts.vae.to(torch.float32)  # half precision is not enough for the VAE of SDXL
    return backbone


def _open(source: Any, options: dict[str, Any], revision: str | None, local_only: bool) -> Parts:
    name = EMBEDDED if source is None else os.fspath(source) if isinstance(source, str | os.PathLike) else ""
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"expected {KINDS}; got {source!r:.80}")
    if name in SHIPPED:
        folder = WEIGHTS / name
        if not (folder / INDEX).is_file():
            raise NotFoundError(f"{folder} has no {INDEX}: {SHIPPED[name]}")
        return open_folder(folder, name, **options)
    path = _path(name)
    hub = re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) and path.suffix not in CHECKPOINTS
    if revision is not None and (path.exists() or not hub):
        raise InputError(f"revision: only models of the hub have revisions, {name!r} is none")
    if path.is_dir():
        return open_folder(path, path.resolve().name, **options)
    if path.is_file():
        if path.suffix not in CHECKPOINTS:
            raise InputError(f"{path}: expected a checkpoint ({', '.join(CHECKPOINTS)}); pass the folder of a model")
        return open_single_file(path, **options)
    if not hub:
        raise NotFoundError(f"there is no file or folder {name!r}; expected {KINDS}")
    folder = _download(name, revision, local_only, options["variant"], options["pickle"])
    return open_folder(folder, name, **options)


def _download(name: str, revision: str | None, local_only: bool, variant: str | None, pickle: bool) -> Path:
    """The folder of a model of the hub; one that is not supported is refused before its weights are fetched."""
    cure = "check its name, log in if it is gated, or pass a folder"
    cure = "it is not among what was downloaded before: leave local_only out" if local_only else cure
    with opening(f"{name} of the hub", NotFoundError, cure):
        from diffusers import DiffusionPipeline  # pyright: ignore[reportPrivateImportUsage]

        where: Any = {"revision": revision, "local_files_only": local_only}
        index = DiffusionPipeline.load_config(name, **where)
        assert isinstance(index, dict)
        pairs_of(index, name)
        more = {part: None for part in ("safety_checker", "feature_extractor", "image_encoder") if part in index}
        safe = None if pickle else True  # None: safetensors where there are any
        return Path(DiffusionPipeline.download(name, variant=variant, use_safetensors=safe, **where, **more))


def _with_lora(parts: Parts, lora: Any, local_only: bool, pickle: bool) -> Parts:
    sources = [lora] if isinstance(lora, str | os.PathLike) else list(lora)
    if not all(isinstance(source, str | os.PathLike) for source in sources):
        raise InputError(f"lora: expected files, folders or names of the hub, got {lora!r:.80}")
    with opening(parts.name):
        pipeline = pipeline_of(parts.modules, [tokenizer for tokenizer, _ in parts.texts], parts.scheduler)
    names = [f"lora_{number}" for number in range(len(sources))]
    for name, source in zip(names, map(os.fspath, sources), strict=True):
        path = _path(source)
        if path.suffix in CHECKPOINTS and not path.is_file():
            raise NotFoundError(f"lora: there is no file {source}")
        if path.suffix in CHECKPOINTS[1:] and not pickle:
            raise InputError(f"lora: {source}: {PICKLE}")
        found: Any = (str(path.parent), {"weight_name": path.name}) if path.is_file() else (source, {})
        with opening(f"lora {source}", cure="it needs peft (pip install peft), and must be made for this model"):
            pipeline.load_lora_weights(
                found[0], adapter_name=name, local_files_only=local_only or path.exists(),
                use_safetensors=None if pickle else True, **found[1],
            )  # fmt: skip
        if all(name not in adapters for adapters in pipeline.get_list_adapters().values()):
            raise InputError(f"lora: {source} holds nothing for the layers of {parts.name}; was it made for another?")
    with opening("lora"):
        pipeline.set_adapters(names)
    for module in parts.modules.values():
        module.eval().requires_grad_(False)
    return replace(parts, hash=hash_modules(parts.modules.values()), beneath=parts.hash)


def _tokenizers(tokenizer: Any) -> list[Any]:
    if tokenizer is None:
        return []
    if not isinstance(tokenizer, str | os.PathLike):
        given = list(tokenizer) if isinstance(tokenizer, list | tuple) else [tokenizer]
        if not all(hasattr(one, "model_max_length") for one in given):
            raise InputError(f"tokenizer: expected a folder, or tokenizers of transformers, got {tokenizer!r:.80}")
        return given
    folder = _path(tokenizer)
    first = folder / "tokenizer" if (folder / "tokenizer").is_dir() else folder
    both = [first, folder / "tokenizer_2"] if (folder / "tokenizer_2").is_dir() else [first]
    return [open_tokenizer(one) for one in both]


def _path(name: str | os.PathLike[str]) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # nobody's home
        return Path(name)


def device_named(device: str | torch.device) -> torch.device:
    """A device that is there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise InputError(
            f"device: expected auto, cpu, cuda or mps, where this machine has them; got {device!r}"
        ) from error
    return place


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype:
    kind = torch.float32 if dtype is None else DTYPES.get(SHORT.get(str(dtype), str(dtype).removeprefix("torch.")))
    if kind is None:
        raise InputError(f"dtype: expected one of {', '.join(DTYPES)}, got {dtype!r}")
    return kind
