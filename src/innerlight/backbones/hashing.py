"""Short names of weights, so that a recipe can say which model made a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LENGTH = 16  # hexadecimal digits
SAMPLE = 64  # values of each tensor that are looked at
_BLOCK = 2**20


def hash_files(paths: Iterable[Path]) -> str:
    """Of the contents of files, whatever they are called; a sharded model has another hash than a whole one."""
    total = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.as_posix()):
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                total.update(block)
    return total.hexdigest()[:LENGTH]


def hash_modules(modules: Iterable[Any]) -> str:
    """Of the names, shapes and evenly spaced values of parameters, and how much each LoRA beside them counts; weights
    that are offloaded have only names.
    """
    total = hashlib.sha256()
    for module in modules:
        for name, parameter in module.named_parameters():
            total.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
            if not parameter.is_meta:
                values = parameter.detach().reshape(-1)
                total.update(values[:: max(1, len(values) // SAMPLE)].float().cpu().numpy().tobytes())
        for name, layer in module.named_modules():
            if hasattr(layer, "lora_A"):
                counts = {own: layer.scaling[own] if own in layer.active_adapters else 0 for own in layer.scaling}
                total.update(f"{name} {counts}".encode())
    return total.hexdigest()[:LENGTH]
