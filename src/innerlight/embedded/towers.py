"""Stage `towers`: a text encoder learns, against a picture encoder, which caption belongs to which picture.

Only the text encoder ships; it is frozen from then on. The text state is the one at the end mark, as in CLIP.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from innerlight.backbones.building import build_text_model, open_tokenizer
from innerlight.embedded.data import CAPTIONS, OnScenes, Scenes
from innerlight.embedded.vae import to_tensor
from innerlight.files import write_json
from innerlight.tuning.training import CHECKPOINT, averaged_weights

WIDTH = 128
LENGTH = 40  # tokens that are looked at in training; no caption of the world is longer

POCKET_TEXT: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 4 * WIDTH,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "projection_dim": WIDTH,
    "hidden_act": "quick_gelu",
}


class Towers(nn.Module):
    """Captions and pictures to vectors of length 1 in one space."""

    def __init__(self, text_config: Mapping[str, Any]) -> None:
        super().__init__()
        self.text: Any = build_text_model(text_config)
        self.end = int(text_config["eos_token_id"])
        self.text_head = nn.Linear(WIDTH, WIDTH, bias=False)
        widths = (3, 32, 64, 128, 192)
        self.picture = nn.Sequential(
            *(_halving(before, after) for before, after in itertools.pairwise(widths)),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(widths[-1] * 16, WIDTH, bias=False),
        )
        self.sharpness = nn.Parameter(torch.tensor(2.0))  # logarithm of the inverse temperature

    def read(self, tokens: Tensor) -> Tensor:
        """Vectors (n, width) of token numbers (n, length)."""
        states = self.text(input_ids=tokens).last_hidden_state
        ends = (tokens == self.end).int().argmax(1)  # the first end mark; those behind it are filling
        return F.normalize(self.text_head(states[torch.arange(len(tokens), device=ends.device), ends]).float(), dim=1)

    def look(self, pictures: Tensor) -> Tensor:
        """Vectors (n, width) of pictures (n, 3, h, w), thinned to about 64 x 64."""
        return F.normalize(self.picture(pictures).float(), dim=1)


class TowersStage(OnScenes):
    """Each caption against the pictures of the batch, and each picture against its captions."""

    def __init__(self, scenes: Scenes, tokenizer: Any) -> None:
        super().__init__(scenes)
        self.tokenizer = tokenizer
        self.module: nn.Module = _towers_for(tokenizer)

    def loss(self, step: int, batch: int) -> tuple[Tensor, Mapping[str, float]]:
        random = self.random(step)
        indices = random.integers(0, len(self.scenes), batch)
        vectors = self._vectors(self.module, indices, random.integers(0, CAPTIONS, batch))
        module = self.module
        assert isinstance(module, Towers)
        logits = vectors[0] @ vectors[1].T * module.sharpness.exp().clamp(max=100)
        own = torch.arange(batch, device=logits.device)
        right = float((logits.argmax(1) == own).float().mean())
        loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
        return loss, {"right": round(right, 3), "sharpness": round(float(module.sharpness.detach().exp()), 2)}

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        """How the averaged towers retrieve among the first scenes."""
        with torch.no_grad():
            indices = np.arange(min(64, len(self.scenes)))
            captions, pictures = self._vectors(averaged, indices, np.zeros(len(indices), int))
        found = (captions @ pictures.T).argmax(1).cpu().numpy()
        write_json({"step": step, "right": float((found == indices).mean())}, folder / f"sample-{step:07d}.json")

    def _vectors(self, module: nn.Module, indices: np.ndarray, variants: np.ndarray) -> tuple[Tensor, Tensor]:
        assert isinstance(module, Towers)
        texts = [str(row[k]) for row, k in zip(self.scenes.gather("captions", indices), variants, strict=True)]
        pictures = F.avg_pool2d(to_tensor(self.scenes.gather("pictures", indices)), 2)
        tokens, device = tokens_of(self.tokenizer, texts, LENGTH), next(module.parameters()).device
        return module.read(tokens.to(device)), module.look(pictures.to(device))


def trained_towers(runs: Path) -> tuple[Towers, Any] | None:
    """The towers trained in `runs`, and their tokenizer; None if there are none yet."""
    if not (runs / "towers" / CHECKPOINT).exists():
        return None
    tokenizer = open_tokenizer(runs / "tokenizer")
    towers = _towers_for(tokenizer).eval()
    towers.load_state_dict(averaged_weights(runs / "towers"))
    return towers, tokenizer


def _towers_for(tokenizer: Any) -> Towers:
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return Towers({**POCKET_TEXT, **ends, "vocab_size": len(tokenizer)})


def tokens_of(tokenizer: Any, texts: list[str], length: int = 77) -> Tensor:
    """Token numbers (n, length), filled with end marks."""
    found = tokenizer(texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return found.input_ids


def _halving(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1),
        nn.GroupNorm(8, after),
        nn.SiLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.GroupNorm(8, after),
        nn.SiLU(),
    )
