"""Pages are executed when they are built; here, quickly, that they could be: code, imports, commands, links."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from innerlight.methods import names

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted((DOCS / "pages").glob("*.py"))
REFERENCE = sorted((DOCS / "api").glob("*.rst"))
TEXTS = sorted([*DOCS.glob("*.rst"), *REFERENCE])
BESIDE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PACKAGE = ROOT / "src" / "innerlight"
UNREFERENCED = {  # rooms without a page: why
    "bench": "measures the library; of what others use, its data sets, there is a page",
    "cli": "its commands have a page",
}
UNWRITTEN = {"innerlight carried"}  # commands of what docs/pages/adding.py adds


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def is_page(name: str) -> bool:
    """Whether the build makes a page of this name, given from the top of the documentation."""
    folder, _, stem = name.rpartition("/")
    return (DOCS / f"{name}.rst").exists() or (folder == "guide" and stem in {"index", *(p.stem for p in PAGES)})


def linked(path: Path) -> list[str]:
    """The pages that a text leads to, from the top of the documentation."""
    here = "guide" if path in PAGES else path.parent.relative_to(DOCS).as_posix().strip(".")
    targets = re.findall(r":doc:`(?:[^`<]*<)?([^`>]+)>?`", read(path))
    return [target.lstrip("/") if target.startswith("/") or not here else f"{here}/{target}" for target in targets]


def listed() -> list[str]:
    """The pages of the sidebar."""
    trees = re.findall(r"\.\. toctree::\n(?:   :.*\n)*\n((?:   \S+\n)+)", read(DOCS / "index.rst"))
    return [name for tree in trees for name in tree.split()]


def modules_of(text: str) -> dict[str, str]:
    """The modules that a page of the reference has, and the options of each."""
    return dict(re.findall(r"^\.\. automodule:: (\S+)\n((?:   .*\n)*)", text, flags=re.MULTILINE))


def public(module: ModuleType) -> list[str]:
    """What it exports, or defines."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return getattr(module, "__all__", None) or [name for name in own if not name.startswith("_")]


def references(text: str) -> list[str]:
    """What a text names in our code, in full."""
    return re.findall(r":(?:py:)?(?:class|func|mod|meth|attr|data|exc|obj):`(?:[^`<]*<)?~?([^`>]+)>?`", text)


