"""Tiny models under the names of the original checkpoints of Stable Diffusion: diffusers' conversion the other way."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from innerlight.backbones import Backbone

State = dict[str, Tensor]

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
EDGES = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0", "conv_out": "out.2", "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
VAE = [
    (r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}"),
    (r"mid_block\.attentions\.0", "mid.attn_1"), (r"\.group_norm\.", ".norm."), (r"\.to_(q|k|v)\.", r".\1."),
    (r"\.to_out\.0\.", ".proj_out."), (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"), (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
]  # fmt: skip
OPEN_CLIP = {
    "embeddings.token_embedding": "token_embedding", "embeddings.position_embedding.weight": "positional_embedding",
    "encoder.layers.": "transformer.resblocks.", "layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn": "attn",
    ".fc1.": ".c_fc.", ".fc2.": ".c_proj.", "final_layer_norm": "ln_final",
}  # fmt: skip


def original(backbone: Backbone) -> State:
    """All tensors of a model in one file."""
    unet = {_unet(name): value for name, value in backbone.unet.state_dict().items()}
    attentive = {name.split(".")[1] for name in unet if re.match(r"output_blocks\.\d+\.1\.norm\.", name)}
    for name in [name for name in unet if ".UP." in name]:  # behind the attention, where there is one
        unet[name.replace("UP", "2" if name.split(".")[1] in attentive else "1")] = unet.pop(name)
    found = {f"model.diffusion_model.{name}": value for name, value in unet.items()}
    found |= {f"first_stage_model.{_vae(name)}": value for name, value in backbone.vae.state_dict().items()}
    states = [encoder.model.state_dict() for encoder in backbone.texts]
    if len(states) == 2:
        found |= _clip(states[0], "conditioner.embedders.0.transformer.text_model.")
        found |= _open_clip(states[1], "conditioner.embedders.1.model.")
    elif backbone.prediction == "v_prediction":
        found |= _open_clip(states[0], "cond_stage_model.model.")
    else:
        found |= _clip(states[0], "cond_stage_model.transformer.text_model.")
    return {name: value.contiguous() for name, value in found.items()}


def _unet(name: str) -> str:
    for new, old in EDGES.items():
        if name.startswith(new + "."):
            return old + name[len(new) :]
    branch, rest = re.fullmatch(r"(down|mid|up)_blocks?\.(.*)", name).groups()
    block, rest = (0, rest) if branch == "mid" else (int(rest[0]), rest[2:])
    part, number, rest = rest.split(".", 2)
    if part in ("downsamplers", "upsamplers"):
        place = f"input_blocks.{3 * block + 3}.0.op." if branch == "down" else f"output_blocks.{3 * block + 2}.UP.conv."
        return place + rest.removeprefix("conv.")
    if part == "resnets":
        layer, rest = rest.split(".", 1)
        rest = f"{RESNET[layer]}.{rest}"
    within = 0 if part == "resnets" else 1
    if branch == "mid":
        return f"middle_block.{2 * int(number) + within}.{rest}"
    at = 3 * block + int(number)
    return f"input_blocks.{at + 1}.{within}.{rest}" if branch == "down" else f"output_blocks.{at}.{within}.{rest}"


def _vae(name: str) -> str:
    levels = 3  # of the tiny ones
    name = re.sub(r"up_blocks\.(\d)", lambda found: f"up.{levels - 1 - int(found[1])}", name)
    name = re.sub(r"^(decoder\.up\.\d)\.resnets", r"\1.block", name)
    name = re.sub(r"^(decoder\.up\.\d)\.upsamplers\.0", r"\1.upsample", name)
    for pattern, old in VAE:
        name = re.sub(pattern, old, name)
    return name


def _clip(state: State, prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


def _open_clip(state: State, prefix: str) -> State:
    found = {}
    for name, value in state.items():
        name = name.removeprefix("text_model.")
        if name == "text_projection.weight":
            found[f"{prefix}text_projection"] = value.T
            continue
        merged = re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)", name)
        if merged:
            others = [state[next(key for key in state if key.endswith(name.replace("q_proj", other)))]
                      for other in ("q_proj", "k_proj", "v_proj")]  # fmt: skip
            found[f"{prefix}transformer.resblocks.{merged[1]}.attn.in_proj_{merged[2]}"] = torch.cat(others)
        elif not re.search(r"\.[kv]_proj\.", name):
            for new, old in OPEN_CLIP.items():
                name = name.replace(new, old)
            found[prefix + name] = value
    return found
