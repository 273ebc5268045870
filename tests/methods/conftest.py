"""Tiny networks of every family, made once."""

from __future__ import annotations

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
