"""LoRA (Hu et al. 2021, arXiv:2106.09685): W + (alpha / r) B A in attention, beside weights that are shared.

Files are those of diffusers, `pytorch_lora_weights.safetensors`: keys `unet.LAYER.lora_A.weight` (r, in) and `lora_B`
(out, r), and the same of text encoders; the adapter's settings in the metadata, and there too which model it was
learned on. Files of other trainers are read as far as diffusers reads them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from innerlight.backbones import Backbone
from innerlight.backbones.hashing import LENGTH, hash_modules
from innerlight.backbones.opening import opening, quiet
from innerlight.backbones.pipelines import pipeline_of
from innerlight.backbones.saving import scheduler_of
from innerlight.backbones.sites import sites_of
from innerlight.files import atomic_path
from innerlight.sampling.noise import seeds_of
from innerlight.tuning.words import opened_tensors
from innerlight.types import InputError, NotFoundError

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")  # of a UNet's self and text attention
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")  # of a text encoder's
ADAPTER, FILE = "learned", "pytorch_lora_weights.safetensors"
FORMAT = "innerlight lora 1"
_SETTINGS = "lora_adapter_metadata"  # diffusers' key
_ROOT = "text_model."  # in the names of a text encoder's layers, to all but the newest libraries


def add_lora(
    backbone: Backbone, rank: int, *, alpha: int | None = None, texts: bool = False, seed: int = 0
) -> Backbone:
    """The model with A drawn and B zero, so that at first nothing differs, to be trained: in float32, whatever the
    weights are in. `alpha` is the rank if it is not given. With `texts` also in text encoders.
    """
    from peft import LoraConfig

    if rank < 1 or (alpha is not None and alpha < 1):
        raise InputError(f"rank and alpha: expected at least 1, got {rank} and {alpha}")
    if lora_of(backbone):
        raise InputError(f"{backbone.name} has a LoRA already; make it part of its weights first: fuse_lora")
    (seed,) = seeds_of(seed, 1)
    wider = _beside(backbone, texts=texts)
    with quiet(), _as_they_were(backbone), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # peft draws from it
        for part, network in wider.networks.items():
            if part == "vae" or (part != "unet" and not texts):
                continue
            config = LoraConfig(
                r=rank, lora_alpha=rank if alpha is None else alpha, init_lora_weights="gaussian",
                target_modules=list(TARGETS if part == "unet" else TEXT_TARGETS),
            )  # fmt: skip
            network.add_adapter(config, adapter_name=ADAPTER)
    for parameter in lora_of(wider).values():
        parameter.data = parameter.data.float()
    return wider


def lora_of(backbone: Backbone) -> nn.ParameterDict:
    """A and B of all layers."""
    found = {
        f"{part}/{name.replace('.', '/')}": one
        for part, network in backbone.networks.items()
        for name, one in network.named_parameters()
        if ".lora_" in name
    }
    return nn.ParameterDict(found)


def save_lora(path: str | os.PathLike[str], backbone: Backbone, *, model_hash: str, **about: Any) -> None:
    """Write the LoRA on `backbone`, learned on the model of `model_hash`, to a file, or into a folder by the name that
    diffusers looks for.
    """
    from peft.utils import get_peft_model_state_dict

    tensors, settings = {}, {}
    for part, network in backbone.networks.items():
        if ADAPTER not in (getattr(network, "peft_config", None) or {}):
            continue
        for key, one in get_peft_model_state_dict(network, adapter_name=ADAPTER).items():
            root = "" if part == "unet" or key.startswith(_ROOT) else _ROOT
            tensors[f"{part}.{root}{key}"] = one.detach().cpu().contiguous()
        settings |= {f"{part}.{key}": value for key, value in network.peft_config[ADAPTER].to_dict().items()}
    told = {
        "format": "pt", "innerlight": FORMAT, "base": model_hash, "prediction": backbone.prediction,
        "tokenizer": str(len(backbone.texts[0].model.get_input_embeddings().weight)),
        _SETTINGS: json.dumps(settings, default=_listed, sort_keys=True),
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()},
    }  # fmt: skip
    with atomic_path(_file(path)) as temporary:
        save_file(tensors, temporary, told)


def open_lora(
    path: str | os.PathLike[str],
    backbone: Backbone,
    *,
    scale: float = 1.0,
    other_base: bool = False,
) -> Backbone:
    """The model with the LoRA in a file or folder, `scale` times as strong, beside those that it has already. One that
    was learned on another model is refused (but for `other_base`).
    """
    file = _file(path)
    _, told = read_lora(file)
    base = told.get("base")
    if base and base not in (backbone.hash, backbone.beneath) and not other_base:
        raise InputError(
            f"{file} was learned on a model of hash {base}, not on {backbone.name} ({backbone.hash}), and may mean "
            "something else here; to try it: other_base=True"
        )
    wider = _beside(backbone, texts=True)
    scales = _scales(wider.networks.values())
    name = f"{ADAPTER}_{len(scales) + 1}" if scales else ADAPTER
    scales[name] = scale
    with opening(f"{file} for {backbone.name}"), _as_they_were(backbone):
        pipeline = _pipeline(wider)
        pipeline.load_lora_weights(
            str(file.parent), weight_name=file.name, adapter_name=name, local_files_only=True, use_safetensors=True
        )
        if all(name not in found for found in pipeline.get_list_adapters().values()):
            raise InputError(f"{file} has no layer of {backbone.name}; it is for another kind of model")
        pipeline.set_adapters(list(scales), list(scales.values()))
    for network in wider.networks.values():
        network.eval()
    for key, parameter in lora_of(wider).items():
        if f"/{name}/" not in key:
            continue
        parameter.requires_grad_(False).data = parameter.data.float()
    wider.hash = hash_modules(wider.networks.values())
    if any(one != 1 for one in scales.values()):
        told_scales = " ".join(map(repr, scales.values()))
        wider.hash = hashlib.sha256(f"{wider.hash} {told_scales}".encode()).hexdigest()[:LENGTH]
    return wider


def fuse_lora(backbone: Backbone) -> Backbone:
    """The model with weights of its own, of which its LoRAs are part: the same pictures but for rounding, and a model
    that can be saved, or be given another LoRA to learn. Without any, a copy.
    """
    fused = backbone.copy(texts=True)
    with quiet():
        pipeline = _pipeline(fused)
        parts = [part for part, adapters in pipeline.get_list_adapters().items() if adapters]
        if parts:
            pipeline.fuse_lora(components=parts)
            pipeline.unload_lora_weights()
    return replace(fused, sites=sites_of(fused.unet), hash=hash_modules(fused.networks.values()), beneath="")


def _beside(backbone: Backbone, *, texts: bool) -> Backbone:
    """The same model, on the same weights, for a LoRA to be put beside them."""
    wider = backbone.copy(shared=True, texts=texts)
    wider.beneath = backbone.beneath or backbone.hash
    return wider


def _pipeline(backbone: Backbone) -> Any:
    """A stock pipeline of the same networks: diffusers knows there how to read, join and take away LoRAs."""
    tokenizers = [encoder.tokenizer for encoder in backbone.texts]
    return pipeline_of(backbone.networks, tokenizers, scheduler_of(backbone.prediction))


def _scales(networks: Iterable[nn.Module]) -> dict[str, float]:
    """How strong each LoRA is that networks have, over what its rank and alpha say."""
    found = {}
    layers: list[Any] = [module for network in networks for module in network.modules() if hasattr(module, "lora_A")]
    for layer in layers:
        for name in layer.lora_A:
            rank = layer.r[name] ** (0.5 if layer.use_rslora.get(name) else 1)
            found[name] = layer.scaling[name] * rank / layer.lora_alpha[name] if layer.lora_alpha[name] else 1.0
    return found


@contextmanager
def _as_they_were(backbone: Backbone) -> Iterator[None]:
    """Weights that took gradients take them again afterwards: peft stops those of the layers it stands beside."""
    networks = backbone.networks.values()
    trained = [one for network in networks for one in network.parameters() if one.requires_grad]
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def read_lora(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """Tensors and metadata of a file, or of a folder's."""
    file = _file(path)
    if not file.is_file():
        raise NotFoundError(f"there is no file {file}; expected a LoRA, such as {FILE}")
    found, told = opened_tensors(file)
    if not any("lora" in key for key in found):
        raise InputError(f"{file} holds no LoRA: its tensors are {', '.join(sorted(found)[:3])}")
    return found, told


def is_lora(path: Path) -> bool:
    """Whether a file or folder holds a LoRA, and no word."""
    return path.is_dir() or (path.suffix == ".safetensors" and path.is_file() and _has_layers(path))


def _has_layers(path: Path) -> bool:
    return any("lora" in key for key in opened_tensors(path)[0])


def _file(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    return path if path.suffix == ".safetensors" else path / FILE


def _listed(value: Any) -> Any:
    """What peft keeps as sets and enumerations, as JSON has it."""
    return sorted(value) if isinstance(value, set) else str(value)
