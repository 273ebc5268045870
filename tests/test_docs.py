"""Pages are executed when they are built; here, quickly, that they could be: code, imports, links."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted((DOCS / "pages").glob("*.py"))
TEXTS = sorted([*DOCS.glob("*.rst"), *(DOCS / "api").glob("*.rst"), *PAGES])


def test_there_are_pages():
    assert len(PAGES) >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_imports_is_there(page: Path):
    for node in ast.walk(ast.parse(page.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("innerlight"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                present = hasattr(module, alias.name) or importlib.util.find_spec(f"{node.module}.{alias.name}")
                assert present, f"{page.name}: {node.module} has no {alias.name}"


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
def test_links_between_pages_lead_somewhere(text: Path):
    for target in re.findall(r":doc:`(?:[^`<]*<)?([^`>]+)>?`", text.read_text(encoding="utf-8")):
        start = DOCS if target.startswith("/") else (DOCS / "guide" if text in PAGES else text.parent)
        path = (start / target.lstrip("/")).resolve()
        made_from = DOCS / "pages" / f"{path.stem}.py"
        assert path.with_suffix(".rst").exists() or (path.parent.name == "guide" and made_from.exists()), target


def test_pages_listed_in_the_index_exist():
    listed = re.findall(r"^   ([a-z/]+)$", (DOCS / "index.rst").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert listed
    for name in listed:
        stem = name.rpartition("/")[2]
        assert (DOCS / f"{name}.rst").exists() or (DOCS / "pages" / f"{stem}.py").exists() or stem == "index", name
