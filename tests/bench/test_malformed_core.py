"""Odd input through the commands: every command has its cases, and the table sees what a command does wrong."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from innerlight.bench import malformed_core
from innerlight.bench.evidence import read_rows
from innerlight.bench.malformed import cases
from innerlight.bench.malformed_core import Line, lines, run_commands
from innerlight.cli import app
from innerlight.cli._methods import DEFAULTS

EVIDENCE = Path(__file__).parents[2] / "evidence"


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command; a group that does something by itself is one, too."""
    for name in group.list_commands(None):
        one = group.get_command(None, name)
        if not hasattr(one, "list_commands"):
            yield (*words, name)
            continue
        if one.invoke_without_command:
            yield (*words, name)
        yield from commands(one, (*words, name))


def asked_of(line: Line, known: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The command that a line runs: its longest, for `world export` is none of `world`."""
    return next((line.words[:length] for length in (2, 1) if line.words[:length] in known), ())


def test_every_command_is_given_what_it_cannot_take():
    known = set(commands(get_command(app)))
    assert {("world",), ("world", "export"), ("teach",), ("p-plus",)} < known
    given = Counter(asked_of(line, known) for line in lines() if line.code)
    assert {" ".join(words): given[words] for words in known if given[words] < 2} == {}


def test_verbs_run_what_the_command_line_lets_them_run():
    assert malformed_core.VERBS == DEFAULTS


def test_every_line_has_a_name_of_its_own():
    assert [name for name, count in Counter(line.name for line in lines()).items() if count > 1] == []


@pytest.mark.parametrize(("table", "tried"), [("core", [lines]), ("soak", [lines, cases])])
def test_the_rows_are_of_the_input_that_there_is(table: str, tried: list[Callable[[], list[Any]]]):
    (found,) = (row for row in read_rows(EVIDENCE / f"{table}.json") if row.id.endswith(".malformed"))
    assert (found.n, found.holds) == (sum(len(one()) for one in tried), True), f"run innerlight bench {table} again"


def fault(folder: Path) -> None:
    raise ZeroDivisionError


def silence(folder: Path) -> None:
    sys.exit(2)


def success(folder: Path) -> None:
    print("innerlight: nothing to do", file=sys.stderr)


def chatter(folder: Path) -> None:
    print("innerlight: nothing to do", "a second line", sep="\n", file=sys.stderr)
    sys.exit(2)


def half_a_file(folder: Path) -> None:
    (folder / "new.png").write_bytes(b"half")
    refusal(folder)


def a_journal(folder: Path) -> None:
    (folder / "manifest.jsonl").write_bytes(b"{}")
    refusal(folder)


def refusal(folder: Path) -> None:
    print("innerlight: nothing to do, like this:\n    a.png", file=sys.stderr)
    sys.exit(2)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (fault, "ZeroDivisionError came through"),
        (silence, "does not say"),
        (success, "exit 0"),
        (chatter, "one message"),
        (half_a_file, "new.png"),
        (a_journal, ""),
        (refusal, ""),
    ],
)
def test_what_a_command_does_wrong_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Any, complaint: str):
    monkeypatch.setattr(malformed_core, "_make", lambda folder: None)
    monkeypatch.setattr(malformed_core, "lines", lambda: [Line("one", ("generate",), "nothing")])
    (outcome,) = run_commands(lambda: wrong(tmp_path), tmp_path)
    assert outcome.passed == (not complaint)
    assert complaint in outcome.detail
