"""Approximate search: nearly the exact one, and it grows with the index."""

from __future__ import annotations

import builtins
import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from innerlight.matching import Entry, Index, Store, search_approximately
from innerlight.types import InputError

HEAPS = torch.randn(12, 16, generator=torch.Generator().manual_seed(0))


def filled(folder: Path, count: int) -> Index:
    """Pictures in heaps, as pictures are."""
    with Store.open(folder, {"model": "abc"}) as store:
        for key in store.pending(str(number) for number in range(count)):
            generator = torch.Generator().manual_seed(int(key))
            values = HEAPS[int(key) % 12] + 0.4 * torch.randn(16, generator=generator)
            store.add(key, Entry({"look": values, "meaning": -values}, {"look": values[None]}, (1, 1), (8, 8)))
    return Index.open(folder)


def test_it_finds_what_the_exact_search_finds(tmp_path: Path):
    index = filled(tmp_path, 300)
    for seed in range(5):
        query = {"look": HEAPS[seed] + 0.1, "meaning": -HEAPS[seed]}
        numbers, scores = search_approximately(index, query, 10)
        best, exact = index.search(query, 10)
        assert len(set(numbers.tolist()) & set(best.tolist())) >= 9
        assert torch.allclose(scores[0], exact[0], atol=1e-4)
        assert (scores[:-1] >= scores[1:]).all()


def test_it_grows_with_the_index(tmp_path: Path):
    query = {"look": HEAPS[3]}
    search_approximately(filled(tmp_path, 30), query, 5)
    before = (tmp_path / "approximate-look.usearch").stat().st_mtime_ns
    search_approximately(Index.open(tmp_path), query, 5)
    assert (tmp_path / "approximate-look.usearch").stat().st_mtime_ns == before
    grown = filled(tmp_path, 60)
    numbers, _ = search_approximately(grown, query, 60)
    assert sorted(numbers.tolist()) == list(range(60))


def alike(index: Index, query: dict[str, torch.Tensor]) -> bool:
    return search_approximately(index, query, 5)[0].tolist() == index.search(query, 5)[0].tolist()


def test_a_graph_of_other_vectors_or_torn_is_made_anew(tmp_path: Path):
    query = {"look": HEAPS[3]}
    assert alike(filled(tmp_path, 30), query)
    (tmp_path / "approximate-look.usearch").write_bytes(b"torn")
    assert alike(Index.open(tmp_path), query)
    with Store.open(tmp_path, {"model": "abc"}) as store:
        for key in ("3", "5"):
            store.forget(key)
        store.add("more", Entry({"look": HEAPS[3], "meaning": HEAPS[3]}, {}, (1, 1), (8, 8)))
    assert alike(Index.open(tmp_path), query)
    (tmp_path / "manifest.jsonl").unlink()
    with Store.open(tmp_path, {"model": "xyz"}) as store:
        for number in range(29):
            values = HEAPS[number % 12] + 0.01 * number
            store.add(str(number), Entry({"look": -values, "meaning": values}, {}, (1, 1), (8, 8)))
    assert alike(Index.open(tmp_path), query)


def test_it_searches_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = filled(tmp_path, 30)

    def read_only(*_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("innerlight.files.atomic._sync", read_only)
    assert alike(index, {"look": HEAPS[3]})


def test_what_it_cannot_do_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = filled(tmp_path, 4)
    with pytest.raises(InputError, match="expected vectors of look, meaning"):
        search_approximately(index, {"colour": HEAPS[0]}, 2)
    plain = builtins.__import__

    def without(name: str, *given: Any) -> Any:
        if name.startswith("usearch"):
            raise ImportError(name)
        return plain(name, *given)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"innerlight\[search\]"):
        search_approximately(index, {"look": HEAPS[0]}, 2)
