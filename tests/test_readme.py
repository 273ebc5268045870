"""What the README shows is there, and what it says of the methods is what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from innerlight.bench.evidence import methods_table, read_folder
from innerlight.methods import names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKED = (
    "README.md",
    "CONTRIBUTING.md",
    "src/innerlight/weights/pocket/README.md",
    "src/innerlight/weights/pocket-2/README.md",
)
EVIDENCE = ROOT / "evidence"


def links(text: str) -> list[str]:
    """What a text in Markdown leads to and shows, but for the web and places in itself."""
    found = re.findall(r"\]\(<?([^)\s>]+)|^\[[^\]]+\]: <?(\S+?)>?$|(?:src|href)=\"([^\"]+)\"", text, flags=re.MULTILINE)
    targets = [next(filter(None, one)).partition("#")[0] for one in found]
    return [target for target in targets if target and not re.match(r"[a-z]+:", target)]


def test_links_are_found():
    text = '[a](b.md#c) ![d [e]](<f.png> "g") [h](#i) [j](https://k.l) <img src="m.png">\n[n]: o.md\n'
    assert links(text) == ["b.md", "f.png", "m.png", "o.md"]


@pytest.mark.parametrize("name", LINKED)
def test_links_lead_to_files(name: str):
    text = (ROOT / name).read_text(encoding="utf-8")
    missing = [link for link in links(text) if not (ROOT / name).parent.joinpath(link).is_file()]
    assert not missing


def test_the_readme_shows_pictures_and_leads_on():
    assert {"CHANGELOG.md", "CONTRIBUTING.md", "docs/pictures/drawn.png"} <= set(links(README))


def test_its_table_of_methods_is_that_of_the_registry_and_of_what_was_measured():
    table = methods_table(read_folder(EVIDENCE))
    assert table in README, "write it anew: innerlight evidence --markdown"


def test_the_claims_of_every_registered_method_are_measured():
    measured = {row.id.partition(".")[0] for row in read_folder(EVIDENCE) if row.kind == "claim"}
    assert set(names()) <= measured
