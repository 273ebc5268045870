"""Attention where q, k and v meet: the fused kernel, and the same in the open, a chunk of queries at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

CELLS = 2_000_000  # logits in the open at a time

Change = Callable[[Tensor, slice], Tensor]  # (rows, heads, chunk, keys) of the queries in the slice, to the same


@dataclass(frozen=True, eq=False)
class Heads:
    """q (rows, heads, queries, d), k and v (rows, heads, keys, d), after projection, normalisation, rotation.

    `bias` is added to the logits; probabilities times `mapper` are what mixes the values. If q and k have one row and v
    has many, all share its probabilities.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    bias: Tensor | None = None
    scale: float | None = None  # None: 1 / sqrt(d)
    mapper: Tensor | None = None  # (rows of q, 1, keys, keys); None: the identity

    def take(self, rows: Sequence[int] | slice) -> Heads:
        """Some of the rows, each with a q and k of its own; a slice is no copy."""
        if self.shared:
            q, k, mapper = (
                part if part is None else part.expand(len(self.v), -1, -1, -1) for part in (self.q, self.k, self.mapper)
            )
            return replace(self, q=q, k=k, mapper=mapper).take(rows)
        wanted = rows if isinstance(rows, slice) else list(rows)
        bias = self.bias
        if bias is not None and bias.ndim == 4 and bias.shape[0] == self.v.shape[0]:
            bias = bias[wanted]
        mapper = None if self.mapper is None else self.mapper[wanted]
        return replace(self, q=self.q[wanted], k=self.k[wanted], v=self.v[wanted], bias=bias, mapper=mapper)

    @property
    def shared(self) -> bool:
        """Do many rows of values share the probabilities of one row?"""
        return len(self.q) == 1 < len(self.v)

    def chunks(self) -> Iterator[slice]:
        """Queries in slices of bounded cost."""
        rows, heads, queries, _ = self.q.shape
        size = max(1, CELLS // (rows * heads * self.k.shape[2]))
        for first in range(0, queries, size):
            yield slice(first, min(first + size, queries))

    def logits(self, queries: slice) -> Tensor:
        """(rows, heads, chunk, keys) in float32."""
        scale = self.q.shape[-1] ** -0.5 if self.scale is None else self.scale
        found = (self.q[:, :, queries].float() * scale) @ self.k.float().mT
        if self.bias is None:
            return found
        bias = self.bias if self.bias.shape[-2] == 1 else self.bias[..., queries, :]
        return found.masked_fill(~bias, -torch.inf) if bias.dtype == torch.bool else found + bias.float()

    def probabilities(self, logits: Tensor) -> Tensor:
        """(rows, heads, chunk, keys): over keys, or what the mapper makes of that."""
        found = logits.softmax(-1)
        return found if self.mapper is None else found @ self.mapper.to(found.dtype)

    def mix(self, probabilities: Tensor, queries: slice) -> Tensor:
        """(rows of v, heads, chunk, d): values mixed by probabilities."""
        del queries
        if not self.shared:
            return (probabilities.to(self.v.dtype) @ self.v).to(self.q.dtype)
        rows, heads, keys, d = self.v.shape
        values = self.v.permute(1, 2, 0, 3).reshape(heads, keys, rows * d)
        mixed = probabilities[0].to(self.v.dtype) @ values  # (heads, chunk, rows * d)
        return mixed.view(heads, -1, rows, d).permute(2, 0, 1, 3).to(self.q.dtype)


def together(rows: Sequence[int]) -> Sequence[int] | slice:
    """Rows that lie together as a slice, which is no copy."""
    return slice(rows[0], rows[-1] + 1) if list(rows) == list(range(rows[0], rows[-1] + 1)) else rows


def attend(heads: Heads, fused: Callable[..., Tensor]) -> Tensor:
    """The attention's result (rows, heads, queries, d), by the fused kernel wherever it can do it."""
    if heads.shared:
        return torch.cat([heads.mix(heads.probabilities(heads.logits(c)), c) for c in heads.chunks()], dim=2)
    v = heads.v if heads.mapper is None else heads.mapper.to(heads.v.dtype) @ heads.v  # (p m) v = p (m v)
    return fused(heads.q, heads.k, v, attn_mask=heads.bias, dropout_p=0.0, is_causal=False, scale=heads.scale)
