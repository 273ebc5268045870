"""What the README shows is there, and what it says of the methods is what was measured."""

from __future__ import annotations

import re
from pathlib import Path

from innerlight.bench.evidence import methods_table, read_folder

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_its_pictures_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert len(pictures) >= 2
    for name in pictures:
        assert (Path(__file__).parent.parent / name).exists(), name


def test_its_table_of_methods_is_that_of_the_registry_and_of_what_was_measured():
    table = methods_table(read_folder(Path(__file__).parent.parent / "evidence"))
    assert table in README, "write it anew: innerlight evidence --markdown"
