"""LoRA (Hu et al. 2021, arXiv:2106.09685): W + (alpha / r) B A in a UNet's attention, beside weights that are shared.

Files are those of diffusers, `pytorch_lora_weights.safetensors`: keys `unet.LAYER.lora_A.weight` (r, in) and `lora_B`
(out, r), the adapter's settings in the metadata, and there too which model it was learned on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
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
from innerlight.backbones.sites import sites_of
from innerlight.files import atomic_path
from innerlight.sampling.noise import seeds_of
from innerlight.tuning.words import opened_tensors
from innerlight.types import InputError, NotFoundError

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")  # of self and text attention
ADAPTER, FILE = "learned", "pytorch_lora_weights.safetensors"
FORMAT = "innerlight lora 1"
_SETTINGS = "lora_adapter_metadata"  # diffusers' key


def add_lora(backbone: Backbone, rank: int, *, alpha: int | None = None, seed: int = 0) -> Backbone:
    """The model with A drawn and B zero, so that at first nothing differs, to be trained: in float32, whatever the
    weights are in. `alpha` is the rank if it is not given.
    """
    from peft import LoraConfig

    if rank < 1 or (alpha is not None and alpha < 1):
        raise InputError(f"rank and alpha: expected at least 1, got {rank} and {alpha}")
    if lora_of(backbone):
        raise InputError(f"{backbone.name} has a LoRA already; make it part of its weights first: fuse_lora")
    (seed,) = seeds_of(seed, 1)
    wider = backbone.copy(shared=True)
    config = LoraConfig(
        r=rank, lora_alpha=rank if alpha is None else alpha, init_lora_weights="gaussian", target_modules=list(TARGETS)
    )
    with quiet(), _as_they_were(backbone.unet), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # peft draws from it
        wider.unet.add_adapter(config, adapter_name=ADAPTER)
    for parameter in lora_of(wider).values():
        parameter.data = parameter.data.float()
    return wider


def lora_of(backbone: Backbone) -> nn.ParameterDict:
    """A and B of all layers."""
    found = {name: one for name, one in backbone.unet.named_parameters() if ".lora_" in name}
    return nn.ParameterDict({name.replace(".", "/"): one for name, one in found.items()})


def save_lora(path: str | os.PathLike[str], backbone: Backbone, *, model_hash: str, **about: Any) -> None:
    """Write the LoRA on `backbone`, learned on the model of `model_hash`, to a file, or into a folder by the name that
    diffusers looks for.
    """
    from peft.utils import get_peft_model_state_dict

    layers = get_peft_model_state_dict(backbone.unet, adapter_name=ADAPTER)
    settings = {f"unet.{key}": value for key, value in backbone.unet.peft_config[ADAPTER].to_dict().items()}
    told = {
        "format": "pt", "innerlight": FORMAT, "base": model_hash, "prediction": backbone.prediction,
        "tokenizer": str(len(backbone.texts[0].model.get_input_embeddings().weight)),
        _SETTINGS: json.dumps(settings, default=_listed, sort_keys=True),
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()},
    }  # fmt: skip
    with atomic_path(_file(path)) as temporary:
        save_file({f"unet.{key}": one.detach().cpu().contiguous() for key, one in layers.items()}, temporary, told)


def open_lora(
    path: str | os.PathLike[str],
    backbone: Backbone,
    *,
    scale: float = 1.0,
    other_base: bool = False,
) -> Backbone:
    """The model with the LoRA in a file or folder, `scale` times as strong, beside those that it has already. One that
    was learned on another model is refused (but for `other_base`), and one that is not of a UNet alone.
    """
    file = _file(path)
    tensors, told = read_lora(file)
    base = told.get("base")
    if base and base != backbone.hash and not other_base:
        raise InputError(
            f"{file} was learned on a model of hash {base}, not on {backbone.name} ({backbone.hash}), and may mean "
            "something else here; to try it: other_base=True"
        )
    if not of_unet_alone(tensors):
        raise InputError(
            f"{file} also changes text encoders, or calls its layers otherwise than diffusers does; open the model "
            "with it: load(..., lora=...)"
        )
    wider = backbone.copy(shared=True)
    scales = _scales(wider.unet)
    name = f"{ADAPTER}_{len(scales) + 1}" if scales else ADAPTER
    scales[name] = scale
    with opening(f"{file} for {backbone.name}"), quiet(), _as_they_were(backbone.unet):
        settings = json.loads(told[_SETTINGS]) if _SETTINGS in told else None
        wider.unet.load_lora_adapter(tensors, prefix="unet", adapter_name=name, metadata=settings)
        wider.unet.set_adapters(list(scales), weights=list(scales.values()))
    own = {key: one for key, one in lora_of(wider).items() if f"/{name}/" in key}
    if not own:
        raise InputError(f"{file} has no layer of the UNet of {backbone.name}; it is for another kind of model")
    wider.unet.eval()
    for parameter in own.values():
        parameter.requires_grad_(False).data = parameter.data.float()
    wider.hash = hash_modules(wider.networks.values())
    if any(one != 1 for one in scales.values()):
        told_scales = " ".join(map(repr, scales.values()))
        wider.hash = hashlib.sha256(f"{wider.hash} {told_scales}".encode()).hexdigest()[:LENGTH]
    return wider


def fuse_lora(backbone: Backbone) -> Backbone:
    """The model with weights of its own, of which its UNet's LoRAs are part: the same pictures but for rounding, and a
    model that can be saved, or be given another LoRA to learn. Without any, a copy.
    """
    fused = backbone.copy()
    if lora_of(fused):
        with quiet():
            fused.unet.fuse_lora()
            fused.unet.unload_lora()
    return replace(fused, sites=sites_of(fused.unet), hash=hash_modules(fused.networks.values()))


def of_unet_alone(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a LoRA is one of a UNet, by diffusers' names, and of nothing else."""
    return all(key.startswith("unet.") for key in tensors)


def _scales(unet: nn.Module) -> dict[str, float]:
    """How strong each LoRA is that a UNet has, over what its rank and alpha say."""
    found = {}
    layers: list[Any] = [module for module in unet.modules() if hasattr(module, "lora_A")]
    for layer in layers:
        for name in layer.lora_A:
            rank = layer.r[name] ** (0.5 if layer.use_rslora.get(name) else 1)
            found[name] = layer.scaling[name] * rank / layer.lora_alpha[name] if layer.lora_alpha[name] else 1.0
    return found


@contextmanager
def _as_they_were(network: nn.Module) -> Iterator[None]:
    """Weights that took gradients take them again afterwards: peft stops those of the layers it stands beside."""
    trained = [one for one in network.parameters() if one.requires_grad]
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
