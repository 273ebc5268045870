"""What is not to be learned stays as it is: no gradient goes there, and at the end every number is compared."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from innerlight.types import InnerlightError


class ChangedError(InnerlightError, AssertionError):
    """Weights that were to stay as they were are others now."""


@contextmanager
def frozen(modules: Mapping[str, Any]) -> Iterator[None]:
    """While open, the weights of these networks take no gradients; afterwards they must be what they were."""
    before = fingerprints(modules)
    trained = [one for module in modules.values() for one in module.parameters() if one.requires_grad]
    modes = [(module, module.training) for root in modules.values() for module in root.modules()]
    for parameter in trained:
        parameter.requires_grad_(False)
    for root in modules.values():
        root.eval()
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        for module, mode in modes:
            module.training = mode
    refuse_changed(before, fingerprints(modules))


def fingerprints(modules: Mapping[str, Any]) -> dict[str, int]:
    """A number for the bytes of every tensor of these networks; weights that are offloaded are not looked at."""
    return {
        f"{part}.{name}": zlib.crc32(values.detach().reshape(-1).view(torch.uint8).cpu().numpy())
        for part, module in modules.items()
        for name, values in module.state_dict().items()
        if not values.is_meta
    }


def refuse_changed(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Raise for tensors that differ."""
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    if changed:
        raise ChangedError(
            f"{len(changed)} tensors that were to stay as they were have changed, {min(changed)} for one; what was "
            "learned is not kept"
        )
