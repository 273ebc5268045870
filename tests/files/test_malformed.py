"""The table of malformed and odd files, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerlight.bench.malformed import Case, Refused, Right, cases, run_case, run_cases
from innerlight.files import read_picture
from innerlight.types import InputError


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_case(case: Case, tmp_path: Path):
    outcome = run_case(case, tmp_path / "case")
    assert outcome.passed, outcome.detail


def test_there_are_seventy_cases_with_names_of_their_own(tmp_path: Path):
    outcomes = run_cases(tmp_path)
    assert len({outcome.name for outcome in outcomes}) == len(outcomes) >= 70


def wrong(name: str, act, expect) -> Case:
    return Case(name, lambda folder: folder, act, expect)


@pytest.mark.parametrize(
    "case",
    [
        wrong("wrong result", lambda _: 1, Right(lambda value: value == 2)),
        wrong("no refusal", lambda _: 1, Refused(InputError, "")),
        wrong("other words", lambda _: read_picture(b""), Refused(InputError, "words it does not say")),
        wrong("other error", lambda _: {}["a"], Refused(InputError, "a")),
        wrong("error for a result", lambda _: read_picture(b""), Right(lambda _: True)),
        wrong("leftover", lambda folder: (folder / ".innerlight-tmp-1").touch(), Right(lambda _: True)),
    ],
    ids=lambda case: case.name,
)
def test_a_case_can_fail(case: Case, tmp_path: Path):
    assert not run_case(case, tmp_path / "case").passed


def test_a_refusal_that_changed_a_file_fails(tmp_path: Path):
    def act(folder: Path):
        (folder / "half.png").write_bytes(b"half")
        raise InputError("no")

    assert "half.png" in run_case(wrong("half", act, Refused(InputError, "no")), tmp_path / "case").detail
