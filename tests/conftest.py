"""What all tests share: hypothesis draws the same examples every time, unhurried; tiny networks, made once;
and the command line, run in a folder of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
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


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny saved model."""
    from innerlight.backbones import save_pipeline

    folder = tmp_path_factory.mktemp("model")
    save_pipeline(tiny("sd15"), folder, half=False)
    return str(folder)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """A command line, run in an empty folder: its exit code, stdout and stderr."""
    from innerlight.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["innerlight", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run
