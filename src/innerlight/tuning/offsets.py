"""Offsets of weights: added to what linear layers give while a block is open, trainable, or fused into the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from innerlight.types import InputError, NotFoundError


@dataclass(frozen=True, eq=False)
class Offset:
    """W becomes W + delta; or, if it multiplies, W (1 + delta)."""

    delta: Tensor  # (out, in)
    multiplies: bool = False

    def of(self, weight: Tensor) -> Tensor:
        """What is added to `weight`."""
        return weight * self.delta.to(weight) if self.multiplies else self.delta.to(weight)


@contextmanager
def offset(root: nn.Module, offsets: Mapping[str, Offset]) -> Iterator[None]:
    """While open, the linear layers at these paths have offset weights, with gradients to the offsets; the weights
    themselves are not touched.
    """
    with ExitStack() as stack:
        for path, one in offsets.items():
            module = _linear(root, path, one)

            def hook(module: Any, args: tuple[Tensor, ...], output: Tensor, one: Offset = one) -> Tensor:
                return output + F.linear(args[0], one.of(module.weight))

            stack.callback(module.register_forward_hook(hook).remove)
        yield


@contextmanager
def fused(root: nn.Module, offsets: Mapping[str, Offset]) -> Iterator[None]:
    """While open, the offsets stand in the weights, at no cost; afterwards the weights are bit for bit as before."""
    kept: list[tuple[Tensor, Tensor]] = []
    try:
        for path, one in offsets.items():
            weight = _linear(root, path, one).weight
            kept.append((weight, weight.detach().clone()))
            with torch.no_grad():
                weight.add_(one.of(weight))
        yield
    finally:
        for weight, before in kept:
            with torch.no_grad():
                weight.copy_(before)


def _linear(root: nn.Module, path: str, one: Offset) -> Any:
    try:
        module: Any = root.get_submodule(path)
    except AttributeError as error:
        raise NotFoundError(f"no layer {path!r} in {type(root).__name__}; paths are those of its modules") from error
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim != 2:
        raise InputError(f"{path} is a {type(module).__name__}; offsets are for linear layers")
    if one.delta.shape != weight.shape:
        raise InputError(f"{path}: expected an offset of {tuple(weight.shape)}, got {tuple(one.delta.shape)}")
    return module
