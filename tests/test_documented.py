"""Every command and every block of code of README and documentation runs, at quick size: a fifth of the steps.

`make docs` runs the pages as they stand.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from innerlight.backbones import folder

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
INDEX = (ROOT / "docs" / "index.rst").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs" / "pages").glob("*.py"))
QUICK = 5  # of so many steps one
EXCEPTIONS = {  # how a command begins: why it is not run here
    "make ": "set-up; `make demo` and `make test` run whole",
    "cat ": "shows what another command wrote",
    "ls ": "shows what another command wrote",
    "innerlight world score": "a measurement; tests/bench/test_world_scores.py has it at quick size",
    "innerlight bench": "a measurement; tests/bench/test_claims.py has it at quick size",
    "innerlight evidence": "reads what `innerlight bench` measured; tests/bench/test_evidence.py",
}

Run = Callable[..., tuple[int, str, str]]


def fewer(steps: int | str) -> int:
    return max(1, int(steps) // QUICK)


SIZES = {"--steps": fewer, "--count": lambda count: min(int(count), 9)}  # of commands


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Models draw in a fifth of their steps, all in an empty folder."""
    read = folder._calibration

    def shortened(place: Path) -> dict[str, object]:
        return {key: fewer(value) if key == "steps" else value for key, value in read(place).items()}

    monkeypatch.setattr(folder, "_calibration", shortened)
    monkeypatch.chdir(tmp_path)


class Fewer(ast.NodeTransformer):
    """Steps that code names."""

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        if node.arg == "steps" and isinstance(node.value, ast.Constant) and isinstance(node.value.value, int):
            node.value = ast.copy_location(ast.Constant(fewer(node.value.value)), node.value)
        self.generic_visit(node)
        return node


def run_code(code: str, name: str) -> dict[str, object]:
    """What it leaves, run as a module of that name, which dataclasses look for."""
    module = sys.modules[name] = ModuleType(name)
    try:
        exec(compile(Fewer().visit(ast.parse(code)), name, "exec"), vars(module))
    finally:
        del sys.modules[name]
    return vars(module)


def run_commands(text: str, run: Run) -> list[str]:
    """The commands of a text, one after another in one folder, for some read what others wrote; those that ran."""
    done = []
    for line, code in commands(text):
        if line.startswith(tuple(EXCEPTIONS)):
            continue
        program, *words = shlex.split(line)
        assert program == "innerlight", f"{line}: run it or say in EXCEPTIONS why not"
        for number, word in enumerate(words[:-1], 1):
            if word in SIZES:
                words[number] = str(SIZES[word](words[number]))
        found, out, err = run(*words)
        assert found == code, f"{line}: {err}"
        assert (out or err).strip(), f"{line} says nothing"
        assert "Traceback" not in err
        done.append(line)
    return done


def fences(text: str, language: str) -> str:
    """What stands in fences of a language, one after another."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(block for kind, block in found if kind == language)


def commands(text: str) -> list[tuple[str, int]]:
    """Of fences without a language, and of the directive that runs them."""
    found = [(line.partition("  #")[0], 0) for line in fences(text, "").splitlines()]
    for line, options in re.findall(r"^\.\. command:: (.*)\n((?:   :.*\n)*)", text, flags=re.MULTILINE):
        code = re.search(r":exit: (\d+)", options)
        found.append((line, int(code[1]) if code else 0))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page: Path):
    assert run_code(page.read_text(encoding="utf-8"), f"page_{page.stem}")


def test_the_code_of_the_readme_runs(capsys: pytest.CaptureFixture[str]):
    run_code(fences(README, "python"), "readme")
    assert {"parts.png", "parts-indexed.png", "matches.png"} <= {path.name for path in Path().iterdir()}
    assert capsys.readouterr().out.strip(), "it prints a caption"


def test_the_code_of_the_first_page_runs():
    (block,) = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", INDEX, flags=re.MULTILINE)
    assert "model" in run_code(re.sub(r"^   ", "", block, flags=re.MULTILINE), "index")


@pytest.mark.parametrize("text", ["README.md", "docs/commands.rst", "docs/index.rst"])
def test_commands_run(text: str, run: Run):
    assert run_commands((ROOT / text).read_text(encoding="utf-8"), run)


def test_every_exception_is_needed():
    lines = [line for text in ("README.md", "docs/commands.rst") for line, _ in commands((ROOT / text).read_text())]
    assert all(any(line.startswith(start) for line in lines) for start in EXCEPTIONS)
