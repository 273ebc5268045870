"""Tiny networks of every family, made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

from innerlight.backbones import Backbone, blank

FAMILIES = ("sd15", "sd21", "sdxl")


@pytest.fixture(scope="session", params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    torch.set_num_threads(1)
    return blank(request.param)


@pytest.fixture(scope="session")
def small() -> Backbone:
    torch.set_num_threads(1)
    return blank("sd15")


@pytest.fixture
def passes() -> Callable[[Backbone], contextmanager[list[int]]]:
    """The rows of every pass that runs in a block."""

    @contextmanager
    def watch(backbone: Backbone) -> Iterator[list[int]]:
        rows: list[int] = []
        handle = backbone.unet.conv_in.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
        with handle:
            yield rows

    return watch
