"""What tests of editing methods share: an edit of a cat into a dog, quick and not square, and one that does nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.sampling.editing import Control, Edited, Part, edit

QUICK: dict[str, Any] = {"steps": 4, "guidance": 3.0, "size": (64, 96), "seed": 3}


@pytest.fixture
def quick() -> dict[str, Any]:
    """Four steps, guided, not square."""
    return dict(QUICK)


@pytest.fixture
def plain() -> Callable[..., Edited]:
    """The same two streams with nothing between them."""

    def plain(backbone: Backbone, source: Any, target: Any, **settings: Any) -> Edited:
        part = Part("nothing", {}, lambda case: Control(looks=1.0), source=settings.pop("source_kind", "words"))
        return edit(backbone, source, target, [part], **settings)

    return plain


@pytest.fixture
def counted() -> Callable[[Backbone], contextmanager[list[int]]]:
    """The rows of every pass that runs in a block."""

    @contextmanager
    def watch(backbone: Backbone) -> Iterator[list[int]]:
        rows: list[int] = []
        handle = backbone.unet.conv_in.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
        with handle:
            yield rows

    return watch


@pytest.fixture
def equal() -> Callable[[Edited], bool]:
    """Is the target the source, bit for bit?"""
    return lambda found: torch.equal(found.latents, found.source_latents)
