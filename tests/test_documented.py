"""Every command and every block of code of README and documentation runs, at quick size: a fifth of the steps.

`make docs` runs the pages as they stand.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from innerlight.backbones import WEIGHTS, folder
from innerlight.bench import world_scores
from innerlight.methods import _registry, reading

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted((DOCS / "pages").glob("*.py"))
TEXTS = [ROOT / "README.md", *sorted(DOCS.glob("*.rst")), *sorted((DOCS / "api").glob("*.rst")), *PAGES]
SHOTS = [str(path) for path in sorted((WEIGHTS / "taught").glob("shot-*.png"))]  # where a text says PICTURE...
QUICK = 5  # of so many steps one
EXCEPTIONS = {  # how a command begins: why it is not run here
    "make ": "installs; what `make demo` calls is run on parts of the page by tests/test_cli.py, `make test` runs this",
    "innerlight bench geometry": "networks of the published shapes; tests/bench/test_geometry_scores.py has tiny ones",
}

Run = Callable[..., tuple[int, str, str]]


def fewer(steps: int | str) -> int:
    return max(1, int(steps) // QUICK)


SIZES = {  # of commands
    "--steps": fewer,
    "--scenes": lambda scenes: max(2, fewer(scenes)),
    "--count": lambda count: min(int(count), 9),
}
LEFT_OUT = {"teach": ("--steps", "10", "--report", "0"), "bench": ("--scenes", "10")}  # by a text, and long then


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Models draw in a fifth of their steps, all in an empty folder; of the world's rows the slow ones are cut."""
    monkeypatch.setattr(world_scores, "COLOUR_WEIGHTS", (1.0,))
    monkeypatch.setattr(world_scores, "_seconds", lambda way: 0.1)
    monkeypatch.setattr(world_scores, "_loads_torch", lambda way: False)
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
        assert program in ("cat", "ls", "innerlight"), f"{line}: run it or say in EXCEPTIONS why not"
        found, out, err = run(*sized(words)) if program == "innerlight" else shown(program, *words)
        assert found == code, f"{line}: {err}"
        assert (out or err).strip(), f"{line} says nothing"
        assert "Traceback" not in err
        done.append(line)
    return done


def shown(*words: str) -> tuple[int, str, str]:
    """What another command wrote, as a shell shows it."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def sized(words: list[str]) -> list[str]:
    """A command at quick size, on pictures that are there."""
    more = LEFT_OUT.get(words[0], ())
    words = [*words, *(more if not {"--help", *more[:1]} & {*words} else ())]
    for number, word in enumerate(words[:-1], 1):
        if word in SIZES:
            words[number] = str(SIZES[word](words[number]))
    return [one for word in words for one in (SHOTS if word == "PICTURE..." else [word])]


def text_of(path: Path) -> str:
    """A text; of a page what stands between its code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    comments = [line.removeprefix("#").removeprefix(" ") for line in text.splitlines() if line.startswith("#")]
    return "\n".join([ast.get_docstring(ast.parse(text)) or "", *comments, ""])


def blocks(text: str, language: str) -> str:
    """What stands in blocks of a language, one after another; in Markdown's fences it may be none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    found += re.findall(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", text, flags=re.MULTILINE)
    return "".join(dedent(block) for kind, block in found if kind == language)


def commands(text: str) -> list[tuple[str, int]]:
    """Of fences without a language, of blocks of a console, and of the directive that runs them."""
    lines = blocks(text, "").splitlines() + re.findall(r"^\$ (.*)$", blocks(text, "console"), flags=re.MULTILINE)
    found = [(line.partition("  #")[0].rstrip(), 0) for line in lines]
    for line, options in re.findall(r"^\.\. command:: (.*)\n((?:   :.*\n)*)", text, flags=re.MULTILINE):
        code = re.search(r":exit: (\d+)", options)
        found.append((line, int(code[1]) if code else 0))
    return found


def file_of(page: Path) -> str:
    """The file that the page on adding a method tells to write: what the page defines, with what its block has above
    the function.
    """
    title, *body = ast.parse(page.read_text(encoding="utf-8")).body
    *above, told = ast.parse(blocks(text_of(page), "python")).body
    assert isinstance(told, ast.FunctionDef)
    kinds = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
    defined = {getattr(node, "name", str(place)): node for place, node in enumerate(body) if isinstance(node, kinds)}
    function = defined.pop(told.name)
    assert isinstance(function, ast.FunctionDef)
    assert ast.unparse(function.args) == ast.unparse(told.args)
    function.decorator_list = told.decorator_list
    claim = next(node for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets) == "claim")
    return ast.unparse(ast.Module([title, *above, *defined.values(), claim, function], []))


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The method of the page on adding one is in the library."""
    path, name = tmp_path_factory.mktemp("reading") / "carried.py", "innerlight.methods.reading.carried"
    path.write_text(file_of(DOCS / "pages" / "adding.py"), encoding="utf-8")
    files = _registry._files
    monkeypatch.setattr(_registry, "_files", lambda family: [*files(family), *[path] * (family == "reading")])
    monkeypatch.setattr(reading, "__path__", [*reading.__path__, str(path.parent)])
    yield
    for known, key in ((sys.modules, name), (_registry._registered, "carried"), (vars(reading), "carried")):
        known.pop(key, None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page: Path):
    assert run_code(page.read_text(encoding="utf-8"), f"page_{page.stem}")


def test_the_code_of_the_readme_runs(capsys: pytest.CaptureFixture[str]):
    run_code(blocks(text_of(ROOT / "README.md"), "python"), "readme")
    assert {"parts.png", "parts-indexed.png", "matches.png"} <= {path.name for path in Path().iterdir()}
    assert capsys.readouterr().out.strip(), "it prints a caption"


def test_the_code_of_the_first_page_runs():
    assert "model" in run_code(blocks(text_of(DOCS / "index.rst"), "python"), "index")


@pytest.mark.parametrize(
    "path", [path for path in TEXTS if path.stem != "adding" and commands(text_of(path))], ids=lambda path: path.name
)
def test_commands_run(path: Path, run: Run):
    assert run_commands(text_of(path), run)


@pytest.mark.usefixtures("added")
def test_the_method_of_the_page_on_adding_is_one(run: Run):
    assert "carried" in run("methods")[1]
    code, _, err = run("carried", "a cat on the grass", "--seed", "3", "-o", "maps")
    assert code == 0, err
    done = run_commands(text_of(DOCS / "pages" / "adding.py"), run)
    assert done == ["innerlight bench carried", "innerlight evidence --markdown"]


def test_no_block_is_left_out():
    texts = {path.name: text_of(path) for path in TEXTS}
    assert {name for name, text in texts.items() if blocks(text, "python")} == {"README.md", "index.rst", "adding.py"}
    for name, text in texts.items():
        kinds = re.findall(r"^\s*```(.*)$", text, flags=re.MULTILINE)
        kinds += re.findall(r"^\s*\.\. (?:code|code-block|sourcecode)::(.*)$", text, flags=re.MULTILINE)
        assert {kind.strip() for kind in kinds} <= {"", "python", "console"}, name
        assert not re.search(r"^(?!\s*\.\. ).*::$", text, flags=re.MULTILINE), f"{name}: name the language of a block"


def test_every_exception_is_needed():
    lines = [line for path in TEXTS for line, _ in commands(text_of(path))]
    assert all(any(line.startswith(start) for line in lines) for start in EXCEPTIONS)
