"""What the README shows is there, and what it says of the methods is what was measured."""

from __future__ import annotations

import re
from pathlib import Path

from innerlight.bench.evidence import methods_table, read_folder
from innerlight.methods import names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EVIDENCE = ROOT / "evidence"


def test_its_pictures_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert len(pictures) >= 2
    for name in pictures:
        assert (ROOT / name).exists(), name


def test_its_table_of_methods_is_that_of_the_registry_and_of_what_was_measured():
    table = methods_table(read_folder(EVIDENCE))
    assert table in README, "write it anew: innerlight evidence --markdown"


def test_the_claims_of_every_registered_method_are_measured():
    measured = {row.id.partition(".")[0] for row in read_folder(EVIDENCE) if row.kind == "claim"}
    assert set(names()) <= measured
