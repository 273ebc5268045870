"""What tests of methods share: an edit of a cat into a dog, quick and not square, and one that does nothing; and a
hand in what a lesson leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from innerlight.backbones import Backbone
from innerlight.sampling.editing import Control, Edited, Part, edit
from innerlight.tuning import lessons

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


@pytest.fixture
def meddle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[nn.Module], None]]:
    """Lets every step of a lesson change a number of a network; afterwards it is as it was."""
    kept: list[tuple[nn.Parameter, torch.Tensor]] = []
    losses = lessons.losses

    def changing(*given: Any) -> Any:
        with torch.no_grad():
            for weight, _ in kept:
                weight.view(-1)[0] += 1
        return losses(*given)

    def meddle(network: nn.Module) -> None:
        weight = next(network.parameters())
        kept.append((weight, weight.detach().clone()))

    monkeypatch.setattr(lessons, "losses", changing)
    yield meddle
    with torch.no_grad():
        for weight, before in kept:
            weight.copy_(before)
