"""An index of a folder: extracted once, gone on with after a stop, and searched as PDM ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from innerlight.backbones import Backbone
from innerlight.files import write_picture
from innerlight.matching import Index
from innerlight.methods.indexing import IndexConfig, entry_of, find, index
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
    from innerlight.methods.indexing import query_of

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
