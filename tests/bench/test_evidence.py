"""Rows of evidence: they can say no, and they cannot contradict themselves."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from innerlight.bench.evidence import (
    claimed,
    faults,
    measured,
    methods_table,
    read_folder,
    read_rows,
    table,
    write_rows,
)
from innerlight.types import InputError, NotFoundError


def row(value: float = 1.0, limit: float | None = 0.5, sense: str = ">=", **about):
    return measured("room.measure", value, limit, sense, n=3, command="innerlight bench", **about)


def test_a_number_passes_its_limit_or_does_not():
    assert row(0.5).holds
    assert not row(0.49).holds
    assert row(0.2, sense="<=").holds
    assert not row(0.5, sense="<").holds
    assert not row(math.nan).holds
    assert row(0.0, limit=None).holds
    assert not row(math.nan, limit=None).holds


def test_the_worse_end_of_an_interval_decides():
    assert not row(0.6, low=0.4, high=0.8).holds
    assert row(0.6, low=0.55, high=0.8).holds
    assert not row(0.4, sense="<=", low=0.2, high=0.6).holds


def test_rows_replace_those_of_the_same_id_and_keep_the_others(tmp_path: Path):
    path = tmp_path / "evidence" / "room.json"
    write_rows(path, [row(1.0), replace(row(), id="room.other")])
    write_rows(path, [row(2.0)])
    assert {r.id: r.value for r in read_rows(path)} == {"room.measure": 2.0, "room.other": 1.0}
    kept = json.loads(path.read_text())[0]
    promised = "id kind value limit sense holds n low high baseline seeds model command commit versions hardware note"
    assert set(promised.split()) <= set(kept)


def test_contradictions_are_found():
    assert faults([row()]) == []
    assert "otherwise" in faults([replace(row(0.1), holds=True)])[0]
    assert "2 times" in faults([row(), row()])[0]
    assert "unknown" in faults([replace(row(), kind="hope")])[0]
    assert "command" in faults([replace(row(), command="")])[0]
    assert "not measured on all scenes" in faults([replace(row(), whole=False)])[0]


def test_a_claim_stands_by_the_worst_of_its_rivals():
    won, lost = row(0.6, low=0.55, high=0.8), row(0.4, low=0.3, high=0.45)
    open_ = row(0.6, low=0.4, high=0.8)
    rows = [
        replace(won, id="one.keep"),
        replace(lost, id="one.keep_over_chance"),
        replace(won, id="one.other"),
        replace(open_, id="one.other_over_chance"),
        replace(lost, id="one_more.keep"),
        replace(lost, id="one.cost", kind="cost"),
    ]
    assert claimed(rows, "one") == {"does not hold": 1, "undecided": 1}


def test_the_table_says_what_does_not_hold():
    text = table([row(), replace(row(0.1), id="room.bad")])
    assert "DOES NOT HOLD" in text.splitlines()[2]
    assert "DOES NOT HOLD" not in text.splitlines()[1]


WRONG_FIELDS = [{"value": "x"}, {"value": None}, {"limit": "0.5"}, {"n": "3"}, {"id": 3}, {"holds": 1}, {"extra": 0}]
WRONG_FIELDS += [{"conditions": None}, {"conditions": {"a": "b"}}, {"versions": []}, {"date": None}]


@pytest.mark.parametrize("wrong", WRONG_FIELDS)
def test_fields_of_the_wrong_kind_are_refused(tmp_path: Path, wrong: dict):
    path = tmp_path / "room.json"
    path.write_text(json.dumps([row().as_json() | wrong]))
    with pytest.raises(InputError, match="row 1"):
        read_rows(path)


def test_missing_and_stale_rows_are_found():
    assert faults([row()], promised=["room.measure"]) == []
    assert "missing" in faults([row()], promised=["room.other"])[0]
    assert faults([row(model="world:1")], current=["world:1"]) == []
    assert "stale" in faults([row(model="world:1")], current=["world:2"])[0]


@pytest.mark.parametrize("folder", ["evidence", "evidence/pocket-2"])
def test_what_was_measured_and_is_kept_has_no_faults(run, folder: str):
    code, out, err = run("evidence", Path(__file__).parents[2] / folder, "--json")
    assert json.loads(out)["faults"] == []
    assert code == 0, err


@pytest.mark.parametrize("text", ["", "{", "[]", "[1]", '[{"id": "x"}]', "{}x"])
def test_broken_tables_are_refused(tmp_path: Path, text: str):
    path = tmp_path / "room.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"room\.json"):
        read_rows(path)


def test_a_folder_without_tables_is_refused(tmp_path: Path):
    with pytest.raises(NotFoundError, match="make bench"):
        read_folder(tmp_path)


def test_the_table_of_methods_says_what_was_measured_in_part():
    rows = [replace(row(0.6, low=0.55, high=0.8), id="daam.iou")]
    assert "| 1 holds |" in methods_table(rows)
    assert "| 1 holds, on part of the scenes |" in methods_table([replace(rows[0], whole=False)])
    assert "| `pdm` | " in methods_table(rows)
