"""The command line: quick to start, clear when wrong, readable by programs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import innerlight
from innerlight.backbones import load
from innerlight.bench import demo_methods
from innerlight.bench.demo import CHAPTERS, EXHIBITS
from innerlight.files import read_recipe
from innerlight.methods import names


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "innerlight", *words], capture_output=True, text=True, cwd=cwd, check=False
    )


def imported_by(*words: str) -> set[str]:
    """The top-level packages that a command loads."""
    code = f"import sys; sys.argv[1:] = {list(words)!r}; from innerlight.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print('LOADED', *{name.split('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(out.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["world", "--help"]])
def test_help_loads_no_heavy_library(words: list[str]):
    assert not imported_by(*words) & {"torch", "diffusers", "transformers", "numpy", "PIL", "sklearn", "scipy"}


def test_importing_the_package_loads_nothing():
    code = "import sys; before = set(sys.modules); import innerlight; print(*set(sys.modules) - before)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(out.split()) <= {"innerlight", "__future__"}


def test_version():
    assert run("--version").stdout.strip() == f"innerlight {innerlight.__version__}"


def test_a_contact_sheet_with_its_recipe(tmp_path: Path):
    done = run("world", "--seed", "7", "--count", "4", "--size", "64", "-o", "sheet.png", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"output": "sheet.png", "scenes": 4}
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 128
    assert read_recipe(tmp_path / "sheet.png")["seed"] == 7


def test_an_export_through_the_command_line(tmp_path: Path):
    words = ["world", "export", "--format", "coco", "--count", "3", "--size", "32x48", "OUT", "--json"]
    assert json.loads(run(*words, cwd=tmp_path).stdout)["drawn"] == 3
    assert json.loads(run(*words, cwd=tmp_path).stdout)["drawn"] == 0
    assert len(list((tmp_path / "OUT" / "images").iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["wrld"], "world"),
        (["world", "--count", "none"], "integer"),
        (["world", "--count", "0"], "1"),
        (["world", "--seed", "-3"], "0"),
        (["world", "-o", "sheet.bmp", "--count", "1", "--size", "16"], ".png"),
        (["world", "-o", "file/sheet.png", "--count", "1", "--size", "16"], "file"),
        (["world", "export", "--format", "yolo", "OUT"], "coco, voc, spair"),
        (["world", "export", "--size", "big", "OUT"], "96x160"),
        (["world", "export", "--size", "\u00b2", "OUT"], "96x160"),
        (["world", "export", "--count", "100000000000", "OUT"], "1000000"),
        (["world", "--seed", "3", "export", "OUT"], "behind the command"),
        (["world", "export", "--count", "0", "OUT"], "count: expected"),
        (["world", "export", "file"], "file"),
        (["world", "score", "--answers", "nowhere.json"], "nowhere.json"),
        (["world", "score", "--answers", "file"], "file"),
        (["evidence", "nowhere"], "make bench"),
        (["demo", "file"], "file"),
        (["demo", "--seed", "x"], "integer"),
        (["demo", "--only", "Nowhere"], "Recognise"),
    ],
)
def test_bad_input_is_one_clear_line_and_no_traceback(tmp_path: Path, words: list[str], cure: str):
    (tmp_path / "file").write_text("not a folder, not JSON")
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert cure in done.stderr
    assert done.stdout == ""
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_the_demo_page_shows_every_exhibit(tmp_path: Path):
    done = run("demo", str(tmp_path / "demo"), "--only", "Read", "--only", "The world", "--json")
    assert done.returncode == 0, done.stderr
    page = Path(json.loads(done.stdout)["page"]).read_text()
    pictures = {path.stem for path in (tmp_path / "demo").glob("*.png")}
    assert pictures == {one.name for one in EXHIBITS if one.chapter in ("Read", "The world")}
    assert all(f'src="{name}.png"' in page for name in pictures)
    assert "{seed}" not in page


def test_the_demo_has_an_exhibit_for_every_method():
    shown = {one.name for one in EXHIBITS}
    assert {f"method_{name}" for name in names()} <= shown
    assert len(shown) == len(EXHIBITS)
    assert {one.chapter for one in EXHIBITS} == set(CHAPTERS)
    assert all(one.title and one.text.endswith(".") for one in EXHIBITS)


@pytest.mark.parametrize("name", ["textual_inversion", "style_mixing"])
def test_the_demo_shows_what_ships_taught(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo_methods, "STEPS", 1)
    model = load()
    few = replace(model, calibration={**model.calibration, "steps": 2})
    monkeypatch.setattr(demo_methods, "model", lambda: few)
    width, height = demo_methods.draw(name, 7).size
    assert width > height > 0
