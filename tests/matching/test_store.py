"""The index on disk: killed at any moment it goes on; another model's vectors are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

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
        assert file.metadata() == {"count": "5", "last": "4.png"}


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
