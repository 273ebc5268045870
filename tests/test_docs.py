"""Pages are executed when they are built; here, quickly, that they could be: code, imports, commands, links."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted((DOCS / "pages").glob("*.py"))
TEXTS = sorted([*DOCS.glob("*.rst"), *(DOCS / "api").glob("*.rst")])
ROOMS = ("types", "files", "viz", "world", "maps", "metrics", "taps", "prompts", "backbones", "sampling", "methods")


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


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
def test_commands_that_pages_run_exist(text: Path):
    import typer.main

    from innerlight.cli import app
    from innerlight.cli._methods import DEFAULTS

    for line in re.findall(r"^\.\. command:: innerlight (.*)$", read(text), flags=re.MULTILINE):
        command, words = typer.main.get_command(app), shlex.split(line)
        while words and not words[0].startswith("-") and hasattr(command, "resolve_command"):
            context = command.make_context("innerlight", [words[0]], resilient_parsing=True)
            _, command, _ = command.resolve_command(context, words)  # fails for a command that is not there
            words = words[1:]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h", "--version"}
        known |= {"--method"} if shlex.split(line)[0] in DEFAULTS else set()  # taken out before its options are read
        unknown = {word for word in words if word.startswith("-")} - known
        assert not unknown, f"{text.name}: {line} has no {unknown}"


@pytest.mark.parametrize("room", ROOMS)
def test_the_reference_names_all_that_is_public(room: str):
    module = importlib.import_module(f"innerlight.{room}")
    text = read(DOCS / "api" / f"{room}.rst")
    public = getattr(module, "__all__", None) or [
        name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
    ]
    missing = [name for name in public if not re.search(rf"innerlight\.{room}\.{name}\b", text)]
    # named once, in words, where the signatures say no more than the name
    assert set(missing) <= {name for name in missing if f"``{name}``" in text}, missing
    for name in re.findall(r"^\.\. auto\w+:: (innerlight\S+)$", text, flags=re.MULTILINE):
        owner, _, last = name.rpartition(".")
        assert importlib.util.find_spec(owner), name
        assert hasattr(importlib.import_module(owner), last) or importlib.util.find_spec(name), name
