"""Attention in pieces: the numbers of the fused kernel, gradients included, and only where it may be used."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from innerlight.tuning import attention
from innerlight.tuning.attention import cached_attention


def heads(queries: int, keys: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, queries, 2, 8), (3, keys, 2, 8), (3, keys, 2, 8)]
    made = [torch.randn(shape, generator=generator).to(dtype).transpose(1, 2) for shape in shapes]
    return [one.requires_grad_() for one in made]


def gradients(made: list[Tensor], out: Tensor) -> list[Tensor]:
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out.dtype)
    return list(torch.autograd.grad((out * weights).sum(), made))


@pytest.mark.parametrize(("queries", "keys", "cells"), [(40, 40, 10**6), (40, 7, 280), (5, 3, 1)])
def test_it_is_the_fused_kernel(monkeypatch, queries: int, keys: int, cells: int):
    monkeypatch.setattr(attention, "CELLS", cells)
    made = heads(queries, keys)
    plain = F.scaled_dot_product_attention(*made)
    with cached_attention():
        ours = F.scaled_dot_product_attention(*made)
    assert ours.grad_fn is not None
    assert "_Attention" in ours.grad_fn.name()
    assert torch.allclose(plain, ours, atol=1e-6)
    for a, b in zip(gradients(made, plain), gradients(made, ours), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_masks_and_other_rules_go_to_the_fused_kernel():
    made = heads(6, 6)
    with cached_attention():
        masked = F.scaled_dot_product_attention(*made, attn_mask=torch.zeros(6, 6))
        causal = F.scaled_dot_product_attention(*made, is_causal=True)
    assert all("_Attention" not in out.grad_fn.name() for out in (masked, causal) if out.grad_fn is not None)


def test_the_kernel_comes_back_after_an_error():
    before = F.scaled_dot_product_attention
    with pytest.raises(RuntimeError, match="on purpose"), cached_attention():
        raise RuntimeError("on purpose")
    assert F.scaled_dot_product_attention is before
