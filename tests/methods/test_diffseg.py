"""DiffSeg: the card's invariants, on every family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.maps import resize
from innerlight.methods.segmentation.diffseg import DiffsegConfig, _named, _stretches, _told, attention, diffseg
from innerlight.prompts import tokens_of_word
from innerlight.sampling import probe
from innerlight.taps import HeadMean, Read
from innerlight.types import InputError
from innerlight.world import render, sample

SIZE = (64, 96)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return render(sample(3), 64, 96).picture


@pytest.mark.parametrize("weights", ["released", "paper"])
def test_rows_are_distributions(backbone: Backbone, picture: np.ndarray, weights: Any):
    rows = attention(backbone, backbone.encode(picture, SIZE), DiffsegConfig(weights=weights))
    assert rows.shape == (16 * 24, 16 * 24)
    assert (rows >= 0).all()
    assert torch.allclose(rows.sum(1), torch.ones(len(rows)), atol=1e-5)


def test_weights_are_those_of_the_code_and_of_the_paper(small: Backbone, picture: np.ndarray):
    """A second, plain writing: the code averages inside each level, the paper weighs layer by layer."""
    latents = small.encode(picture, SIZE)
    read = Read("*.self", "probabilities", reduce=HeadMean())
    seen = probe(small, latents, 300, read, noise=None)
    layers: dict[Any, list[torch.Tensor]] = {}
    for name, values in seen[read].items():
        layers.setdefault(small.sites[name].grid(seen.latent), []).append(
            _at_full_grid(values[0], small.sites[name], seen)
        )
    released = sum(torch.stack(own).mean(0) * grid[1] for grid, own in layers.items())
    paper = sum(one * grid[1] for grid, own in layers.items() for one in own)
    assert isinstance(released, torch.Tensor)
    assert isinstance(paper, torch.Tensor)
    for plain, weights in ((released, "released"), (paper, "paper")):
        found = attention(small, latents, DiffsegConfig(weights=weights))  # type: ignore[arg-type]
        assert torch.allclose(found, plain / plain.sum(1, keepdim=True), atol=1e-5)


def _at_full_grid(values: torch.Tensor, site: Any, seen: Any) -> torch.Tensor:
    """Keys by interpolation, queries by repetition."""
    grid = site.grid(seen.latent)
    keys = resize(values.unflatten(1, grid), seen.latent).flatten(1)
    keys = keys / keys.sum(1, keepdim=True)
    times = seen.latent[0] // grid[0]
    rows = keys.unflatten(0, grid).repeat_interleave(times, 0).repeat_interleave(times, 1)
    return rows.flatten(0, 1)


def test_an_endless_threshold_gives_one_segment(backbone: Backbone, picture: np.ndarray):
    found = diffseg(backbone, picture, DiffsegConfig(threshold=float("inf")), size=SIZE)
    assert found.scores[0] == {0: pytest.approx(1.0)}
    assert not found.labels[0].labels.any()
    assert found.labels[0].labels.shape == (64, 96)


def test_a_batch_is_its_pictures_one_by_one(small: Backbone, picture: np.ndarray):
    other = render(sample(4), 48, 48).picture
    config = DiffsegConfig(threshold=0.0003)
    both = diffseg(small, [picture, other], config)
    for number, one in enumerate((picture, other)):
        alone = diffseg(small, one, config)
        assert np.array_equal(alone.labels[0].labels, both.labels[number].labels)
        assert both.labels[number].labels.shape == one.shape[:2]


def test_one_pass_a_picture(small: Backbone, picture: np.ndarray, counted: Callable[..., Any]):
    with counted(small) as rows:
        diffseg(small, [picture, picture], size=SIZE)
    assert rows == [1, 1]
    with counted(small) as rows:
        diffseg(small, picture, names=["cat", "dog"], size=SIZE)
    assert rows == [1, 1]


def test_segments_are_named_by_the_words(small: Backbone, picture: np.ndarray):
    found = diffseg(small, picture, DiffsegConfig(threshold=0.0003), names=["cat", "dog"], size=SIZE)
    assert set(found.labels[0].names) == set(found.scores[0])
    assert set(found.labels[0].names.values()) <= {"cat", "dog"}
    assert all(one["category"] in ("cat", "dog") for one in found.annotations())


def test_a_string_is_one_name(small: Backbone, picture: np.ndarray):
    found = diffseg(small, picture, DiffsegConfig(threshold=0.0003), names="cat", size=SIZE)
    assert set(found.labels[0].names.values()) == {"cat"}
    assert found.recipe["names"] == ["cat"]


def test_many_segments_are_named(small: Backbone, picture: np.ndarray):
    latents = small.encode(picture, SIZE)
    labels = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96) % 300
    told = _named(small, latents, labels, ["cat", "dog"], 100)
    assert set(told) == set(range(300))


def test_k_means_begins_at_the_proposals(small: Backbone, picture: np.ndarray):
    plain = diffseg(small, picture, DiffsegConfig(threshold=0.0003), size=SIZE)
    refined = diffseg(small, picture, DiffsegConfig(threshold=0.0003, kmeans=True), size=SIZE)
    assert 1 < len(refined.scores[0]) <= 24
    assert len(plain.scores[0]) > 1
    assert not np.array_equal(plain.labels[0].labels, refined.labels[0].labels)


def test_the_models_own_threshold_is_taken(small: Backbone, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(small, "calibration", {"diffseg_threshold": 0.0003})
    own = diffseg(small, picture, size=SIZE)
    assert np.array_equal(
        own.labels[0].labels, diffseg(small, picture, DiffsegConfig(threshold=0.0003), size=SIZE).labels[0].labels
    )
    assert own.recipe["config"]["threshold"] == 0.0003
    assert (own.recipe["size"], own.recipe["names"]) == ([64, 96], None)


def test_what_cannot_be_is_refused(small: Backbone, picture: np.ndarray):
    with pytest.raises(InputError, match="released or paper"):
        diffseg(small, picture, DiffsegConfig(weights="mine"))  # type: ignore[arg-type]
    for anchors in (0, 99):
        with pytest.raises(InputError, match="anchors"):
            diffseg(small, picture, DiffsegConfig(anchors=anchors), size=SIZE)
    with pytest.raises(InputError, match="threshold"):
        diffseg(small, picture, DiffsegConfig(threshold=0.0), size=SIZE)


def test_a_name_within_a_name_has_tokens_of_its_own(small: Backbone):
    names = ["red cat", "cat"]
    tokens = small.embed(_told(names, [0, 1])).tokens[0][0]
    first, second = (tokens_of_word(tokens, stretch) for stretch in _stretches(names, [0, 1]))
    assert not set(first) & set(second)
    assert len(first) > len(second)


def test_levels_weigh_the_same_in_naming(small: Backbone, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    """Maps of any grid have length 1 at the size of the picture."""
    lengths: list[float] = []
    plain = torch.bincount

    def bincount(labels: torch.Tensor, weights: torch.Tensor, least: int) -> torch.Tensor:
        lengths.append(float(weights.norm()))
        return plain(labels, weights, least)

    monkeypatch.setattr(torch, "bincount", bincount)
    diffseg(small, picture, DiffsegConfig(threshold=0.0003), names=["cat", "dog"], size=SIZE)
    assert len(lengths) >= 4
    assert lengths == pytest.approx([1.0] * len(lengths), rel=1e-4)


def test_more_names_than_a_prompt_holds_take_more_passes(
    small: Backbone, picture: np.ndarray, counted: Callable[..., Any]
):
    names = ["cat", "dog", *(f"thing{number}" for number in range(40))]
    with counted(small) as rows:
        found = diffseg(small, picture, DiffsegConfig(threshold=0.0003), names=names, size=SIZE)
    assert len(rows) > 2
    assert set(rows) == {1}
    assert set(found.labels[0].names.values()) <= set(names)
