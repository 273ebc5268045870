"""What ships taught was learned from what `docs/teach.py` draws."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

from innerlight.backbones import WEIGHTS
from innerlight.files import read_picture

SCRIPT = Path(__file__).parent.parent / "docs" / "teach.py"


def test_the_pictures_that_ship_are_those_that_the_script_draws():
    script = runpy.run_path(str(SCRIPT))
    drawn = script["shots"]()
    shipped = sorted((WEIGHTS / "taught").glob("shot-*.png"))
    assert len(shipped) == len(drawn) == 5
    for path, picture in zip(shipped, drawn, strict=True):
        assert np.array_equal(np.asarray(read_picture(path)), np.asarray(picture)), path.name
