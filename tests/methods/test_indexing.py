"""An index of a folder: extracted once, gone on with after a stop, and searched as PDM ranks."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone, NotFiniteError
from innerlight.files import WriteError, write_picture
from innerlight.matching import Index, Store
from innerlight.methods import indexing
from innerlight.methods.indexing import IndexConfig, entry_of, find, index, query_of
from innerlight.methods.retrieval.pdm import pdm
from innerlight.sampling import CancelToken, Run, appearance
from innerlight.types import CancelledError, InputError
from innerlight.world import render, sample, truth


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    for number in range(5):
        write_picture(render(sample(number), 64).picture, place / ("deep" if number > 2 else "") / f"{number}.png")
    return place


MASK = truth.instances(render(sample(0), 64)) == 1


def test_the_first_search_is_the_ranking_of_pdm(small: Backbone, folder: Path, tmp_path: Path):
    made = index(small, folder, tmp_path)
    assert (made.added, made.total, made.failed) == (5, 5, {})
    opened = Index.open(tmp_path)
    paths = [folder / key for key in opened.keys]
    ranked = pdm(small, folder / "0.png", paths, mask=MASK)
    from innerlight.files import read_picture

    query, _ = query_of(small, read_picture(folder / "0.png"), opened.settings, MASK, None)
    numbers, scores = opened.search(query, 5)
    assert numbers.tolist() == ranked.order.tolist()
    assert np.allclose(scores.numpy(), ranked.scores[ranked.order], atol=2e-3)  # kept as float16


def test_what_is_there_is_not_extracted_again(small: Backbone, folder: Path, tmp_path: Path):
    cancel = CancelToken()

    class AfterTwo(CancelToken):
        calls = 0

        def check(self) -> None:
            self.calls += 1
            if self.calls > 2:
                cancel.cancel()
                cancel.check()

    with pytest.raises(CancelledError):
        index(small, folder, tmp_path, run=Run(progress=False, cancel=AfterTwo()))
    assert len(Index.open(tmp_path).keys) == 2
    assert index(small, folder, tmp_path).added == 3
    assert index(small, folder, tmp_path).added == 0


def test_a_thing_is_found_by_mask_and_by_word(small: Backbone, folder: Path, tmp_path: Path):
    index(small, folder, tmp_path)
    found, names = find(small, folder / "0.png", tmp_path, mask=MASK, count=3)
    assert len(found.images) == len(names) == 3
    assert found.order.tolist() == [0, 1, 2]
    assert np.array_equal(found.reference_mask, MASK)
    by_word, _ = find(small, folder / "0.png", tmp_path, word="cat")
    assert len(by_word.images) == 5
    assert not np.allclose(by_word.scores[:3], found.scores)


def test_patches_are_no_more_than_asked(small: Backbone, folder: Path):
    from innerlight.files import read_picture

    seen = appearance(small, read_picture(folder / "1.png"), 1)
    entry = entry_of(seen, 4)
    assert entry.grid == (4, 4)
    assert entry.patches["look"].shape == (16, seen.look.shape[1])
    whole = entry_of(seen, 999)
    assert whole.grid == seen.grid
    assert np.allclose(whole.patches["look"], seen.look, atol=1e-6)
    assert np.allclose(whole.vectors["look"], entry.patches["look"].mean(0), atol=1e-6)


def test_a_broken_picture_is_left_out_and_named(small: Backbone, tmp_path: Path):
    place = tmp_path / "pictures"
    write_picture(render(sample(0), 64).picture, place / "good.png")
    (place / "bad.png").write_bytes(b"no picture")
    made = index(small, place, tmp_path / "index")
    assert made.added == 1
    assert list(made.failed) == ["bad.png"]


def test_other_models_are_refused(small: Backbone, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index(small, folder, tmp_path)
    monkeypatch.setattr(small, "hash", "another")
    with pytest.raises(InputError, match="was made with model"):
        find(small, folder / "0.png", tmp_path, mask=MASK)
    with pytest.raises(InputError, match="other settings: model"):
        index(small, folder, tmp_path)
    with pytest.raises(InputError, match="side is 16 there, 8 here"):
        index(small, folder, tmp_path, IndexConfig(side=8))
    monkeypatch.undo()
    with pytest.raises(InputError, match="mask=, or the word="):
        find(small, folder / "0.png", tmp_path)


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to be changed."""
    return Path(shutil.copytree(folder, tmp_path / "pictures"))


