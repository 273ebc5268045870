"""A folder in the layout of diffusers, from the disk or from the hub: model_index.json, and a folder for each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from innerlight.backbones.hashing import hash_files
from innerlight.backbones.opening import opening
from innerlight.backbones.parts import REFINER, SUPPORTED, Parts, noise_of, refuse_unet, refuse_vae
from innerlight.files import read_json
from innerlight.types import InputError, NotFoundError

INDEX = "model_index.json"
_ONE, _TWO = ("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")
PIPELINES = {
    "StableDiffusionPipeline": (_ONE,),
    "StableDiffusionImg2ImgPipeline": (_ONE,),
    "StableDiffusionXLPipeline": (_ONE, _TWO),
    "StableDiffusionXLImg2ImgPipeline": (_ONE, _TWO),
}
REASONS = {  # by what the name of a pipeline's class holds
    "ControlNet": "it needs a control picture beside the prompt",
    "Inpaint": "its UNet also takes a mask and a masked picture (9 channels)",
    "InstructPix2Pix": "its UNet also takes the latents of a picture",
    "Upscale": "its UNet also takes a small picture",
    "Depth2Img": "its UNet also takes a depth map",
    "LatentConsistency": "its UNet also takes the guidance weight",
    "StableDiffusion3": "its network is no UNet but a transformer with joint attention",
    "Flux": "its network is no UNet but a transformer with joint attention",
}
KINDS = {"unet": ("UNet2DConditionModel",), "vae": ("AutoencoderKL",)}  # the others are text encoders
PICKLE = "pickled weights can run any program when they are opened; get them as safetensors, or pass pickle=True"
_NAMED = 12  # entries of a wrong folder


@dataclass(frozen=True)
class Weights:
    """The files of one part."""

    files: tuple[Path, ...]
    variant: str | None
    safe: bool

    @property
    def options(self) -> dict[str, Any]:
        """As `from_pretrained` wants to be told."""
        return {"use_safetensors": self.safe, "variant": self.variant}


def open_folder(
    folder: Path, name: str, *, dtype: torch.dtype, tokenizers: list[Any], variant: str | None, pickle: bool
) -> Parts:
    """The parts in `folder`; `tokenizers` stand in for its own, if any are given."""
    index = read_index(folder)
    pairs = pairs_of(index, folder)
    if tokenizers and len(tokenizers) != len(pairs):
        raise InputError(f"tokenizer: {folder} needs {len(pairs)}, got {len(tokenizers)}; see load")
    modules = ("unet", "vae", *(model for _, model in pairs))
    for part in modules:
        _refuse_other_kind(folder, part, index[part][1])
        _refuse_bad_config(folder, part)
    weights = {part: _weights(folder, part, variant, pickle) for part in modules}
    if variant is not None and all(found.variant is None for found in weights.values()):
        raise NotFoundError(f"{folder} has no weights of variant {variant!r}; {_there(folder / 'unet')}")
    scheduler = _open_scheduler(folder, index)
    noise_of(scheduler, str(folder))  # what can be refused cheaply is refused before weights are read
    own = tokenizers or [open_tokenizer(folder / tokenizer) for tokenizer, _ in pairs]
    calibration = _calibration(folder)
    opened = {part: _open_module(folder, part, index[part][1], dtype, weights[part]) for part in modules}
    return Parts(
        name=name,
        unet=opened["unet"],
        vae=opened["vae"],
        texts=[(tokenizer, opened[model]) for tokenizer, (_, model) in zip(own, pairs, strict=True)],
        scheduler=scheduler,
        hash=hash_files(path for found in weights.values() for path in found.files),
        empty_is_zero=bool(index.get("force_zeros_for_empty_prompt", False)),
        calibration=calibration,
    )


def read_index(folder: Path) -> Mapping[str, Any]:
    """What model_index.json says."""
    if not (folder / INDEX).is_file():
        hint = ""
        if (folder / "config.json").is_file():
            hint = "; this looks like one part of a model, pass the folder above it"
        elif any(folder.glob("*.safetensors")):
            hint = "; a single checkpoint is passed by its own path"
        raise InputError(
            f"{folder} is no model: expected {INDEX} and folders unet, vae, text_encoder, tokenizer, scheduler; "
            f"{_there(folder)}{hint}"
        )
    return _mapping(folder / INDEX)


def pairs_of(index: Mapping[str, Any], where: Path | str) -> tuple[tuple[str, str], ...]:
    """Tokenizers and text encoders of a pipeline that is supported."""
    kind = str(index.get("_class_name", "pipeline without a name"))
    if kind not in PIPELINES:
        reason = next((why for mark, why in REASONS.items() if mark in kind), "")
        raise InputError(f"{where} is a {kind}{reason and ', ' + reason}; supported are {SUPPORTED}")
    pairs = PIPELINES[kind]
    parts = ("unet", "vae", "scheduler", *(part for pair in pairs for part in pair))
    entries = {part: index.get(part) for part in parts}
    empty = [part for part, entry in entries.items() if not isinstance(entry, list) or len(entry) != 2 or not entry[1]]
    if index.get("requires_aesthetics_score") or {"text_encoder", "tokenizer"} <= set(empty):
        raise InputError(f"{where}: this is {REFINER}" if len(pairs) == 2 else f"{where} has no text encoder")
    if empty:
        raise InputError(f"{where}: {INDEX} names no {', '.join(empty)}; the model is not complete, get it again")
    return pairs


def open_tokenizer(folder: Path) -> Any:
    """A CLIP tokenizer from its folder."""
    from transformers import CLIPTokenizer

    names = ("tokenizer.json", "vocab.json", "merges.txt")
    has = [(folder / name).is_file() for name in names]
    if not (has[0] or (has[1] and has[2])):
        raise NotFoundError(f"no tokenizer in {folder}: expected {names[0]}, or {names[1]} and {names[2]}")
    with opening(folder, cure="get its files again"):
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.model_max_length = min(tokenizer.model_max_length, 77)  # positions of CLIP
    return tokenizer


def _open_module(folder: Path, part: str, kind: str, dtype: torch.dtype, weights: Weights) -> Any:
    import diffusers
    import transformers

    files = ", ".join(path.name for path in weights.files)
    what = f"{folder / part} ({files})"
    with opening(what, cure="get its files again"):
        own = part in ("unet", "vae")
        maker = getattr(diffusers if own else transformers, kind)
        options = {"torch_dtype" if own else "dtype": dtype, "local_files_only": True, **weights.options}
        module, report = maker.from_pretrained(folder / part, output_loading_info=True, **options)
    lacking = sorted(report["missing_keys"])
    if lacking:
        raise InputError(f"{what} is not complete: {len(lacking)} tensors are missing, such as {lacking[0]}")
    return module.eval().requires_grad_(False)


def _open_scheduler(folder: Path, index: Mapping[str, Any]) -> Any:
    import diffusers

    config = folder / "scheduler" / "scheduler_config.json"
    if not config.is_file():
        raise NotFoundError(f"{config} is missing; {_there(config.parent)}")
    _mapping(config)
    kind = str(index["scheduler"][1])
    if not kind.endswith("Scheduler"):
        raise InputError(f"{folder}: its scheduler is a {kind}; expected one of diffusers, such as DDIMScheduler")
    with opening(config):
        return getattr(diffusers, kind).from_pretrained(config.parent, local_files_only=True)


def _refuse_other_kind(folder: Path, part: str, kind: str) -> None:
    known = KINDS.get(part, ("CLIPTextModel", "CLIPTextModelWithProjection"))
    if kind not in known:
        raise InputError(f"{folder}: {part} is a {kind}, expected a {' or a '.join(known)}; supported are {SUPPORTED}")


def _refuse_bad_config(folder: Path, part: str) -> None:
    path = folder / part / "config.json"
    if not path.is_file():
        raise NotFoundError(f"{path} is missing, the model is not complete; {_there(folder)}")
    config = _mapping(path)
    if part == "unet":
        refuse_unet(config, str(folder))
    if part == "vae":
        refuse_vae(config, str(folder))


def _weights(folder: Path, part: str, variant: str | None, pickle: bool) -> Weights:
    """The files of a part's weights: of the variant where there are any, safetensors rather than pickles."""
    stem = "diffusion_pytorch_model" if part in ("unet", "vae") else "model"
    for chosen in (variant, None) if variant else (None,):
        mark = f".{chosen}" if chosen else ""
        whole, shards = (
            folder / part / f"{stem}{end}" for end in (f"{mark}.safetensors", f".safetensors.index{mark}.json")
        )
        if whole.is_file() or shards.is_file():
            files = (whole,) if whole.is_file() else _shards(shards)
            for path in files:
                refuse_cut_short(path)
            return Weights(files, chosen, safe=True)
        pickled = folder / part / f"{stem if stem != 'model' else 'pytorch_model'}{mark}.bin"
        if pickled.is_file():
            if not pickle:
                raise InputError(f"{pickled}: {PICKLE}")
            return Weights((pickled,), chosen, safe=False)
    others = sorted(path.name for path in (folder / part).glob(f"{stem}.*.safetensors"))
    cure = f"; pass variant= for one of {', '.join(others)}" if others and not variant else ""
    missing = folder / part / f"{stem}.safetensors"
    raise NotFoundError(f"{missing} is missing, the model is not complete; {_there(folder / part)}{cure}")


def _shards(index: Path) -> tuple[Path, ...]:
    named = _mapping(index).get("weight_map")
    if not isinstance(named, Mapping):
        raise InputError(f"{index}: expected a weight_map; get the file again")
    files = tuple(index.parent / str(name) for name in sorted(set(named.values())))
    for path in files:
        if not path.is_file():
            raise NotFoundError(f"{path} is missing, which {index.name} names; get the model again")
    return files


def refuse_cut_short(path: Path) -> None:
    """Raise for a safetensors file whose header does not fit its length."""
    from safetensors import safe_open

    with opening(path, cure="it is cut short or damaged, get it again"), safe_open(path, framework="pt"):
        pass


def _calibration(folder: Path) -> Mapping[str, Any]:
    path = folder / "calibration.json"
    return _mapping(path) if path.is_file() else {}


def _mapping(path: Path) -> Mapping[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object, got {type(found).__name__}")
    return found


def _there(folder: Path) -> str:
    if not folder.is_dir():
        return f"there is no folder {folder}"
    names = sorted(path.name for path in folder.iterdir())
    return f"there is {', '.join(names[:_NAMED]) or 'nothing'}{', ...' if len(names) > _NAMED else ''}"
