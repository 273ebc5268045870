"""What all tests share: hypothesis draws the same examples every time, unhurried; and tiny networks, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from innerlight.backbones import Backbone

settings.register_profile("innerlight", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("innerlight")


def tiny(family: str) -> Backbone:
    """A tiny network of a family; one thread, for tests run side by side."""
    import torch

    from innerlight.backbones import blank

    torch.set_num_threads(1)
    return blank(family)


@pytest.fixture(scope="session", params=["sd15", "sd21", "sdxl"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    """A tiny network of every family."""
    return tiny(request.param)


@pytest.fixture(scope="session")
def small() -> Backbone:
    """One tiny network."""
    return tiny("sd15")
