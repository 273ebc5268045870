"""A single checkpoint with the original names: its family is read off its header, its configuration off geometry.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from innerlight.backbones.building import build_vae
from innerlight.backbones.folder import INDEX, PICKLE, refuse_cut_short
from innerlight.backbones.geometry import GEOMETRIES, Geometry
from innerlight.backbones.hashing import hash_files
from innerlight.backbones.opening import opening
from innerlight.backbones.parts import LATENT_CHANNELS, REFINER, SUPPORTED, WIDER_INPUTS, Parts
from innerlight.backbones.saving import scheduler_of
from innerlight.types import InputError

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = "cond_stage_model.transformer.text_model."  # SD 1.x
OPEN_CLIP = "cond_stage_model.model."  # SD 2.x
XL_CLIP, XL_OPEN_CLIP = "conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.1.model."
REFINER_CLIP = "conditioner.embedders.0.model."
TOKENS = "embeddings.token_embedding.weight"

FOREIGN = {  # a part of a name that says what else a file is
    "lora": "a LoRA; open the model it was made for and pass the file as lora=",
    "control_model.": "a ControlNet, which needs a control picture beside the prompt",
    "joint_blocks.": "a transformer with joint attention",
    "double_blocks.": "a transformer with joint attention",
    "edm_mean": "a Playground model, whose VAE shifts latents",
    "down_blocks.0.": "one part of a model in the names of diffusers; pass the folder of the whole",
}
SD2 = ("sd21", "sd21-base")

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Header:
    """What a checkpoint says before its weights are read."""

    shapes: Shapes
    metadata: Mapping[str, str]

    def any(self, start: str) -> bool:
        """Is there a tensor whose name starts so?"""
        return any(name.startswith(start) for name in self.shapes)


def open_single_file(
    path: Path, *, dtype: torch.dtype, tokenizers: list[Any], variant: str | None, pickle: bool
) -> Parts:
    """The parts in a checkpoint; tokenizers it has none."""
    header = read_header(path, pickle=pickle)
    family = family_of(header, str(path), variant)
    wanted = 2 if family == "sdxl" else 1
    if len(tokenizers) != wanted:
        shape = "a folder with tokenizer and tokenizer_2" if wanted == 2 else "a folder with a CLIP tokenizer"
        raise InputError(
            f"{path} is a {family} checkpoint, and a single file holds no tokenizer: pass tokenizer={shape}, such as "
            "that of a model in diffusers' layout"
        )
    geometry = geometry_of(family, header, tokenizers)
    scheduler = scheduler_of(geometry.prediction, zero_snr="ztsnr" in header.shapes)  # a mark, as "v_pred" is
    pipeline = _open(path, geometry, tokenizers, scheduler, dtype)
    _refuse_missing(pipeline, path)
    texts = [(tokenizers[0], pipeline.text_encoder)]
    if wanted == 2:
        texts.append((tokenizers[1], pipeline.text_encoder_2))
    for module in (pipeline.unet, pipeline.vae, *(model for _, model in texts)):
        module.eval().requires_grad_(False)
    return Parts(
        name=path.stem,
        unet=pipeline.unet,
        vae=pipeline.vae,
        texts=texts,
        scheduler=pipeline.scheduler,
        hash=hash_files([path]),
        empty_is_zero=wanted == 2,
    )


def read_header(path: Path, *, pickle: bool = False) -> Header:
    """Names and shapes of the tensors; of safetensors no weight is read for it."""
    if path.suffix != ".safetensors":
        if not pickle:
            raise InputError(f"{path}: {PICKLE}")
        with opening(path, cure="only tensors are opened, nothing else that is pickled"):
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            found = found.get("state_dict", found)
            return Header({name: tuple(value.shape) for name, value in found.items() if hasattr(value, "shape")}, {})
    refuse_cut_short(path)
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        return Header(shapes, file.metadata() or {})


def family_of(header: Header, name: str, variant: str | None = None) -> str:
    """sd15, sd21, sd21-base or sdxl."""
    conv_in = header.shapes.get(f"{UNET}input_blocks.0.0.weight")
    if conv_in is None or len(conv_in) != 4:
        reason = next((what for mark, what in FOREIGN.items() if any(mark in key for key in header.shapes)), None)
        found = (
            f"this is {reason}" if reason else f"its first tensors are {', '.join(list(header.shapes)[:3]) or 'none'}"
        )
        raise InputError(f"{name} is no checkpoint of {SUPPORTED}, which have {UNET}input_blocks.0.0.weight; {found}")
    if conv_in[1] != LATENT_CHANNELS:
        what = WIDER_INPUTS.get(str(conv_in[1]), f"a model whose UNet takes {conv_in[1]} channels")
        raise InputError(f"{name} is {what}; supported are {SUPPORTED} ({LATENT_CHANNELS} channels)")
    for mark in ("control_model.", "edm_mean"):
        if header.any(mark):
            raise InputError(f"{name} is {FOREIGN[mark]}; supported are {SUPPORTED}")
    if header.any(REFINER_CLIP):
        raise InputError(f"{name}: this is {REFINER}")
    if not header.any(VAE):
        raise InputError(f"{name} is half a checkpoint: it has a UNet but no VAE ({VAE}...); get the whole one")
    if header.any(XL_CLIP) and header.any(XL_OPEN_CLIP):
        family = "sdxl"
    elif header.any(OPEN_CLIP):
        return _sd2(header, name, variant)
    elif header.any(CLIP):
        family = "sd15"
    else:
        raise InputError(f"{name} is half a checkpoint: it has a UNet but no text encoder that is known; get the whole")
    if variant is not None:
        raise InputError(f"variant: a single file of {family} has none, got {variant!r}; leave it out")
    return family


def _sd2(header: Header, name: str, variant: str | None) -> str:
    """Both kinds of Stable Diffusion 2 have the same tensors; only what is written beside them tells them apart."""
    if variant is not None and variant not in SD2:
        raise InputError(f"variant: expected one of {', '.join(SD2)} for {name}, got {variant!r}")
    told = header.metadata.get("modelspec.prediction_type", "").lower()
    found = variant or {"v": "sd21", "epsilon": "sd21-base"}.get(told)
    if found is None:
        raise InputError(
            f"{name} is a checkpoint of Stable Diffusion 2, which does not say what its UNet predicts; pass "
            "variant='sd21' (made for 768 pixels, predicts v) or variant='sd21-base' (512 pixels, predicts noise)"
        )
    return found


def geometry_of(family: str, header: Header, tokenizers: list[Any]) -> Geometry:
    """The published shape, with the words and marks of this checkpoint."""
    geometry = GEOMETRIES[family.removesuffix("-base"), "real"]
    if family == "sd21-base":
        unet, vae = {**geometry.unet, "sample_size": 64}, {**geometry.vae, "sample_size": 512}
        geometry = replace(geometry, unet=unet, vae=vae, prediction="epsilon")
    told = header.metadata.get("modelspec.prediction_type", "").lower()
    if "v_pred" in header.shapes or (family == "sdxl" and told == "v"):  # how fine-tunes of SDXL say it
        geometry = replace(geometry, prediction="v_prediction")
    starts = {"sdxl": (f"{XL_CLIP}{TOKENS}", f"{XL_OPEN_CLIP}token_embedding.weight"), "sd15": (f"{CLIP}{TOKENS}",)}
    texts = []
    for config, tokenizer, words in zip(
        geometry.texts, tokenizers, starts.get(family, (f"{OPEN_CLIP}token_embedding.weight",)), strict=True
    ):
        size = (header.shapes.get(words) or (0,))[0]
        marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        texts.append({**config, "vocab_size": size, **marks})
    return replace(geometry, texts=tuple(texts))


def write_configs(folder: Path, geometry: Geometry) -> None:
    """The configurations of a geometry as diffusers lays them out; schedulers and tokenizers are passed as objects."""
    both = len(geometry.texts) == 2
    index = {
        "_class_name": f"StableDiffusion{'XL' if both else ''}Pipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    if both:
        index["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
        index["tokenizer_2"] = ["transformers", "CLIPTokenizer"]
    _write(folder / INDEX, index)
    _write(folder / "unet" / "config.json", {"_class_name": "UNet2DConditionModel", **geometry.unet})
    with torch.device("meta"):
        build_vae(geometry.vae).save_config(folder / "vae")
    for name, config in zip(("text_encoder", "text_encoder_2"), geometry.texts, strict=False):
        _write(folder / name / "config.json", {"model_type": "clip_text_model", **config})


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _open(path: Path, geometry: Geometry, tokenizers: list[Any], scheduler: Any, dtype: torch.dtype) -> Any:
    with TemporaryDirectory() as made, opening(path, cure="get the file again"):
        from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline  # pyright: ignore[reportPrivateImportUsage]

        write_configs(Path(made), geometry)
        given: dict[str, Any] = {"tokenizer": tokenizers[0], "scheduler": scheduler}
        kind: Any = StableDiffusionPipeline
        if len(tokenizers) == 2:
            kind = StableDiffusionXLPipeline
            given |= {"tokenizer_2": tokenizers[1], "add_watermarker": False}
        else:
            given |= {"safety_checker": None, "requires_safety_checker": False}
        return kind.from_single_file(
            str(path), config=made, torch_dtype=dtype, local_files_only=True, feature_extractor=None,
            image_encoder=None, **given,
        )  # fmt: skip


def _refuse_missing(pipeline: Any, path: Path) -> None:
    """Tensors that no weight was found for stay where they were made: nowhere."""
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        module = getattr(pipeline, part, None)
        lacking = [name for name, value in module.named_parameters() if value.is_meta] if module is not None else []
        if lacking:
            raise InputError(
                f"{path} is not complete: {len(lacking)} tensors of its {part} are missing, such as {lacking[0]}"
            )
