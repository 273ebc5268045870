"""The README's Python runs as it stands there, and its commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> str:
    """What stands in fences of a language, one after another."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(text for kind, text in fences if kind == language)


def test_its_python_runs(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks("python")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"parts.png", "parts-indexed.png"} <= {path.name for path in tmp_path.iterdir()}
    assert done.stdout.strip(), "it prints a caption"


def test_its_commands_run(tmp_path: Path):
    """One after another in one folder, for some read what others wrote."""
    lines = re.findall(r"^innerlight .*$", blocks(""), flags=re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        words = [re.sub(r"^1000$", "3", word) for word in shlex.split(line)[1:]]  # at quick size
        code = "from innerlight.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout.strip(), f"{line} says nothing"
    assert {"car.png", "maps", "car.safetensors", "OUT"} <= {path.name for path in tmp_path.iterdir()}


def test_its_pictures_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert len(pictures) >= 2
    for name in pictures:
        assert (Path(__file__).parent.parent / name).exists(), name


def test_its_table_of_methods_is_that_of_the_registry_and_of_what_was_measured():
    from innerlight.bench.evidence import methods_table, read_folder

    table = methods_table(read_folder(Path(__file__).parent.parent / "evidence"))
    assert table in README, "write it anew: innerlight evidence --markdown"
