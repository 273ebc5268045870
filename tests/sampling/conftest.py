"""The passes that a network runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from innerlight.backbones import Backbone


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
