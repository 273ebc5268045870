"""What is not to be learned stays as it is: no gradient goes there, and at the end every number is compared."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from innerlight.backbones import Backbone
from innerlight.backbones.hashing import hash_modules
from innerlight.types import InnerlightError


class ChangedError(InnerlightError, AssertionError):
    """Weights that were to stay as they were are others now."""


def offloaded(backbone: Backbone) -> bool:
    """Is this a pipeline that moves its parts between devices?"""
    return any(hasattr(module, "_hf_hook") for network in backbone.networks.values() for module in network.modules())


@contextmanager
def frozen(modules: Mapping[str, Any], but: nn.Module | None = None) -> Iterator[None]:
    """While open, the weights of these networks take no gradients, but for those that they share with a module that is
    learned; afterwards they must be what they were.
    """
    learned = [] if but is None else list(but.state_dict(keep_vars=True).values())
    free = {id(one) for one in learned}
    before = fingerprints(modules, learned)
    trained = [
        one for module in modules.values() for one in module.parameters() if one.requires_grad and id(one) not in free
    ]
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
    refuse_changed(before, fingerprints(modules, learned))


def fingerprints(modules: Mapping[str, Any], but: Iterable[Tensor] = ()) -> dict[str, int]:
    """A number for the bytes of every tensor of these networks, by the first name it has; weights that are offloaded
    are not looked at, nor are those of `but`.
    """
    looked_at = {id(one) for one in but}
    found = {}
    for part, module in modules.items():
        for name, values in module.state_dict(keep_vars=True).items():
            if not values.is_meta and id(values) not in looked_at:
                looked_at.add(id(values))
                found[f"{part}.{name}"] = zlib.crc32(values.detach().reshape(-1).view(torch.uint8).cpu().numpy())
    return found


def settled(tuned: Backbone, base: Backbone, learned: nn.Module) -> Backbone:
    """A model, as far as its networks are not those of `base`, when nothing of it is learned any more: no gradients, no
    mode of training, and a hash of its own.
    """
    learned.requires_grad_(False)
    for part, network in tuned.networks.items():
        if network is not base.networks[part]:
            network.eval()
    tuned.hash = hash_modules(tuned.networks.values())
    return tuned


def refuse_changed(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Raise for tensors that differ."""
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    if changed:
        raise ChangedError(
            f"{len(changed)} tensors that were to stay as they were have changed, {min(changed)} for one; what was "
            "learned is not kept"
        )