def test_pictures_that_are_gone_are_left_out_and_named(small: Backbone, own: Path, tmp_path: Path):
    index(small, own, tmp_path / "index")
    _, before = find(small, own / "0.png", tmp_path / "index", mask=MASK)
    reference = shutil.copy(own / "0.png", tmp_path)
    (own / before[0]).unlink()
    found, names = find(small, reference, tmp_path / "index", mask=MASK)
    assert names == before[1:]
    assert found.recipe["left_out"] == {before[0]: "it is not there any more; index again"}
    made = index(small, own, tmp_path / "index")
    assert (made.added, made.total, made.gone) == (0, 4, [before[0]])
    found, names = find(small, reference, tmp_path / "index", mask=MASK)
    assert names == before[1:]
    assert found.recipe["left_out"] == {}


def test_those_of_the_next_ranks_fill_up(small: Backbone, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index(small, own, tmp_path / "index")
    reference = shutil.copy(own / "0.png", tmp_path)
    opened = Index.open(tmp_path / "index")
    numbers, _ = opened.search(query_of(small, _read(reference), opened.settings, MASK, None)[0], 5)
    for number in numbers[:2].tolist():
        (own / opened.keys[number]).unlink()
    monkeypatch.setattr(indexing, "RERANKED", 2)
    found, names = find(small, reference, tmp_path / "index", mask=MASK, count=2)
    assert sorted(names) == sorted(opened.keys[number] for number in numbers[2:4].tolist())
    assert len(found.recipe["left_out"]) == 2


def test_a_picture_that_was_replaced_is_extracted_anew(small: Backbone, own: Path, tmp_path: Path):
    index(small, own, tmp_path / "index")
    write_picture(render(sample(40), 48, 64).picture, own / "1.png")
    found, names = find(small, own / "0.png", tmp_path / "index", mask=MASK)
    assert len(names) == 4
    assert found.recipe["left_out"] == {"1.png": "it was changed since it was taken in; index again"}
    made = index(small, own, tmp_path / "index")
    assert (made.added, made.total, made.gone) == (1, 5, [])
    opened = Index.open(tmp_path / "index")
    own_look = appearance(small, _read(own / "1.png"), 1).look.mean(0)
    assert torch.allclose(opened.vectors["look"][opened.keys.index("1.png")], own_look, atol=2e-3)
    assert len(find(small, own / "0.png", tmp_path / "index", mask=MASK)[1]) == 5


def test_an_index_of_nothing_that_is_there(small: Backbone, own: Path, tmp_path: Path):
    index(small, own, tmp_path / "index")
    reference = shutil.copy(own / "0.png", tmp_path)
    shutil.rmtree(own)
    with pytest.raises(InputError, match="none of the 5 pictures"):
        find(small, reference, tmp_path / "index", mask=MASK)


def test_a_lost_file_of_the_index_costs_one_picture(small: Backbone, own: Path, tmp_path: Path):
    index(small, own, tmp_path / "index")
    opened = Index.open(tmp_path / "index")
    (tmp_path / "index" / "pictures" / "000002.safetensors").unlink()
    found, names = find(small, own / "0.png", tmp_path / "index", mask=MASK)
    assert len(names) == 4
    assert "cannot be read" in found.recipe["left_out"][opened.keys[2]]
    (tmp_path / "index" / "vectors.safetensors").unlink()
    found, _ = find(small, own / "0.png", tmp_path / "index", mask=MASK)
    assert "cannot be read" in found.recipe["left_out"][opened.keys[2]]
    assert index(small, own, tmp_path / "index").added == 1
    assert len(find(small, own / "0.png", tmp_path / "index", mask=MASK)[1]) == 5


def test_a_thing_is_found_while_the_folder_is_indexed(small: Backbone, own: Path, tmp_path: Path):
    index(small, own, tmp_path / "index")
    settings = Index.open(tmp_path / "index").settings
    with Store.open(tmp_path / "index", settings):
        assert len(find(small, own / "0.png", tmp_path / "index", mask=MASK)[1]) == 5


def _read(path: Any) -> Any:
    from innerlight.files import read_picture

    return read_picture(path)


def test_pictures_that_cannot_be_taken_in_cost_no_other(
    small: Backbone, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name = os.fsdecode(b"caf\xe9.png")
    shutil.copy(own / "0.png", own / name)
    write_picture(np.zeros((2, 300, 3), np.uint8), own / "long.png")
    plain, troubles = indexing.appearance, [NotFiniteError("no numbers"), RuntimeError("out of memory")]

    def failing(backbone: Any, picture: Any, *given: Any, **named: Any) -> Any:
        if picture.size == (64, 64) and troubles:
            raise troubles.pop()
        return plain(backbone, picture, *given, **named)

    monkeypatch.setattr(indexing, "appearance", failing)
    made = index(small, own, tmp_path / "index")
    assert made.added == made.total == 3
    assert sorted(made.failed) == ["0.png", "1.png", name, "long.png"]
    assert "2 x 300" in made.failed["long.png"]
    assert made.failed["0.png"] == "out of memory"
    assert "UTF-8" in made.failed[name]
    monkeypatch.undo()
    assert index(small, own, tmp_path / "index").added == 2


def test_a_long_picture_is_taken_in_at_a_size(small: Backbone, tmp_path: Path):
    write_picture(np.zeros((2, 300, 3), np.uint8), tmp_path / "pictures" / "long.png")
    assert index(small, tmp_path / "pictures", tmp_path / "index", size=(64, 64)).added == 1


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), CancelledError("enough"), WriteError("the disk is full")])
def test_what_is_no_fault_of_a_picture_ends_the_run(
    small: Backbone, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: BaseException
):
    def ending(*_: Any, **__: Any) -> None:
        raise trouble

    monkeypatch.setattr(indexing, "appearance", ending)
    with pytest.raises(type(trouble)):
        index(small, folder, tmp_path)


