"""Attention for training small networks on a processor: a few heads at a time, so that probabilities stay in cache.

The fused kernel of torch is made for long rows and wide heads; with heads of 32 numbers its backward dominates a step.
Measured on one core at bf16, forward and backward of 32 pictures: one head of 1024 x 1024 cells 78 ms for 182 ms,
two of 256 x 256 15 ms for 33 ms, four of 64 x 64 5 ms for 17 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CELLS = 2**21  # probabilities at a time: 4 MB at bf16; fewer, and two threads wait for one another


@contextmanager
def cached_attention() -> Iterator[None]:
    """While open, every plain attention (no mask, no dropout) on a processor runs in pieces that fit its cache."""
    fused = F.scaled_dot_product_attention

    def attend(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **settings: Any) -> Tensor:
        plain = not rest and not any(settings.get(name) for name in ("is_causal", "dropout_p", "scale", "enable_gqa"))
        if not plain or settings.get("attn_mask") is not None or query.device.type != "cpu":
            return fused(query, key, value, *rest, **settings)
        return _Attention.apply(query, key, value)

    F.scaled_dot_product_attention = attend
    try:
        yield
    finally:
        F.scaled_dot_product_attention = fused


class _Attention(torch.autograd.Function):
    """softmax(q k^T / sqrt(d)) v on (rows, heads, cells, d); the probabilities are kept for the way back."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        q, k, v = (x.flatten(0, 1) for x in (query, key, value))
        out, scale = torch.empty_like(q), q.shape[-1] ** -0.5
        pieces = list(range(0, len(q), max(1, CELLS // (q.shape[1] * k.shape[1]))))
        probabilities = []
        for first, last in zip(pieces, [*pieces[1:], len(q)], strict=True):
            at = slice(first, last)
            probabilities.append((at, torch.softmax(torch.bmm(q[at] * scale, k[at].mT), -1, dtype=q.dtype)))
            torch.bmm(probabilities[-1][1], v[at], out=out[at])
        ctx.probabilities, ctx.scale = probabilities, scale
        ctx.save_for_backward(q, k, v)
        return out.view(query.shape)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        q, k, v = ctx.saved_tensors
        shapes = [(*above.shape[:2], *x.shape[1:]) for x in (q, k, v)]
        g = above.flatten(0, 1)
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        for at, p in ctx.probabilities:
            torch.bmm(p.mT, g[at], out=dv[at])
            logits = torch.ops.aten._softmax_backward_data(torch.bmm(g[at], v[at].mT), p, -1, p.dtype)
            torch.bmm(logits, k[at], out=dq[at])
            torch.bmm(logits.mT, q[at], out=dk[at])
        return dq.mul_(ctx.scale).view(shapes[0]), dk.mul_(ctx.scale).view(shapes[1]), dv.view(shapes[2])
