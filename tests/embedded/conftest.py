"""A few scenes in memory, for the stages to train on."""

from __future__ import annotations

import pytest
import torch

from innerlight.embedded.data import Scenes, draw_scenes


@pytest.fixture(scope="session")
def scenes() -> Scenes:
    torch.set_num_threads(1)
    return Scenes(**{field: [values] for field, values in draw_scenes(range(32), 64).items()})