@pytest.mark.parametrize(
    ("config", "size", "says"),
    [
        (IndexConfig(), (30, 30), "size: expected"),
        (IndexConfig(site=99), None, "ordinal"),
        (IndexConfig(timestep=1000), None, "timestep: expected 0 to 999"),
        (IndexConfig(side=0), None, "side: expected"),
    ],
)
def test_settings_that_cannot_be_begin_no_index(
    small: Backbone, folder: Path, tmp_path: Path, config: IndexConfig, size: Any, says: str
):
    with pytest.raises(InputError, match=says):
        index(small, folder, tmp_path / "index", config, size=size)
    assert not (tmp_path / "index").exists()


def test_the_query_is_seen_at_the_size_of_the_index(small: Backbone, folder: Path, tmp_path: Path):
    index(small, folder, tmp_path, size=(96, 64))
    opened = Index.open(tmp_path)
    whole = np.ones((64, 64), bool)
    query, _ = query_of(small, _read(folder / "0.png"), opened.settings, whole, None)
    kept = opened.vectors["look"][opened.keys.index("0.png")]
    assert float(torch.cosine_similarity(query["look"], kept, dim=0)) > 0.9999
    told, _ = query_of(small, _read(folder / "0.png"), opened.settings, whole, "cat")
    assert told["look"].shape == query["look"].shape


def test_the_query_is_brought_to_the_index(
    small: Backbone, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """From the device of a model, for which another precision stands in: patches meet neither of the two."""
    index(small, folder, tmp_path)
    before, _ = find(small, folder / "0.png", tmp_path, mask=MASK)
    plain = indexing.query_of

    def elsewhere(*given: Any) -> Any:
        query, inside = plain(*given)
        return {kind: vector.double() for kind, vector in query.items()}, inside

    monkeypatch.setattr(indexing, "query_of", elsewhere)
    assert np.array_equal(find(small, folder / "0.png", tmp_path, mask=MASK)[0].scores, before.scores)


def test_the_threshold_is_the_models_own(
    small: Backbone, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    index(small, folder, tmp_path)
    assert find(small, folder / "0.png", tmp_path, mask=MASK)[0].threshold == 0.7
    monkeypatch.setattr(small, "calibration", {**small.calibration, "pdm_threshold": 0.55})
    assert find(small, folder / "0.png", tmp_path, mask=MASK)[0].threshold == 0.55
    assert find(small, folder / "0.png", tmp_path, mask=MASK, threshold=0.8)[0].threshold == 0.8


@pytest.mark.parametrize("grid", [(31, 40), (40, 17), (16, 90), (7, 9)])
def test_no_grid_has_more_patches_than_asked(small: Backbone, folder: Path, grid: tuple[int, int]):
    seen = appearance(small, _read(folder / "1.png"), 1)
    cells = torch.randn(grid[0] * grid[1], 8)
    kept = entry_of(replace(seen, queries=cells, keys=cells, words=cells, grid=grid), 16)
    assert min(kept.grid) <= 16
    assert kept.patches["look"].shape[0] == kept.grid[0] * kept.grid[1]
