"""LoRA (Hu et al. 2021, arXiv:2106.09685): W + (alpha / r) B A in a UNet's attention, beside weights that are shared.

Files are those of diffusers, `pytorch_lora_weights.safetensors`: keys `unet.LAYER.lora_A.weight` (r, in) and `lora_B`
(out, r), the adapter's settings in the metadata, and there too which model it was learned on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from innerlight.backbones import Backbone
from innerlight.backbones.hashing import LENGTH, hash_modules
from innerlight.backbones.opening import opening, quiet
from innerlight.files import atomic_path
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

    if rank < 1:
        raise InputError(f"rank: expected at least 1, got {rank}")
    wider = backbone.copy(shared=True)
    config = LoraConfig(
        r=rank, lora_alpha=rank if alpha is None else alpha, init_lora_weights="gaussian", target_modules=list(TARGETS)
    )
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # peft draws from the global generator
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
        "tokenizer": str(len(backbone.texts[0].tokenizer)),
        _SETTINGS: json.dumps(settings, default=_listed, sort_keys=True),
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()},
    }  # fmt: skip
    with atomic_path(_file(path)) as temporary:
        save_file({f"unet.{key}": one.detach().cpu().contiguous() for key, one in layers.items()}, temporary, told)


def open_lora(
    path: str | os.PathLike[str], backbone: Backbone, *, scale: float = 1.0, other_base: bool = False
) -> Backbone:
    """The model with the LoRA in a file or folder, `scale` times as strong; one that was learned on another model is
    refused (but for `other_base`).
    """
    file = _file(path)
    tensors, told = read_lora(file)
    base = told.get("base")
    if base and base != backbone.hash and not other_base:
        raise InputError(
            f"{file} was learned on a model of hash {base}, not on {backbone.name} ({backbone.hash}), and may mean "
            "something else here; to try it: other_base=True"
        )
    wider = backbone.copy(shared=True)
    with opening(f"{file} for {backbone.name}"), quiet():
        settings = json.loads(told[_SETTINGS]) if _SETTINGS in told else None
        wider.unet.load_lora_adapter(tensors, prefix="unet", adapter_name=ADAPTER, metadata=settings)
        wider.unet.set_adapters([ADAPTER], weights=[scale])
    if not lora_of(wider):
        raise InputError(f"{file} has no layer of the UNet of {backbone.name}; it is for another kind of model")
    wider.unet.eval().requires_grad_(False)
    for parameter in lora_of(wider).values():
        parameter.data = parameter.data.float()
    whole = hash_modules(wider.networks.values())
    wider.hash = whole if scale == 1 else hashlib.sha256(f"{whole} {scale!r}".encode()).hexdigest()[:LENGTH]
    return wider


def read_lora(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """Tensors and metadata of a file, or of a folder's."""
    file = _file(path)
    if not file.is_file():
        raise NotFoundError(f"there is no file {file}; expected a LoRA, such as {FILE}")
    try:
        with safe_open(file, framework="pt") as opened:
            found = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
            told = dict(opened.metadata() or {})
    except SafetensorError as error:
        raise InputError(f"{file} is no safetensors file, or damaged ({error}); get it again") from error
    if not any("lora" in key for key in found):
        raise InputError(f"{file} holds no LoRA: its tensors are {', '.join(sorted(found)[:3])}")
    return found, told


def is_lora(path: Path) -> bool:
    """A folder, or a file called so, holds no word."""
    return path.is_dir() or path.name == FILE


def _file(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    return path if path.suffix == ".safetensors" else path / FILE


def _listed(value: Any) -> Any:
    """What peft keeps as sets and enumerations, as JSON has it."""
    return sorted(value) if isinstance(value, set) else str(value)
