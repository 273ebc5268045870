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
    placed: Tensor | None = None  # (n, places, tokens, width): states by text attention, in the order of execution

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
            None if self.placed is None else self.placed[wanted],
        )

    def with_states(self, states: Tensor) -> Context:
        """The same with other states, at all places: optimised, mixed, swapped."""
        return replace(self, states=states, placed=None)

    def with_placed(self, placed: Tensor) -> Context:
        """The same with states (n, places, tokens, width) of each text attention's own."""
        return replace(self, placed=placed)

    def with_pooled(self, pooled: Tensor | None) -> Context:
        """The same with another state of the prompt as a whole."""
        return replace(self, pooled=pooled)

    def zeroed(self) -> Context:
        """The same with zeros for all that is said."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return self.with_states(torch.zeros_like(self.states)).with_pooled(pooled)

    def states_at(self, places: int) -> Tensor:
        """States (n, places, tokens, width): where no place has its own, the same for all."""
        return self.states[:, None].expand(-1, places, -1, -1) if self.placed is None else self.placed

    @classmethod
    def join(cls, parts: Sequence[Context]) -> Context:
        """All rows of several."""
        first = parts[0]
        places = max((part.placed.shape[1] for part in parts if part.placed is not None), default=0)
        return cls(
            torch.cat([part.states for part in parts]),
            tuple(tokens for part in parts for tokens in part.tokens),
            None if first.pooled is None else torch.cat([part.pooled for part in parts if part.pooled is not None]),
            None if first.sizes is None else torch.cat([part.sizes for part in parts if part.sizes is not None]),
            torch.cat([part.states_at(places) for part in parts]) if places else None,
        )
