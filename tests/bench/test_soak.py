"""The suite of long lives: what it calls the same, what it calls half-written, and that it would see a difference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from innerlight.backbones import Backbone
from innerlight.bench import soak
from innerlight.bench.evidence import faults
from innerlight.files import write_json, write_picture


def test_work_is_compared_without_when_and_where(tmp_path: Path):
    for name, date in (("one", "today"), ("two", "tomorrow")):
        write_json([{"id": "daam.iou", "value": 0.5, "date": date}], tmp_path / name / "rows.json")
        lines = ['{"header": 1}', json.dumps({"key": "a", "result": {"iou": 1.0}, "seconds": len(name) + len(date)})]
        (tmp_path / name / "raw.jsonl").write_text("\n".join(lines))
    assert soak.contents(tmp_path / "one") == soak.contents(tmp_path / "two") != {}
    write_json([{"id": "daam.iou", "value": 0.6, "date": "today"}], tmp_path / "two" / "rows.json")
    assert soak.contents(tmp_path / "one") != soak.contents(tmp_path / "two")


def test_half_a_file_is_torn(tmp_path: Path):
    write_picture(np.zeros((8, 8, 3), np.uint8), tmp_path / "whole.png")
    write_json([1], tmp_path / "whole.json")
    assert soak.torn_files(tmp_path) == []
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:40])
    (tmp_path / "half.json").write_text("[1")
    (tmp_path / "half.safetensors").write_bytes(b"\x40\0\0\0\0\0\0\0{")
    torn = soak.torn_files(tmp_path)
    assert sorted(one.partition(":")[0] for one in torn) == ["half.json", "half.png", "half.safetensors"]


def test_what_was_killed_is_whole_after_another_run():
    row = soak.kills(1, ["index"])
    assert row.holds, row.note
    assert not faults([row])


def test_threads_give_what_one_gives(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(soak, "ROUNDS", 1)
    tasks = soak._tasks()
    quick = [task for number, task in enumerate(tasks) if number != 6]  # without DiffSeg, which needs real maps
    monkeypatch.setattr(soak, "_tasks", lambda: quick)
    assert soak.threads(small).holds
    calls = iter(range(100))
    monkeypatch.setattr(soak, "_tasks", lambda: [lambda model: np.array(next(calls)), quick[0]])
    row = soak.threads(small)
    assert row.value == 1
    assert not row.holds


def test_memory_is_that_of_runs_after_the_first():
    row = soak.memory(5)
    assert row.n == 5
    assert np.isfinite(row.value)
