"""The journal: killed at any moment, the work goes on, loses nothing and repeats nothing."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from innerlight.files import Manifest, WriteError
from innerlight.types import InputError, NotFoundError

SETTINGS = {"steps": 25, "method": {"name": "daam"}}

# Each key: note the start of the work, work, write the output atomically, record.
WORKER = """
import os, sys, time
from pathlib import Path
from innerlight.files import Manifest, write_text
folder, count = Path(sys.argv[1]), int(sys.argv[2])
starts = os.open(folder / "starts.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
with Manifest.open(folder / "manifest.jsonl", task="square", settings={}) as manifest:
    print("ready", flush=True)
    for key in manifest.pending(str(number) for number in range(count)):
        os.write(starts, f"{key}\\n".encode())
        time.sleep(0.002)
        write_text(str(int(key) ** 2) * 50, folder / f"{key}.txt")
        manifest.record(key, square=int(key) ** 2)
"""


def opened(path: Path) -> Manifest:
    return Manifest.open(path, task="edit", settings=SETTINGS)


def recorded(path: Path) -> list[str]:
    """Keys of the whole lines, read without the library."""
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line)["key"] for line in whole.split(b"\n")[1:]]


def start_worker(folder: Path, count: int) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(folder), str(count)], stdout=subprocess.PIPE)
    assert worker.stdout
    assert worker.stdout.readline() == b"ready\n"
    return worker


def test_killed_at_any_moment_loses_nothing_and_repeats_nothing(tmp_path: Path):
    count, kills, chance = 400, 15, random.Random(0)
    journal, starts = tmp_path / "manifest.jsonl", tmp_path / "starts.txt"
    interrupted = 0
    for _ in range(kills):
        done, begun = set(recorded(journal)), len(starts.read_text().split()) if starts.exists() else 0
        worker = start_worker(tmp_path, count)
        time.sleep(chance.uniform(0, 0.05))
        worker.kill()
        interrupted += worker.wait() == -signal.SIGKILL
        assert worker.stdout
        worker.stdout.close()
        assert done <= set(recorded(journal)), "a recorded key was lost"
        assert not done & set(starts.read_text().split()[begun:]), "a recorded key was done again"
    assert interrupted == kills
    assert 0 < len(recorded(journal)) < count
    last = start_worker(tmp_path, count)
    assert last.wait() == 0
    assert last.stdout
    last.stdout.close()

    keys = [str(number) for number in range(count)]
    assert recorded(journal) == keys
    assert all((tmp_path / f"{key}.txt").read_text() == str(int(key) ** 2) * 50 for key in keys)
    begun_again = Counter(starts.read_text().split())
    assert sum(begun_again.values()) <= count + kills, "more than the key in flight was done again"
    with Manifest.open(journal, task="square", settings={}) as manifest:
        assert manifest.result("7") == {"square": 49}


def test_a_line_cut_at_any_byte_is_dropped_and_the_rest_kept(tmp_path: Path):
    path = tmp_path / "m.jsonl"
    with opened(path) as manifest:
        manifest.record("a", score=0.5)
        manifest.record("b", words=["猫"])
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with opened(path) as manifest:
            assert len(manifest) == max(0, sum(end <= cut for end in ends) - 1)
            manifest.record("c")
        assert path.read_bytes().endswith(b'{"key": "c", "result": {}}\n')
        assert recorded(path)[-1] == "c"


def test_what_was_recorded_is_there(tmp_path: Path):
    with opened(tmp_path / "deep" / "m.jsonl") as manifest:
        manifest.record("a", score=1)
        assert list(manifest.pending(["a", "b", "c"])) == ["b", "c"]
    with opened(tmp_path / "deep" / "m.jsonl") as manifest:
        assert manifest.done("a")
        assert not manifest.done("b")
        assert dict(manifest.results) == {"a": {"score": 1}}
        assert len(manifest) == 1
        with pytest.raises(NotFoundError, match="'b' is not recorded"):
            manifest.result("b")


def test_pending_sees_what_is_recorded_meanwhile(tmp_path: Path):
    with opened(tmp_path / "m.jsonl") as manifest:
        seen = []
        for key in manifest.pending(["a", "b", "a"]):
            seen.append(key)
            manifest.record(key)
    assert seen == ["a", "b"]


def test_settings_that_differ_are_named_and_nothing_is_changed(tmp_path: Path):
    with opened(tmp_path / "m.jsonl") as manifest:
        manifest.record("a")
    before = (tmp_path / "m.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"seed is 'absent' there, 1 here; steps is 25 there, 50 here"):
        Manifest.open(tmp_path / "m.jsonl", task="edit", settings=SETTINGS | {"steps": 50, "seed": 1})
    assert (tmp_path / "m.jsonl").read_bytes() == before


def test_a_journal_without_results_takes_other_settings(tmp_path: Path):
    Manifest.open(tmp_path / "m.jsonl", task="edit", settings={"steps": 5}).close()
    with opened(tmp_path / "m.jsonl") as manifest:
        manifest.record("a")
    assert Manifest.read(tmp_path / "m.jsonl", task="edit") == (SETTINGS, {"a": {}})
    with opened(tmp_path / "m.jsonl") as manifest:
        manifest.forget("a")
    Manifest.open(tmp_path / "m.jsonl", task="edit", settings={"steps": 9}).close()
    assert Manifest.read(tmp_path / "m.jsonl", task="edit") == ({"steps": 9}, {})
    with pytest.raises(InputError, match="of task 'edit', not 'find'"):
        Manifest.open(tmp_path / "m.jsonl", task="find", settings={"steps": 9})


def test_what_is_taken_back_is_done_again(tmp_path: Path):
    with opened(tmp_path / "m.jsonl") as manifest:
        for key in "abc":
            manifest.record(key, time=1)
        manifest.forget("a")
        assert list(manifest.pending("abc")) == ["a"]
        with pytest.raises(NotFoundError, match="'a' is not recorded"):
            manifest.forget("a")
    with opened(tmp_path / "m.jsonl") as manifest:
        assert list(manifest.results) == ["b", "c"]
        manifest.record("a", time=2)
        assert list(manifest.results) == ["b", "c", "a"]
    with opened(tmp_path / "m.jsonl") as manifest:
        assert list(manifest.results) == ["b", "c", "a"]
        assert manifest.result("a") == {"time": 2}
    with pytest.raises(InputError, match="is closed"):
        manifest.forget("b")


def test_a_journal_is_read_while_another_process_writes_it(tmp_path: Path):
    path = tmp_path / "manifest.jsonl"
    worker = start_worker(tmp_path, 100_000)
    try:
        while len(recorded(path)) < 5:
            time.sleep(0.01)
        settings, results = Manifest.read(path, task="square")
    finally:
        worker.kill()
        worker.wait()
        assert worker.stdout
        worker.stdout.close()
    assert settings == {}
    assert len(results) >= 5
    assert results["3"] == {"square": 9}


def test_reading_changes_nothing_and_says_what_it_cannot_read(tmp_path: Path):
    path = tmp_path / "m.jsonl"
    with pytest.raises(NotFoundError, match="no file"):
        Manifest.read(path, task="edit")
    with opened(path) as manifest:
        manifest.record("a")
    torn = path.read_bytes() + b'{"key": "b", "resu'
    path.write_bytes(torn)
    assert Manifest.read(path, task="edit") == (SETTINGS, {"a": {}})
    assert path.read_bytes() == torn
    with pytest.raises(InputError, match="of task 'edit', not 'find'"):
        Manifest.read(path, task="find")
    for text in (b"", b"dear diary\n", b'{"innerlight manifest": 1, "settings": [], "task": "edit"}\n'):
        path.write_bytes(text)
        with pytest.raises(InputError, match="is no manifest"):
            Manifest.read(path, task="edit")


def test_settings_of_equal_json_are_the_same(tmp_path: Path):
    Manifest.open(tmp_path / "m.jsonl", task="edit", settings={"a": (1, 2), "b": None}).close()
    before = (tmp_path / "m.jsonl").read_bytes()
    Manifest.open(tmp_path / "m.jsonl", task="edit", settings={"b": None, "a": [1, 2]}).close()
    assert (tmp_path / "m.jsonl").read_bytes() == before


def test_another_process_is_refused_until_the_first_dies(tmp_path: Path):
    worker = start_worker(tmp_path, 100_000)
    with pytest.raises(WriteError, match="in use by another process"):
        Manifest.open(tmp_path / "manifest.jsonl", task="square", settings={})
    worker.kill()
    worker.wait()
    assert worker.stdout
    worker.stdout.close()
    Manifest.open(tmp_path / "manifest.jsonl", task="square", settings={}).close()


def test_a_full_disk_leaves_whole_lines_and_recording_can_go_on(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path / "m.jsonl") as manifest:
        manifest.record("a")
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            with pytest.raises(WriteError, match="larger than the system allows") as caught:
                manifest.record("b", note="x" * 300_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.errno == errno.EFBIG
        assert not manifest.done("b")
        manifest.record("c")
    assert recorded(tmp_path / "m.jsonl") == ["a", "c"]


def test_a_line_that_was_written_but_not_synced_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(tmp_path / "m.jsonl") as manifest:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", broken)
            with pytest.raises(WriteError, match="the disk reports a fault"):
                manifest.record("a")
        assert recorded(tmp_path / "m.jsonl") == []


def test_a_record_is_on_disk_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[int] = []
    fsync = os.fsync
    with opened(tmp_path / "m.jsonl") as manifest:
        monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), fsync(descriptor)))
        manifest.record("a")
        assert len(synced) == 1
        assert recorded(tmp_path / "m.jsonl") == ["a"]