def is_there(name: str) -> bool:
    """Whether a module, or something in one, has this full name; of a class also its fields."""
    parts = name.split(".")
    for place in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:place]))
        except ModuleNotFoundError:
            continue
        for part in parts[place:]:
            if part in getattr(found, "__dataclass_fields__", {}):
                return part == parts[-1]
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_nothing_is_missed():
    assert {page.stem for page in PAGES} >= {"world", "pictures", "files", "conventions"}
    assert len(TEXTS) >= 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_compiles_and_its_imports_are_there(page: Path):
    code = compile(read(page), str(page), "exec", flags=ast.PyCF_ONLY_AST)
    assert ast.get_docstring(code), "a page starts with its title"
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            assert all(importlib.util.find_spec(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                present = hasattr(module, alias.name) or importlib.util.find_spec(f"{node.module}.{alias.name}")
                assert present, f"{page.name}: {node.module} has no {alias.name}"


@pytest.mark.parametrize("text", [*TEXTS, *PAGES], ids=lambda text: text.name)
def test_links_lead_to_pages(text: Path):
    for name in linked(text):
        assert is_page(name), f"{text.name} links to {name}, which is no page"


def test_the_sidebar_lists_every_page_once():
    assert all(is_page(name) for name in listed())
    written = {text.relative_to(DOCS).with_suffix("").as_posix() for text in TEXTS} - {"index"}
    assert sorted(listed()) == sorted(written | {"guide/index"})


def test_the_gallery_has_a_place_for_every_page():
    spec = importlib.util.spec_from_file_location("gallery", DOCS / "extensions" / "gallery.py")
    assert spec
    assert spec.loader
    gallery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gallery)
    assert sorted(gallery.ORDER) == [page.stem for page in PAGES]


@pytest.mark.parametrize("text", [*TEXTS, *PAGES, *BESIDE], ids=lambda text: text.name)
def test_commands_that_are_named_exist(text: Path):
    import typer.main

    from innerlight.cli import app
    from innerlight.cli._methods import DEFAULTS

    whole = re.sub(r"\n# ?", "\n", read(text)) if text in PAGES else read(text)
    lines = re.findall(r"^(?:\.\. command:: |   \$ )innerlight (.*?)(?:  #.*)?$", whole, flags=re.MULTILINE)
    lines += [" ".join(words.split()) for words in re.findall(r"`innerlight\s([^`]+)`", whole)]
    for line in lines:
        if f"innerlight {line}" in UNWRITTEN:
            continue
        command, words = typer.main.get_command(app), shlex.split(line)
        while words and not words[0].startswith("-") and hasattr(command, "resolve_command"):
            context = command.make_context("innerlight", [words[0]], resilient_parsing=True)
            _, command, _ = command.resolve_command(context, words)  # fails for a command that is not there
            words = words[1:]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h", "--version"}
        known |= {"--method"} if shlex.split(line)[0] in DEFAULTS else set()  # taken out before its options are read
        unknown = {word for word in words if word.startswith("-")} - known
        assert not unknown, f"{text.name}: {line} has no {unknown}"


@pytest.mark.parametrize("page", REFERENCE, ids=lambda page: page.stem)
def test_the_reference_names_all_that_is_public(page: Path):
    text = read(page)
    named = set(re.findall(r"^\.\. (?:auto\w+|py:data):: innerlight\.(?:\S+\.)?(\w+)$", text, flags=re.MULTILINE))
    named |= set(re.findall(r"``(\w+)``", text))  # once, in words, where the signatures say no more than the name
    for name, options in modules_of(text).items():
        chosen = re.search(r":(no-members|members):([^:]*)", options)
        if chosen is not None:  # else all are there
            missing = {*public(importlib.import_module(name))} - named - {*re.findall(r"\w+", chosen[2])}
            assert not missing, f"{page.name} lacks {missing} of {name}"
    for name in re.findall(r"^\.\. auto\w+:: (\S+)$", text, flags=re.MULTILINE):
        assert is_there(name), name


def test_every_room_has_its_page_of_the_reference():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__", *UNREFERENCED} <= {page.stem for page in REFERENCE}
    assert set(UNREFERENCED) <= rooms
    tuning = {f"innerlight.tuning.{path.stem}" for path in (PACKAGE / "tuning").glob("*.py") if path.stem[0] != "_"}
    assert tuning <= set(modules_of(read(DOCS / "api" / "tuning.rst"))), "it exports nothing: each module is there"


@pytest.mark.parametrize("text", [*TEXTS, *PAGES], ids=lambda text: text.name)
def test_references_name_what_is_there(text: Path):
    for name in references(read(text)):
        assert is_there(name), f"{text.name} names {name}, which is not there"


def test_a_name_that_is_not_there_is_found():
    assert references(":class:`~innerlight.a.B`, :func:`innerlight.c`, :meth:`d <innerlight.e>`, :doc:`f`") == [
        "innerlight.a.B", "innerlight.c", "innerlight.e",
    ]  # fmt: skip
    assert is_there("innerlight.sampling.Run.progress")
    assert is_there("innerlight.matching.Store.open")
    assert not is_there("innerlight.matching.Store.opened")
    assert not is_there("innerlight.nowhere.Store")
    assert not is_there("Store")


def test_there_are_no_doctests():
    """Nothing would run them: examples stand in pages, which are run."""
    sources = [
        path for folder in (PACKAGE, DOCS) for path in folder.rglob("*") if path.suffix in (".py", ".rst", ".md")
    ]
    assert [path.name for path in [*sources, *BESIDE] if ">>>" in read(path)] == []


@pytest.mark.parametrize("name", names())
def test_each_method_is_called_on_a_page(name: str):
    assert any(re.search(rf"\b{name}\(", read(page)) for page in PAGES), f"{name} is on no page"
