"""The registry is read from the files: names, families, summaries, without importing a method."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from innerlight import methods
from innerlight.methods import FAMILIES, Claim, get, method, names, summaries
from innerlight.types import NotFoundError


def test_file_name_registry_name_and_test_name_are_one():
    for name in names():
        found = get(name)
        assert found.name == found.function.__name__ == name
        assert found.family in FAMILIES
        assert (Path(methods.__file__).parent / found.family / f"{name}.py").exists()
        assert (Path(__file__).parent / f"test_{name}.py").exists(), f"{name} has no test file"


def test_a_method_says_what_it_is_and_from_where():
    for name in names():
        found = get(name)
        assert found.summary.endswith(".")
        assert found.paper.removeprefix("arXiv:") in found.summary
        assert found.function.__doc__
        assert found.claims, f"{name} claims nothing"


def test_settings_are_frozen():
    for name in names():
        with pytest.raises(AttributeError):
            get(name).config().anything = 1


def test_listing_imports_no_torch():
    code = (
        "import sys; from innerlight.methods import names, summaries as s; names(); s(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_unknown_names_are_met_with_known_ones():
    with pytest.raises(NotFoundError, match="daam"):
        get("dam")
    with pytest.raises(NotFoundError, match="reading"):
        names("poetry")
    assert set(summaries()) == set(names())
    assert names("reading")[0] == "daam"


def test_a_method_elsewhere_is_refused():
    with pytest.raises(AssertionError, match="must stand in"):
        method(family="reading", paper="arXiv:0")(lambda backbone, config=None, *, seed=0: None)
    assert Claim("daam.x", "", (), lambda backbone, seed: None).scenes == 200
