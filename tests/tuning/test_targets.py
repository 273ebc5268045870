"""A LoRA of some layers at the rank that each can have, changes of weights as one, and files for other widths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from innerlight.backbones import Backbone, blank
from innerlight.backbones.opening import quiet
from innerlight.sampling import generate
from innerlight.tuning.adapters import FILE, add_lora, as_lora, lora_of, open_lora, save_lora
from innerlight.tuning.offsets import Offset, fused
from innerlight.types import InputError, NotFoundError

ROUNDING = 2e-5  # of pictures, between ways to compute the same
KEYS_AND_VALUES = ("attn2.to_k", "attn2.to_v")


def drawn(backbone: Backbone) -> Tensor:
    return generate(backbone, "a red cat", steps=2, seed=1, size=(64, 96)).latents


def paths_of(backbone: Backbone) -> list[str]:
    return [f"{site.path}.{end}" for site in backbone.places for end in ("to_k", "to_v")]


def changes_of(backbone: Backbone) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {path: backbone.unet.get_submodule(path).weight.shape for path in paths_of(backbone)}
    return {path: 0.1 * torch.randn(shape, generator=generator) for path, shape in shapes.items()}


def test_only_the_layers_asked_for_have_one_each_of_its_highest_rank(backbone: Backbone):
    wider = add_lora(backbone, None, targets=KEYS_AND_VALUES)
    layers = {name: module for name, module in wider.unet.named_modules() if hasattr(module, "lora_A")}
    assert set(layers) == set(paths_of(backbone))
    for name, layer in layers.items():
        assert layer.r["learned"] == min(backbone.unet.get_submodule(name).weight.shape)
        assert layer.scaling["learned"] == 1
    assert len({layer.r["learned"] for layer in layers.values()}) > 1, "blank models have layers of several widths"
    assert torch.equal(drawn(wider), drawn(backbone))
    assert set(lora_of(add_lora(backbone, None, targets=paths_of(backbone)))) == set(lora_of(wider))


def test_layers_that_are_none_are_refused(small: Backbone):
    for targets in (("to_nothing",), ()):
        with pytest.raises(NotFoundError, match="has no layer"):
            add_lora(small, None, targets=targets)
    with pytest.raises(InputError, match="expected linear layers"):
        add_lora(small, None, targets=("conv_in",))


def test_changes_as_a_lora_are_the_changed_weights(backbone: Backbone, tmp_path: Path):
    changes = changes_of(backbone)
    before = {name: one.clone() for name, one in backbone.unet.state_dict().items()}
    wider = as_lora(backbone, changes)
    for path, change in changes.items():
        found: Any = wider.unet.get_submodule(path)
        assert (found.get_delta_weight("learned") - change).abs().max() < 1e-6
    with fused(backbone.unet, {path: Offset(change) for path, change in changes.items()}):
        changed = drawn(backbone)
    assert (drawn(wider) - changed).abs().max() < ROUNDING < (changed - drawn(backbone)).abs().max() / 100
    assert all(torch.equal(one, before[name]) for name, one in backbone.unet.state_dict().items())
    save_lora(tmp_path, wider, model_hash=backbone.hash)
    assert open_lora(tmp_path, backbone).hash == wider.hash != backbone.hash
    assert not any(one.requires_grad for one in lora_of(wider).values())


@pytest.mark.parametrize("told", [True, False], ids=["with settings", "bare"])
def test_diffusers_reads_changes_of_each_layers_own_rank(small: Backbone, model: str, tmp_path: Path, told: bool):
    from diffusers import StableDiffusionPipeline

    changes = changes_of(small)
    save_lora(tmp_path, as_lora(small, changes), model_hash=small.hash)
    if not told:
        save_file(load_file(tmp_path / FILE), tmp_path / FILE, {"format": "pt"})
    with quiet():
        pipe: Any = StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32)
        plain = {path: pipe.unet.get_submodule(path).weight.clone() for path in changes}
        pipe.load_lora_weights(tmp_path)
        pipe.fuse_lora()
    for path, change in changes.items():
        fused_weight = pipe.unet.get_submodule(path).weight
        torch.testing.assert_close(fused_weight - plain[path], change, atol=2e-6, rtol=0)


def test_a_change_of_another_shape_is_refused(small: Backbone):
    path = paths_of(small)[0]
    with pytest.raises(InputError, match=r"expected a change of .* got \(3, 3\)"):
        as_lora(small, {path: torch.zeros(3, 3)})


def renamed(tensors: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    """As other trainers call them."""
    found = {}
    for key, one in tensors.items():
        layer, end = key.split(".lora_")
        down = end.startswith("A")
        part, name = layer.split(".", 1)
        older = f"{part}.{name}.{'lora' if part == 'unet' else 'lora_linear_layer'}.{'down' if down else 'up'}.weight"
        short = {"unet": "unet", "text_encoder": "te"}[part]
        other = f"lora_{short}_{name.replace('.', '_')}.lora_{'down' if down else 'up'}.weight"
        found[{"ours": key, "older": older, "other": other}[how]] = one
    return found


@pytest.mark.parametrize("texts", [False, True], ids=["unet", "texts"])
@pytest.mark.parametrize("how", ["ours", "older", "other"])
def test_a_file_for_other_widths_is_refused_before_the_model_is_touched(
    small: Backbone, tmp_path: Path, how: str, texts: bool, monkeypatch: pytest.MonkeyPatch
):
    other = blank("sd21")
    save_lora(tmp_path, add_lora(other, 2, texts=texts), model_hash="")
    tensors = load_file(tmp_path / FILE)
    if texts:  # alone, so that it is these that are looked at
        tensors = {key: one for key, one in tensors.items() if key.startswith("text_encoder")}
    save_file(renamed(tensors, how), tmp_path / "bare.safetensors", {"format": "pt"})

    def reached(backbone: Backbone) -> None:
        raise AssertionError("diffusers was asked")

    monkeypatch.setattr("innerlight.tuning.adapters._pipeline", reached)
    for other_base in (False, True):
        with pytest.raises(InputError, match=r"is for a layer \d+ wide, which has \d+ here") as found:
            open_lora(tmp_path / "bare.safetensors", small, other_base=other_base)
        assert len(str(found.value)) < 400


@pytest.mark.parametrize("how", ["older", "other"])
def test_one_that_fits_is_opened_however_it_is_spelt(small: Backbone, tmp_path: Path, how: str):
    save_lora(tmp_path, as_lora(small, changes_of(small)), model_hash=small.hash)
    save_file(renamed(load_file(tmp_path / FILE), how), tmp_path / "bare.safetensors", {"format": "pt"})
    assert (drawn(open_lora(tmp_path / "bare.safetensors", small)) - drawn(open_lora(tmp_path, small))).abs().max() == 0
