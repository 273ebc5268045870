"""The index on disk: killed at any moment it goes on; another model's vectors are refused."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from innerlight.matching import Entry, Index, Store
from innerlight.types import InputError, NotFoundError

SETTINGS = {"model": "abc", "side": 2}


def entry(seed: int) -> Entry:
    generator = torch.Generator().manual_seed(seed)
    patches = {kind: torch.randn(6, 5, generator=generator) for kind in ("look", "meaning")}
    return Entry({kind: values.mean(0) for kind, values in patches.items()}, patches, (2, 3), (20, 30))


def filled(folder: Path, count: int, settings: dict = SETTINGS) -> None:
    with Store.open(folder, settings) as store:
        for key in store.pending(f"{number}.png" for number in range(count)):
            store.add(key, entry(int(key.removesuffix(".png"))))


def test_what_is_added_is_found(tmp_path: Path):
    filled(tmp_path, 7)
    index = Index.open(tmp_path)
    assert index.keys == tuple(f"{number}.png" for number in range(7))
    assert index.settings == SETTINGS
    back = index.entry(4)
    assert back.grid == (2, 3)
    assert back.image_size == (20, 30)
    for kind, values in entry(4).patches.items():
        assert torch.equal(back.patches[kind], values.half().float())
        assert torch.equal(index.vectors[kind][4], values.mean(0).half().float())


def test_search_is_the_mean_product_highest_first(tmp_path: Path):
    filled(tmp_path, 9)
    index = Index.open(tmp_path)
    query = {
        kind: torch.randn(5, generator=torch.Generator().manual_seed(40 + k)) for k, kind in enumerate(index.vectors)
    }
    scores = sum(index.vectors[kind] @ vector for kind, vector in query.items()) / 2
    assert isinstance(scores, torch.Tensor)
    numbers, found = index.search(query, 4)
    assert numbers.tolist() == scores.argsort(descending=True)[:4].tolist()
    assert torch.allclose(found, scores[numbers])
    assert len(index.search({"look": query["look"]}, 100)[0]) == 9
    with pytest.raises(InputError, match="expected vectors of look, meaning"):
        index.search({"colour": query["look"]}, 3)


def test_it_goes_on_after_a_stop(tmp_path: Path):
    def stopped() -> None:
        with Store.open(tmp_path, SETTINGS) as store:
            store.add("0.png", entry(0))
            store.add("1.png", entry(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert Index.open(tmp_path).keys == ("0.png", "1.png")
    filled(tmp_path, 4)
    index = Index.open(tmp_path)
    assert len(index.keys) == len(index.vectors["look"]) == 4
    assert torch.equal(index.vectors["look"][1], entry(1).vectors["look"].half().float())


def test_vectors_that_are_behind_are_gathered_anew(tmp_path: Path):
    filled(tmp_path, 3)
    gathered = (tmp_path / "vectors.safetensors").read_bytes()
    filled(tmp_path, 5)
    (tmp_path / "vectors.safetensors").write_bytes(gathered)  # as after a kill before the end
    assert len(Index.open(tmp_path).vectors["look"]) == 5
    (tmp_path / "vectors.safetensors").unlink()
    assert len(Index.open(tmp_path).vectors["look"]) == 5
    with safe_open(tmp_path / "vectors.safetensors", "pt") as file:
        assert file.metadata()["count"] == "5"


def test_a_damaged_gathering_is_made_anew(tmp_path: Path):
    filled(tmp_path, 3)
    (tmp_path / "vectors.safetensors").write_bytes(b"torn")
    assert len(Index.open(tmp_path).vectors["look"]) == 3


def test_other_models_and_settings_are_refused(tmp_path: Path):
    filled(tmp_path, 1)
    with (
        pytest.raises(InputError, match="model is 'abc' there, 'xyz' here"),
        Store.open(tmp_path, {**SETTINGS, "model": "xyz"}),
    ):
        pass


def test_what_is_no_index_is_said(tmp_path: Path):
    with pytest.raises(NotFoundError, match="innerlight index"):
        Index.open(tmp_path)
    (tmp_path / "manifest.jsonl").write_text('{"innerlight manifest": 1, "settings": [], "task": "index"}\n')
    with pytest.raises(InputError, match="no index"):
        Index.open(tmp_path)
    (tmp_path / "manifest.jsonl").write_text("dear diary")
    with pytest.raises(InputError, match="no index"):
        Index.open(tmp_path)
    (tmp_path / "manifest.jsonl").unlink()
    with Store.open(tmp_path, SETTINGS):
        pass
    with pytest.raises(InputError, match="holds no picture"):
        Index.open(tmp_path)


def test_a_damaged_picture_is_named(tmp_path: Path):
    filled(tmp_path, 2)
    (tmp_path / "pictures" / "000001.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"000001\.safetensors cannot be read"):
        Index.open(tmp_path).entry(1)


def right(folder: Path, *numbers: int) -> None:
    """The index holds these entries, each with its own vectors and patches."""
    index = Index.open(folder)
    assert sorted(index.keys) == sorted(f"{number}.png" for number in numbers)
    for place, key in enumerate(index.keys):
        own, back = entry(int(key.removesuffix(".png"))), index.entry(place)
        for kind in own.vectors:
            assert torch.equal(index.vectors[kind][place], own.vectors[kind].half().float())
            assert torch.equal(back.vectors[kind], own.vectors[kind].half().float())
            assert torch.equal(back.patches[kind], own.patches[kind].half().float())


@pytest.mark.parametrize("line", [1, 2, 4])
def test_a_line_may_be_removed_to_redo_its_work(tmp_path: Path, line: int):
    filled(tmp_path, 4)
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "manifest.jsonl").write_text("".join(lines[:line] + lines[line + 1 :]))
    right(tmp_path, *(number for number in range(4) if number != line - 1))
    filled(tmp_path, 5)
    right(tmp_path, *range(5))


@pytest.mark.parametrize("number", [0, 2])
def test_a_picture_taken_back_is_added_anew(tmp_path: Path, number: int):
    filled(tmp_path, 3)
    with Store.open(tmp_path, SETTINGS) as store:
        store.forget(f"{number}.png")
        assert len(store) == 2
    right(tmp_path, *({0, 1, 2} - {number}))
    with Store.open(tmp_path, SETTINGS) as store:
        store.forget("1.png")
        store.add("1.png", entry(1), (7, 8))
        store.add(f"{number}.png", entry(number), (9, 10))
        assert store.stamps == {"0.png": None, "1.png": (7, 8), "2.png": None} | {f"{number}.png": (9, 10)}
    right(tmp_path, 0, 1, 2)
    assert len(list((tmp_path / "pictures").iterdir())) == 3
    index = Index.open(tmp_path)
    assert index.stamp(index.keys.index("1.png")) == (7, 8)


def test_what_another_model_gathered_is_not_searched(tmp_path: Path):
    filled(tmp_path, 3)
    gathered = (tmp_path / "vectors.safetensors").read_bytes()
    (tmp_path / "manifest.jsonl").unlink()
    with Store.open(tmp_path, {**SETTINGS, "model": "xyz"}) as store:
        for number in range(3):
            store.add(f"{number}.png", entry(number + 10))
    (tmp_path / "vectors.safetensors").write_bytes(gathered)
    assert torch.equal(Index.open(tmp_path).vectors["look"][2], entry(12).vectors["look"].half().float())


def damaged(path: Path, how: str) -> None:
    if how == "lost":
        path.unlink()
    elif how == "torn":
        path.write_bytes(path.read_bytes()[:100])
    elif how == "foreign":
        save_file({"colour": torch.zeros(3)}, path)
    else:
        save_file({"vector.look": torch.zeros(4), "patches.look": torch.zeros(1, 4)}, path)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("how", ["lost", "torn", "foreign", "narrow"])
def test_damaged_files_are_left_out_until_they_are_indexed_again(tmp_path: Path, how: str, number: int):
    filled(tmp_path, 3)
    damaged(tmp_path / "pictures" / f"00000{number}.safetensors", how)
    (tmp_path / "vectors.safetensors").unlink()
    if (how, number) != ("narrow", 0):  # there the first tells what all are like
        index = Index.open(tmp_path)
        assert index.lost == (f"{number}.png",)
        assert len(index.keys) == len(index.vectors["look"]) == 2
    filled(tmp_path, 3)
    right(tmp_path, 0, 1, 2)
    assert Index.open(tmp_path).lost == ()


@pytest.mark.parametrize("how", ["lost", "torn", "foreign"])
def test_a_picture_whose_file_is_damaged_is_named(tmp_path: Path, how: str):
    filled(tmp_path, 2)
    index = Index.open(tmp_path)
    damaged(tmp_path / "pictures" / "000001.safetensors", how)
    with pytest.raises(InputError, match=r"000001\.safetensors cannot be read .*index again"):
        index.entry(1)


def test_an_index_that_lost_all_its_files_says_so(tmp_path: Path):
    filled(tmp_path, 1)
    for path in (tmp_path / "pictures" / "000000.safetensors", tmp_path / "vectors.safetensors"):
        path.unlink()
    with pytest.raises(InputError, match="none of the 1 pictures"):
        Index.open(tmp_path)


def test_records_of_another_kind_are_taken_in_again(tmp_path: Path):
    filled(tmp_path, 2)
    with (tmp_path / "manifest.jsonl").open("a") as file:
        file.write('{"key": "2.png", "result": {}}\n')
    assert Index.open(tmp_path).lost == ("2.png",)
    filled(tmp_path, 3)
    right(tmp_path, 0, 1, 2)


SEARCH = """
import sys
from innerlight.matching import Index
print(len(Index.open(sys.argv[1]).keys))
"""


def test_an_index_is_searched_while_it_is_written(tmp_path: Path):
    with Store.open(tmp_path, SETTINGS) as store:
        store.add("0.png", entry(0))
        store.add("1.png", entry(1))
        right(tmp_path, 0, 1)
        done = subprocess.run([sys.executable, "-c", SEARCH, tmp_path], capture_output=True, text=True, check=True)
        assert done.stdout == "2\n"
        assert not (tmp_path / "vectors.safetensors").exists()
        store.add("2.png", entry(2))
    right(tmp_path, 0, 1, 2)


def test_an_index_that_cannot_be_written_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    filled(tmp_path, 2)
    (tmp_path / "vectors.safetensors").unlink()

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("innerlight.files.manifest.FileIO", read_only)
    monkeypatch.setattr("innerlight.files.atomic._new_temporary", read_only)
    right(tmp_path, 0, 1)
    assert not (tmp_path / "vectors.safetensors").exists()
