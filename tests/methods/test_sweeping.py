"""A sweep: one edit for each combination of values, in the order of the grid, captioned and scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from innerlight import viz
from innerlight.backbones import Backbone
from innerlight.methods.combining import combine
from innerlight.methods.editing.masactrl import MasaCtrlConfig
from innerlight.methods.editing.prompt_to_prompt import PromptToPromptConfig
from innerlight.methods.sweeping import Sweep, kept, sweep
from innerlight.metrics import psnr
from innerlight.sampling.editing import Edited
from innerlight.types import InputError, NotFoundError

CAT, DOG = "a cat on the grass", "a dog on the grass"
QUICK: dict[str, Any] = {"steps": 2, "guidance": 3.0, "seed": 3, "size": (64, 96)}


def through(backbone: Backbone, config: Any, over: dict[str, Any], **arguments: Any) -> Sweep:
    return sweep(backbone, CAT, DOG, config, over, **(QUICK | arguments))


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How the grid was asked for."""
    asked: list[dict[str, Any]] = []
    grid = viz.grid

    def watched(images: Any, captions: Any, columns: Any, title: Any) -> Image.Image:
        asked.append({"images": images, "captions": captions, "columns": columns, "title": title})
        return grid(images, captions, columns, title)

    monkeypatch.setattr("innerlight.methods.sweeping.viz.grid", watched)
    return asked


def test_one_setting_goes_across(small: Backbone, sheets):
    found = through(small, PromptToPromptConfig(self_maps=0), {"cross": [0, 0.5, 1.0]})
    assert found.choices == [{"cross": 0}, {"cross": 0.5}, {"cross": 1.0}]
    for choice, result in zip(found.choices, found.results, strict=True):
        alone = combine(small, CAT, DOG, [PromptToPromptConfig(self_maps=0, **choice)], **QUICK)
        assert torch.equal(result.latents, alone.latents)
    (sheet,) = sheets
    assert sheet["columns"] == 3
    assert sheet["title"] == f"{CAT} -> {DOG}"
    assert [caption.splitlines()[0] for caption in sheet["captions"]] == ["cross 0", "cross 0.5", "cross 1.0"]
    assert found.picture.width >= 3 * 96
    assert found.picture.height < 2 * 64 + 80


def test_of_two_settings_the_first_goes_down(small: Backbone, sheets):
    found = through(small, PromptToPromptConfig(), {"cross": [0.0, 1.0], "self_maps": [0.0, 0.5, 1.0]})
    rows = [(one["cross"], one["self_maps"]) for one in found.choices]
    assert rows == [(0.0, 0.0), (0.0, 0.5), (0.0, 1.0), (1.0, 0.0), (1.0, 0.5), (1.0, 1.0)]
    (sheet,) = sheets
    assert sheet["columns"] == 3
    assert [caption.splitlines()[0] for caption in sheet["captions"]] == [
        f"cross {cross}, self_maps {cells}" for cross, cells in rows
    ]
    assert [one.tobytes() for one in sheet["images"]] == [one.images[0].tobytes() for one in found.results]
    parts = [one.recipe["parts"]["prompt_to_prompt"] for one in found.results]
    assert [(part["cross"], part["self_maps"]) for part in parts] == rows
    assert found.picture.height >= 2 * 64


def test_arguments_are_swept_too(small: Backbone):
    config = MasaCtrlConfig(start=0.5)
    found = through(small, config, {"start": [0.0, 1.0], "guidance": [1.0, 5.0]})
    assert [one.recipe["guidance"] for one in found.results] == [1.0, 5.0, 1.0, 5.0]
    assert [one.recipe["parts"]["masactrl"]["start"] for one in found.results] == [0.0, 0.0, 1.0, 1.0]
    assert config == MasaCtrlConfig(start=0.5)
    seeds = through(small, config, {"seed": [3, 4], "steps": [2, 3]})
    assert [(one.seeds, one.recipe["steps"]) for one in seeds.results] == [((3,), 2), ((3,), 3), ((4,), 2), ((4,), 3)]


