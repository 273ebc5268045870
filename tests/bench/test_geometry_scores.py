"""Every registered method runs on every family, and a method that fails has a row that says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from innerlight.backbones import blank
from innerlight.bench import geometry_scores
from innerlight.bench.evidence import faults, read_rows
from innerlight.bench.geometry_scores import FAMILIES, FEW
from innerlight.methods import get, names
from innerlight.types import InputError

SIZE = (64, 96)


def test_every_method_runs_on_every_family(tmp_path: Path):
    rows = geometry_scores.score(tmp_path / "rows.json", opened=lambda family: blank(family, "tiny"), size=SIZE)
    assert [row.id for row in rows] == [f"{name}.geometry" for name in names()]
    assert all(row.holds for row in rows), [row.note for row in rows if not row.holds]
    assert read_rows(tmp_path / "rows.json") == sorted(rows, key=lambda row: row.id)
    assert not faults(rows)
    assert set(FEW) <= set(names())


@pytest.mark.parametrize(
    ("error", "holds", "told"),
    [(InputError("no such layers here"), True, "refuses: no such"), (ValueError("oh"), False, "fails: ValueError: oh")],
)
def test_a_refusal_is_told_with_its_reason_and_a_failure_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, holds: bool, told: str
):
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise error

    monkeypatch.setattr(geometry_scores, "get", lambda name: replace(get(name), function=broken))
    (row,) = geometry_scores.score(
        tmp_path / "rows.json", ["dift"], ["sd15"], lambda family: blank(family, "tiny"), SIZE
    )
    assert row.holds == holds
    assert told in row.note
    assert FAMILIES == ("sd15", "sd21", "sdxl")
