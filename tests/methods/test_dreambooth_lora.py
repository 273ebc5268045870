"""DreamBooth by a LoRA: what is its own; what it shares with tuning all weights is tested there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from innerlight.backbones import Backbone
from innerlight.methods.teaching.dreambooth_lora import DreamboothLoraConfig, dreambooth_lora
from innerlight.sampling import Run, generate
from innerlight.tuning.adapters import lora_of, open_lora
from innerlight.types import InputError
from innerlight.world import render, sample

PICTURES = [render(sample(seed), 64).picture for seed in (1, 2)]
QUICK: dict[str, Any] = {"like": "car", "size": (64, 64), "report": 0, "seed": 3, "run": Run(progress=False)}


def taught(backbone: Backbone, **settings: Any) -> Any:
    config = DreamboothLoraConfig(**{"steps": 2, "batch": 2, "rate": 1e-3, **settings})
    return dreambooth_lora(replace(backbone, calibration={"steps": 2}), PICTURES, config=config, **QUICK)


def drawn(backbone: Backbone) -> torch.Tensor:
    return generate(backbone, "a sks car", steps=2, seed=1, size=(64, 64)).latents


def test_saved_and_opened_it_draws_the_same(backbone: Backbone, tmp_path: Path):
    found = taught(backbone)
    found.save(tmp_path / "toy")
    assert [path.name for path in (tmp_path / "toy").iterdir()] == ["pytorch_lora_weights.safetensors"]
    again = open_lora(tmp_path / "toy", backbone)
    assert torch.equal(drawn(again), drawn(found.backbone))
    assert again.hash == found.backbone.hash
    with pytest.raises(InputError, match="in the weights"):
        assert found.word


@pytest.mark.parametrize("rank", [1, 3])
def test_both_factors_of_all_layers_are_learned_and_they_have_the_rank(small: Backbone, rank: int):
    moved = lora_of(taught(small, rank=rank, decay=0.0).backbone)
    for name, values in moved.items():
        assert min(values.shape) == rank
        if "lora_B" in name:
            assert values.abs().max() > 0, "zero at first"


def test_alpha_says_how_much_it_counts(small: Backbone):
    plain, strong = (taught(small, alpha=alpha).backbone for alpha in (None, 16))
    assert not torch.equal(drawn(plain), drawn(strong))


def test_how_much_it_counts_is_in_the_models_hash(small: Backbone, tmp_path: Path):
    """As is what a file without its settings is read as: alpha is the rank there."""
    strong = taught(small, alpha=16)
    strong.save(tmp_path / "toy")
    file = tmp_path / "toy" / "pytorch_lora_weights.safetensors"
    save_file(load_file(file), tmp_path / "bare.safetensors", {"format": "pt"})
    whole, bare = open_lora(file, small), open_lora(tmp_path / "bare.safetensors", small)
    assert not torch.equal(drawn(whole), drawn(bare))
    assert strong.backbone.hash == whole.hash != bare.hash


def test_a_rank_that_no_layer_can_have_is_refused(small: Backbone):
    with pytest.raises(InputError, match="rank 16, got 17"):
        taught(small, rank=17)
