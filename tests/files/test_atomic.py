"""Writes are whole or not there, whatever stops them."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from innerlight.files import WriteError, atomic_path, is_temporary, list_pictures, write_bytes, write_json, write_text
from innerlight.types import InnerlightError, NotFoundError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_arrive_as_given(tmp_path: Path):
    write_text("a\r\nü\n", tmp_path / "deep" / "er" / "a.txt")
    write_bytes(b"\0\1", tmp_path / "b.bin")
    assert (tmp_path / "deep" / "er" / "a.txt").read_bytes() == "a\r\nü\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\0\1"


def test_json_is_stable(tmp_path: Path):
    write_json({"b": 1, "a": [True, None, "猫"]}, tmp_path / "1.json")
    write_json({"a": [True, None, "猫"], "b": 1}, tmp_path / "2.json")
    first = (tmp_path / "1.json").read_bytes()
    assert first == (tmp_path / "2.json").read_bytes()
    assert first.endswith(b"}\n")
    assert json.loads(first) == {"a": [True, None, "猫"], "b": 1}


def test_the_temporary_has_the_suffix_and_stands_in_the_same_folder(tmp_path: Path):
    with atomic_path(tmp_path / "a.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path
        assert is_temporary(temporary)
        assert not (tmp_path / "a.png").exists()
        temporary.write_bytes(b"1")
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file(tmp_path: Path, kind: type[BaseException]):
    write_text("old", tmp_path / "a.txt")
    with pytest.raises(kind), atomic_path(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise kind
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_failed_sync_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_text("old", tmp_path / "a.txt")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"a\.txt: the disk is full; free some space") as caught:
        write_text("new", tmp_path / "a.txt")
    assert caught.value.errno == errno.ENOSPC
    assert isinstance(caught.value, InnerlightError)
    assert isinstance(caught.value, OSError)
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_real_limit_on_file_size_is_a_write_error(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    write_text("old", tmp_path / "a.txt")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WriteError, match="larger than the system allows"):
            write_bytes(bytes(200_000), tmp_path / "a.txt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_a_write_error(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match="permission is missing"):
        write_text("new", tmp_path / "a.txt")


def test_a_writer_that_replaces_the_temporary_does_not_decide_who_may_read(tmp_path: Path):
    with atomic_path(tmp_path / "a.txt") as temporary:
        (tmp_path / "own").write_text("a")
        (tmp_path / "own").chmod(0o600)
        (tmp_path / "own").replace(temporary)
    (tmp_path / "b.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_permissions_follow_the_umask_or_the_old_file(tmp_path: Path):
    mask = os.umask(0o027)
    try:
        write_text("new", tmp_path / "a.txt")
        assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
        for mode in (0o600, 0o666):
            (tmp_path / "a.txt").chmod(mode)
            write_text("newer", tmp_path / "a.txt")
            assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode
    finally:
        os.umask(mask)


def test_a_link_stays_a_link(tmp_path: Path):
    write_text("old", tmp_path / "true.txt")
    (tmp_path / "link.txt").symlink_to("true.txt")
    write_text("new", tmp_path / "link.txt")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "true.txt").read_text() == "new"


def test_a_kill_leaves_the_old_file_and_a_temporary_that_folders_pass_over(tmp_path: Path):
    script = (
        "import os, signal, sys\n"
        "from innerlight.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.png")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [is_temporary(name) for name in names(tmp_path)] == [True]
    with pytest.raises(NotFoundError):
        list_pictures(tmp_path)
