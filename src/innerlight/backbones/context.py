"""What a network is told of a prompt: text states, and whatever else its family wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from innerlight.prompts import Tokens


@dataclass(frozen=True, eq=False)
class Context:
    """One row a prompt. `tokens` says for each row how each text encoder cut the prompt up."""

    states: Tensor  # (n, tokens, width)
    tokens: tuple[tuple[Tokens, ...], ...]
    pooled: Tensor | None = None  # (n, width), SDXL's
    sizes: Tensor | None = None  # (n, 6), SDXL's "time ids": original size, crop corner, target size

    def __len__(self) -> int:
        return len(self.states)

    def take(self, rows: Sequence[int]) -> Context:
        """Some rows."""
        wanted = list(rows)
        return Context(
            self.states[wanted],
            tuple(self.tokens[row] for row in wanted),
            None if self.pooled is None else self.pooled[wanted],
            None if self.sizes is None else self.sizes[wanted],
        )

    def with_states(self, states: Tensor) -> Context:
        """The same with other states: optimised, mixed, swapped."""
        return replace(self, states=states)

    @classmethod
    def join(cls, parts: Sequence[Context]) -> Context:
        """All rows of several."""
        first = parts[0]
        return cls(
            torch.cat([part.states for part in parts]),
            tuple(tokens for part in parts for tokens in part.tokens),
            None if first.pooled is None else torch.cat([part.pooled for part in parts if part.pooled is not None]),
            None if first.sizes is None else torch.cat([part.sizes for part in parts if part.sizes is not None]),
        )
