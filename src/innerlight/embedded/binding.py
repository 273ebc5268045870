"""Stage `binding`: the text encoder learns to tell, at each noun, what a caption says of that thing.

A causal encoder reads an adjective before its noun, so which of two things is red stands in the states of the nouns or
nowhere. The contrastive training of the towers asks for the state at the end mark alone, and hardly puts it there. What
thing it is has to be told there as well, or the new takes the room of the old. All other states are held where they
were. Then the encoder is frozen, and the UNet reads it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from innerlight.embedded.data import CAPTIONS, OnScenes, Scenes
from innerlight.embedded.towers import tokens_of
from innerlight.files import write_json
from innerlight.tuning.training import CHECKPOINT, averaged_weights
from innerlight.world.captions import PLURALS
from innerlight.world.palette import NAMED_COLOURS, NAMED_PATTERNS
from innerlight.world.things import CATEGORIES

HELD = 3.0  # what states that stay count, beside what nouns tell
NOUNS_HELD = 0.3  # and what the states of nouns count, which are to move no further than they must
ADJECTIVES = {"colour": tuple(NAMED_COLOURS), "pattern": NAMED_PATTERNS}
NOUNS = {
    word: number for number, name in enumerate(CATEGORIES) for word in (name, PLURALS.get(name, f"{name}s"))
}  # which category each is of
TOLD = {**{kind: 1 + len(words) for kind, words in ADJECTIVES.items()}, "category": len(CATEGORIES)}  # and of how many
WORD_END = "</w>"  # of the last token of each word

# Its last token; by kind of adjective 1 + which it is said to be, 0 none; and its category.
Noun = tuple[int, tuple[int, ...]]


class Binding(nn.Module):
    """The text encoder, and what reads colour, pattern and category from its states."""

    def __init__(self, text: Any) -> None:
        super().__init__()
        self.text = text.requires_grad_(True)
        width = text.config.hidden_size
        self.heads = nn.ModuleList(nn.Linear(width, many) for many in TOLD.values())

    def told(self, nouns: Tensor) -> list[Tensor]:
        """By what is told, (n, of how many) of the states (n, width) of nouns."""
        return [head(nouns).float() for head in self.heads]


class BindingStage(OnScenes):
    """At nouns colour, pattern and category are read off; elsewhere states stay as the given encoder has them."""

    def __init__(self, scenes: Scenes, text: Any, tokenizer: Any) -> None:
        super().__init__(scenes)
        self.tokenizer = tokenizer
        self.before = copy.deepcopy(text).eval().requires_grad_(False)
        self.module: nn.Module = Binding(text)

    def loss(self, step: int, batch: int) -> tuple[Tensor, Mapping[str, float]]:
        random, module = self.random(step), self.module
        assert isinstance(module, Binding)
        rows = self.scenes.gather("captions", random.integers(0, len(self.scenes), batch))
        texts = [str(row[k]) for row, k in zip(rows, random.integers(0, CAPTIONS, batch), strict=True)]
        tokens = tokens_of(self.tokenizer, texts).to(next(module.parameters()).device)
        states = module.text(input_ids=tokens).last_hidden_state.float()
        with torch.no_grad():
            before = self.before.to(tokens.device)(input_ids=tokens).last_hidden_state.float()
        at, said = self._nouns(tokens)
        told = module.told(states[at])
        unbound = torch.stack([F.cross_entropy(one, said[:, kind]) for kind, one in enumerate(told)]).sum()
        elsewhere = torch.ones(tokens.shape, dtype=torch.bool, device=tokens.device)
        elsewhere[at] = False
        moves = (states - before).square()
        moved, nouns_moved = moves[elsewhere].mean(), moves[at].mean()
        right = float(torch.stack([one.argmax(1) == said[:, kind] for kind, one in enumerate(told)]).float().mean())
        figures = {
            "right": right, "unbound": float(unbound.detach()), "moved": float(moved.detach()),
            "nouns moved": float(nouns_moved.detach()),
        }  # fmt: skip
        loss = unbound + HELD * moved + NOUNS_HELD * nouns_moved
        return loss, {name: round(value, 5) for name, value in figures.items()}

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        """How much the averaged encoder tells of the first scenes' nouns."""
        assert isinstance(averaged, Binding)
        texts = [str(row[0]) for row in self.scenes.captions[0][:256]]
        tokens = tokens_of(self.tokenizer, texts).to(next(averaged.parameters()).device)
        at, said = self._nouns(tokens)
        with torch.no_grad():
            told = averaged.told(averaged.text(input_ids=tokens).last_hidden_state.float()[at])
        shares = {
            name: float((one.argmax(1) == said[:, kind]).float().mean())
            for kind, (name, one) in enumerate(zip(TOLD, told, strict=True))
        }
        write_json({"step": step, **shares}, folder / f"sample-{step:07d}.json")

    def _nouns(self, tokens: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Where the nouns of token numbers (n, 77) are, by row and place, and what is said of each (nouns, kinds)."""
        found = [
            (row, place, said)
            for row, numbers in enumerate(tokens.tolist())
            for place, said in nouns_of(self.tokenizer.convert_ids_to_tokens(numbers))
        ]
        rows, places, said = (torch.tensor(column, device=tokens.device) for column in zip(*found, strict=True))
        return (rows, places), said


def nouns_of(tokens: Sequence[str]) -> list[Noun]:
    """Where the nouns of a caption end, what the adjectives before each say of it, and what it is."""
    found: list[Noun] = []
    word, said = "", dict.fromkeys(ADJECTIVES, 0)
    for place, token in enumerate(tokens):
        if token.startswith("<|"):  # a mark
            continue
        word += token
        if not word.endswith(WORD_END):
            continue
        whole, word = word.removesuffix(WORD_END), ""
        for kind, words in ADJECTIVES.items():
            if whole in words:
                said[kind] = 1 + words.index(whole)
        if whole in NOUNS:
            found.append((place, (*said.values(), NOUNS[whole])))
            said = dict.fromkeys(ADJECTIVES, 0)
    return found


def bind(text: Any, runs: Path) -> Any:
    """A text encoder with what was learnt in `runs` of binding; as it is if nothing was."""
    if (runs / "binding" / CHECKPOINT).exists():
        weights = averaged_weights(runs / "binding")
        own = {key.removeprefix("text."): value for key, value in weights.items() if key.startswith("text.")}
        text.load_state_dict(own)
    return text
