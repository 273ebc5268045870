"""The house: what is built works elsewhere, and the files that every project owes are there."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import innerlight

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_no_two_test_modules_share_a_name():
    """Pytest imports them by it, so that of two one is not collected."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


def test_the_wheel_holds_code_types_and_templates_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"innerlight/py.typed", "innerlight/bench/templates/demo.html"} <= set(names)
    assert all(name.startswith(("innerlight/", f"innerlight-{innerlight.__version__}.dist-info/")) for name in names)
    source = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*.py")}
    assert source <= set(names)


def test_the_wheel_works_where_the_sources_are_not(wheel: Path, tmp_path: Path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import innerlight, sys; from innerlight.cli import main; print(innerlight.__file__, file=sys.stderr); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "page", "--only", "Read"], cwd=tmp_path, capture_output=True, text=True,
        check=False, env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "site") in done.stderr, "the installed copy ran, not the sources"
    assert (tmp_path / "page" / "index.html").exists()


def test_the_version_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project["dynamic"]
    assert f"version: {innerlight.__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_every_dependency_has_a_cap_and_a_pin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for wish in project["dependencies"]:
        name, _, bounds = wish.partition(">=")
        assert ",<" in bounds, f"{wish}: cap the next major"
        assert name.lower() in pinned, f"{name}: pin what the tests ran on in constraints.txt"


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "CITATION.cff", ".ci/run"])
def test_a_file_every_project_owes(name: str):
    assert len((ROOT / name).read_text(encoding="utf-8")) > 100


def test_ci_runs_what_the_readme_says():
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
