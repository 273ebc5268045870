"""Every registered method runs on every family, and a method that fails has a row that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from innerlight.backbones import Backbone, blank
from innerlight.bench import geometry_scores
from innerlight.bench.evidence import Row, faults, read_rows
from innerlight.bench.geometry_scores import FAMILIES, FEW
from innerlight.methods import get, names
from innerlight.types import InputError

SIZE = (64, 96)


def test_every_method_runs_on_every_family(tmp_path: Path):
    def score(opened: Callable[[str], Backbone]) -> list[Row]:
        return geometry_scores.score(tmp_path / "rows.json", tmp_path, opened=opened, size=SIZE)

    rows = score(lambda family: blank(family, "tiny"))
    assert [row.id for row in rows] == [f"{name}.geometry" for name in names()]
    assert all(row.holds for row in rows), [row.note for row in rows if not row.holds]
    assert read_rows(tmp_path / "rows.json") == sorted(rows, key=lambda row: row.id)
    assert not faults(rows)
    assert set(FEW) <= set(names())

    def again(family: str) -> Backbone:
        raise AssertionError(f"everything was tried on {family}")

    assert [row.note for row in score(again)] == [row.note for row in rows]


@pytest.mark.parametrize("name", ["dreambooth", "dreambooth_lora", "textual_inversion"])
def test_what_was_taught_is_looked_at(monkeypatch: pytest.MonkeyPatch, name: str):
    small = blank("sd15", "tiny")
    assert geometry_scores.run(small, name, SIZE)
    plain = get(name)

    def nothing(*given: Any, **named: Any) -> Any:
        return replace(plain.function(*given, **named), backbone=small)

    monkeypatch.setattr(geometry_scores, "get", lambda name: replace(plain, function=nothing))
    if name != "textual_inversion":
        assert not geometry_scores.run(small, name, SIZE), "weights that are what they were"


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
        tmp_path / "rows.json", tmp_path, ["dift"], ["sd15"], lambda family: blank(family, "tiny"), SIZE
    )
    assert row.holds == holds
    assert told in row.note
    (kept,) = tmp_path.glob("dift.geometry-*")
    assert (len(kept.read_text().splitlines()) == 2) == holds  # what failed is not kept: it is tried again
    assert FAMILIES == ("sd15", "sd21", "sdxl")