def test_ways_of_inversion_are_swept(small: Backbone):
    given = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8))
    found = through(small, MasaCtrlConfig(), {"inversion": ["ddim", "negative_prompt"]}, image=given)
    assert [one.recipe["inversion"]["method"] for one in found.results] == ["ddim", "negative_prompt"]
    assert all(one.sources[0].tobytes() == given.tobytes() for one in found.results)


def test_settings_that_are_words(small: Backbone):
    over = {"weights": [{}, {"dog": 3.0}], "blend": [(), ("cat", "dog")]}
    found = through(small, PromptToPromptConfig(cross=0.5, blend_start=0.0), over)
    assert [bool(one.masks) for one in found.results] == [False, True, False, True]
    assert not torch.equal(found.results[0].latents, found.results[2].latents)


def test_it_says_how_near_each_stayed(small: Backbone, sheets):
    found = through(small, PromptToPromptConfig(), {"cross": [0.0, 1.0]})
    for score, result, caption in zip(found.scores, found.results, sheets[0]["captions"], strict=True):
        before, after = (np.asarray(one[0], np.float64) for one in (result.sources, result.images))
        expected = 10 * np.log10(255**2 / ((before - after) ** 2).mean())
        assert score == kept(result) == {"kept, dB": float(psnr(before.astype(np.uint8), after.astype(np.uint8)))}
        assert score["kept, dB"] == pytest.approx(expected, abs=1e-6)
        assert caption.splitlines()[1] == f"kept, dB {expected:.2f}"


def test_scores_of_ones_own(small: Backbone, sheets):
    def score(result: Edited) -> dict[str, float]:
        return {"cross": result.recipe["parts"]["prompt_to_prompt"]["cross"] * 2, "seed": result.seeds[0]}

    found = sweep(small, CAT, DOG, PromptToPromptConfig(), {"cross": [0.25, 1.0]}, score=score, **QUICK)
    assert found.scores == [{"cross": 0.5, "seed": 3}, {"cross": 2.0, "seed": 3}]
    assert [one.splitlines() for one in sheets[0]["captions"]] == [
        ["cross 0.25", "cross 0.50", "seed 3.00"],
        ["cross 1.0", "cross 2.00", "seed 3.00"],
    ]


def test_a_picture_that_does_not_change_at_all(small: Backbone):
    found = sweep(small, CAT, CAT, PromptToPromptConfig(), {"cross": [1.0]}, **QUICK)
    assert found.scores[0]["kept, dB"] == float("inf")
    assert found.picture.size >= (96, 64)


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({}, "got none"),
        ({"crass": [1]}, "got crass"),
        ({"cross": []}, "with values"),
        ({"cross": [0], "self_maps": []}, "with values"),
        ({"cross": [0], "self_maps": [0], "seed": [1]}, "one or two"),
        ({"image": ["a.png"]}, "got image"),
    ],
)
def test_what_cannot_be_swept_is_refused(small: Backbone, over: dict[str, Any], says: str):
    with pytest.raises(InputError, match=says) as error:
        through(small, PromptToPromptConfig(), over)
    assert "self_maps" in str(error.value)
    assert "guidance" in str(error.value)


def test_a_wrong_value_is_refused_before_the_first_edit(small: Backbone, counted):
    with counted(small) as rows, pytest.raises(InputError, match="cross"):
        through(small, PromptToPromptConfig(), {"cross": [0.5, 2.0]})
    assert rows == []


def test_what_an_edit_refuses_a_sweep_refuses(small: Backbone):
    with pytest.raises(NotFoundError, match="zebra"):
        through(small, PromptToPromptConfig(), {"weights": [{"zebra": 2.0}]})
    with pytest.raises(InputError, match="align"):
        through(small, PromptToPromptConfig(), {"align": ["sideways"]})
    with pytest.raises(NotFoundError, match="settings of no method"):
        sweep(small, CAT, DOG, Sweep([], [], [], Image.new("RGB", (1, 1))), {"choices": [[]]}, **QUICK)
