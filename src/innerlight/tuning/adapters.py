"""LoRA (Hu et al. 2021, arXiv:2106.09685): W + (alpha / r) B A in attention, beside weights that are shared.

Files are those of diffusers, `pytorch_lora_weights.safetensors`: keys `unet.LAYER.lora_A.weight` (r, in) and `lora_B`
(out, r), and the same of text encoders; the adapter's settings in the metadata, and there too which model it was
learned on. Files of other trainers are read as far as diffusers reads them.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from innerlight.backbones import Backbone
from innerlight.backbones.hashing import hash_modules
from innerlight.backbones.opening import opening, quiet
from innerlight.backbones.pipelines import pipeline_of
from innerlight.backbones.saving import scheduler_of
from innerlight.files import atomic_path
from innerlight.files.reading import is_folder
from innerlight.sampling.noise import seeds_of
from innerlight.tuning.freezing import offloaded, settled
from innerlight.tuning.words import about_base, opened_tensors
from innerlight.types import InputError, NotFoundError

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")  # of a UNet's self and text attention
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")  # of a text encoder's
ADAPTER, FILE = "learned", "pytorch_lora_weights.safetensors"
FORMAT = "innerlight lora 1"
_SETTINGS = "lora_adapter_metadata"  # diffusers' key
_FACTOR = re.compile(r"lora(_linear_layer)?[._](A|B|up|down)\b")  # in the names of tensors, one for A and one for B
_ROOT = "text_model."  # in the names of a text encoder's layers, to all but the newest libraries


def add_lora(
    backbone: Backbone,
    rank: int | None,
    *,
    alpha: int | None = None,
    texts: bool = False,
    targets: Sequence[str] = TARGETS,
    seed: int = 0,
) -> Backbone:
    """The model with A drawn and B zero, so that at first nothing differs, to be trained: in float32, whatever the
    weights are in. `rank` None is the highest that each layer can have, and `alpha` the rank if it is not given.
    `targets`: of the UNet, layers by their paths or how these end. With `texts` also in text encoders.
    """
    if (rank is not None and rank < 1) or (alpha is not None and alpha < 1):
        raise InputError(f"rank and alpha: expected at least 1, got {rank} and {alpha}")
    if lora_of(backbone):
        raise InputError(f"{backbone.name} has a LoRA already; make it part of its weights first: fuse_lora")
    (seed,) = seeds_of(seed, 1)
    ends = {"unet": targets}
    if texts:
        ends |= {part: TEXT_TARGETS for part in backbone.networks if part.startswith("text_encoder")}
    highest = {part: _highest_ranks(backbone, part, own) for part, own in ends.items()}
    narrowest = min(one for ranks in highest.values() for one in ranks.values())
    if rank is not None and rank > narrowest:
        raise InputError(f"rank: the narrowest layer of {backbone.name} has rank {narrowest}, got {rank}")
    wider = _beside(backbone, texts=texts)
    with quiet(), _as_they_were(backbone), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # peft draws from it
        for part, own in ends.items():
            config = _settings(own, highest[part] if rank is None else rank, alpha)
            wider.networks[part].add_adapter(config, adapter_name=ADAPTER)
    for parameter in lora_of(wider).values():
        parameter.data = parameter.data.float()
    return wider


def _highest_ranks(backbone: Backbone, part: str, ends: Sequence[str]) -> dict[str, int]:
    """What rank each of the linear layers can have whose paths end so."""
    layers = {
        name: layer
        for name, layer in backbone.networks[part].named_modules()
        if any(f".{name}".endswith(f".{end}") for end in ends)
    }
    if not layers:
        raise NotFoundError(f"targets: {backbone.name} has no layer {', '.join(ends) or 'of no name'} in its {part}")
    for name, layer in layers.items():
        if not isinstance(layer, nn.Linear):
            raise InputError(f"targets: expected linear layers, got {name}, a {type(layer).__name__}")
    return {name: min(layer.weight.shape) for name, layer in layers.items()}


def _settings(targets: Sequence[str], ranks: int | Mapping[str, int], alpha: int | None) -> Any:
    """Of peft, for one rank or that of each layer."""
    from peft import LoraConfig

    each = {} if isinstance(ranks, int) else dict(ranks)
    usual = ranks if isinstance(ranks, int) else max(each.values())
    return LoraConfig(
        r=usual, lora_alpha=usual if alpha is None else alpha, init_lora_weights="gaussian",
        target_modules=list(targets), rank_pattern=each, alpha_pattern={} if alpha else each,
    )  # fmt: skip


def as_lora(backbone: Backbone, changes: Mapping[str, Tensor]) -> Backbone:
    """The model with W + change in the UNet's layers at these paths, as a LoRA beside the weights: of the highest rank,
    so that it is exact but for rounding.

        change = U S V^T = (U sqrt(S)) (sqrt(S) V^T) = B A
    """
    wider = add_lora(backbone, None, targets=list(changes))
    for path, change in changes.items():
        layer: Any = wider.unet.get_submodule(path)
        if change.shape != layer.weight.shape:
            raise InputError(
                f"{path}: expected a change of {tuple(layer.weight.shape)}, as its weights, got {tuple(change.shape)}"
            )
        left, values, right = torch.linalg.svd(change.detach().double().cpu(), full_matrices=False)
        roots = values.sqrt()
        layer.lora_B[ADAPTER].weight.data.copy_(left * roots)
        layer.lora_A[ADAPTER].weight.data.copy_(roots[:, None] * right)
    return settled(wider, backbone, lora_of(wider))


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
    diffusers looks for. It must be the only one, at its own strength.
    """
    from peft.utils import get_peft_model_state_dict

    names = {name for _, layer in _layers(backbone) for name in layer.scaling}
    if names != {ADAPTER} or not _at_full_strength(backbone):
        raise InputError(
            f"{backbone.name}: expected one LoRA that was learned here, at strength 1, got "
            f"{', '.join(sorted(names)) or 'none'}; fuse_lora, and save the model"
        )
    tensors, settings = {}, {}
    for part, network in backbone.networks.items():
        if ADAPTER not in (getattr(network, "peft_config", None) or {}):
            continue
        for key, one in get_peft_model_state_dict(network, adapter_name=ADAPTER).items():
            root = "" if part == "unet" or key.startswith(_ROOT) else _ROOT
            tensors[f"{part}.{root}{key}"] = one.detach().cpu().contiguous()
        settings |= {f"{part}.{key}": value for key, value in network.peft_config[ADAPTER].to_dict().items()}
    told = {
        "format": "pt", "innerlight": FORMAT, **about_base(backbone, model_hash),
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
    was learned on another model is refused, and one that has layers which this one has not; with `other_base` both are
    tried, as far as they fit.
    """
    file = _file(path)
    tensors, told = read_lora(file)
    base = told.get("base")
    if base and base not in (backbone.hash, backbone.beneath) and not other_base:
        raise InputError(
            f"{file} was learned on a model of hash {base}, not on {backbone.name} ({backbone.hash}), and may mean "
            "something else here; to try it: other_base=True"
        )
    if any("dora_scale" in key for key in tensors):
        raise InputError(f"{file} is a DoRA, which is not read; its LoRA alone would be another")
    _refuse_widths(file, backbone, tensors)
    wider = _beside(backbone, texts=True)
    before = {where: (dict(layer.scaling), list(layer.active_adapters)) for where, layer in _layers(wider)}
    name = _unused({one for scaling, _ in before.values() for one in scaling})
    factors = {key: one.data for key, one in lora_of(wider).items()}
    with opening(f"{file} for {backbone.name}"), _as_they_were(backbone):
        _pipeline(wider).load_lora_weights(
            str(file.parent), weight_name=file.name, adapter_name=name, local_files_only=True, use_safetensors=True
        )
    for where, layer in _layers(wider):  # the others as they were, whatever diffusers has switched on
        scaling, active = before.get(where, ({}, []))
        layer.set_adapter([*active, name] if name in layer.lora_A else active)
        layer.scaling.update(scaling)
        if name in layer.lora_A:
            layer.scaling[name] *= scale
    own = {key: one for key, one in lora_of(wider).items() if key not in factors}
    _refuse_partial(file, backbone, tensors, own, other_base=other_base)
    for key, parameter in lora_of(wider).items():  # as they were and as the file has them, not in half precision
        part, layer = key.replace(f"/{name}/", "/").replace("/", ".").split(".", 1)
        given = (factors.get(key), tensors.get(f"{part}.{layer}"), tensors.get(f"{part}.{_ROOT}{layer}"))
        exact = next((one for one in given if one is not None), parameter.data)
        parameter.data = exact.to(parameter.device).float()
    return settled(wider, backbone, lora_of(wider))


def fuse_lora(backbone: Backbone) -> Backbone:
    """The model with weights of its own, of which its LoRAs are part: the same pictures but for rounding, and a model
    that can be saved, or be given another LoRA to learn. Without any, a copy.
    """
    _refuse_unusable(backbone, fused=False)
    fused = backbone.copy(texts=True)
    with quiet():
        pipeline = _pipeline(fused)
        parts = [part for part, adapters in pipeline.get_list_adapters().items() if adapters]
        if parts:
            pipeline.fuse_lora(components=parts)
            pipeline.unload_lora_weights()
    return replace(fused, hash=hash_modules(fused.networks.values()), beneath="")


def _beside(backbone: Backbone, *, texts: bool) -> Backbone:
    """The same model, on the same weights, for a LoRA to be put beside them."""
    _refuse_unusable(backbone)
    wider = backbone.copy(shared=True, texts=texts)
    wider.beneath = backbone.beneath or backbone.hash
    return wider


def _refuse_unusable(backbone: Backbone, *, fused: bool = True) -> None:
    """Raise where a pipeline, opened as it is, does with its networks what a LoRA cannot stand beside; without `fused`
    one that is fused is no reason.
    """
    if offloaded(backbone):
        raise InputError(f"{backbone.name} moves its parts between devices; give its pipeline the LoRA before it does")
    layers = [layer for _, layer in _layers(backbone)]
    if any(layer.disable_adapters for layer in layers):
        raise InputError(f"{backbone.name}: a LoRA is switched off; enable_lora() or unload_lora_weights() first")
    if fused and any(layer.merged for layer in layers):
        raise InputError(f"{backbone.name}: a LoRA is fused in its pipeline; call fuse_lora first, which makes a copy")


def _refuse_widths(file: Path, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
    """Raise for a LoRA of layers as wide as those of another kind of model: A is (rank, in), B (out, rank). Layers that
    are called in no way known here are left to diffusers.
    """
    shapes = {
        _spelt(f"{part}.{name}"): module.weight.shape
        for part, network in backbone.networks.items()
        for name, module in network.named_modules()
        if isinstance(getattr(module, "weight", None), Tensor)
    }
    for key, one in tensors.items():
        found = _FACTOR.search(key)
        shape = shapes.get(_spelt(key[: found.start()])) if found else None
        if found is None or shape is None or one.ndim < 2:
            continue
        side = 1 if found[2] in ("A", "down") else 0
        if one.shape[side] != shape[side]:
            raise InputError(
                f"{file} cannot be opened for {backbone.name}: {key} is for a layer {one.shape[side]} wide, which has "
                f"{shape[side]} here; it was learned on another kind of model"
            )


def _spelt(name: str) -> str:
    """The path of a layer as all trainers could have written it: `unet_mid_block_attentions_0_...`."""
    name = re.sub("^lora_te([12]?)_", lambda found: "text_encoder_2_" if found[1] == "2" else "text_encoder_", name)
    return name.removeprefix("lora_").replace(_ROOT[:-1], "").replace(".", "_").replace("__", "_").strip("_")


def _refuse_partial(
    file: Path, backbone: Backbone, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], *, other_base: bool
) -> None:
    """Raise for a LoRA of which some would be missing."""
    given = sum(_FACTOR.search(key) is not None for key in tensors)
    if not own:
        raise InputError(f"{file} has no layer of {backbone.name}; it is for another kind of model")
    if any(one.is_meta for one in own.values()):
        raise InputError(f"{file} is not whole: of some layers it has one factor without the other; get it again")
    if len(own) != given and not other_base:
        raise InputError(
            f"{file} has {given} factors, {backbone.name} takes {len(own)} of them; it was made for another kind of "
            "model; to try it: other_base=True"
        )


def _layers(backbone: Backbone) -> list[tuple[str, Any]]:
    """All layers that have a LoRA, by where they are."""
    return [
        (f"{part}.{name}", module)
        for part, network in backbone.networks.items()
        for name, module in network.named_modules()
        if hasattr(module, "lora_A")
    ]


def _unused(names: Collection[str]) -> str:
    """What a further LoRA is called."""
    return next(one for one in chain([ADAPTER], (f"{ADAPTER}_{k}" for k in count(2))) if one not in names)


def _at_full_strength(backbone: Backbone) -> bool:
    """Do all LoRAs count as their rank and alpha say?"""
    return all(
        name in layer.active_adapters and scaling == _usual(layer, name)
        for _, layer in _layers(backbone)
        for name, scaling in layer.scaling.items()
    )


def _usual(layer: Any, name: str) -> float:
    """How much B A counts in a layer by its rank and alpha."""
    rank = layer.r[name]
    return layer.lora_alpha[name] / (math.sqrt(rank) if layer.use_rslora.get(name) else rank)


def _pipeline(backbone: Backbone) -> Any:
    """A stock pipeline of the same networks: diffusers knows there how to read, join and take away LoRAs."""
    tokenizers = [encoder.tokenizer for encoder in backbone.texts]
    return pipeline_of(backbone.networks, tokenizers, scheduler_of(backbone.prediction))


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
    return is_folder(path) or (path.suffix == ".safetensors" and path.is_file() and _has_layers(path))


def _has_layers(path: Path) -> bool:
    return any("lora" in key for key in opened_tensors(path)[0])


def _file(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    return path if path.suffix == ".safetensors" else path / FILE


def _listed(value: Any) -> Any:
    """What peft keeps as sets and enumerations, as JSON has it."""
    return sorted(value) if isinstance(value, set) else str(value)
