"""Tiny networks of every family, made once, and a pass through each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from passes import FAMILIES, Pass, a_pass, in_half, tiny

from innerlight.backbones import Backbone


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="session", params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny(request.param)


@pytest.fixture(scope="session", params=["float32", "bfloat16"])
def either(request: pytest.FixtureRequest, backbone: Backbone) -> Pass:
    """A pass in each precision."""
    return a_pass(backbone if request.param == "float32" else in_half(backbone))


@pytest.fixture(scope="session")
def once(backbone: Backbone) -> Pass:
    return a_pass(backbone)


@pytest.fixture(scope="session")
def small() -> Pass:
    return a_pass(tiny("sd15"))
