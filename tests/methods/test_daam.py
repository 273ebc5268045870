"""DAAM: the card's invariants."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from innerlight.backbones import Backbone
from innerlight.maps import resize
from innerlight.methods.reading import daam as module
from innerlight.methods.reading.daam import CLAIM, DaamConfig, daam
from innerlight.prompts import tokens_of_word
from innerlight.sampling import CancelToken, Run, generate
from innerlight.taps import Everything, HeadMean, Read, main_passes, tapped
from innerlight.types import CancelledError, InputError, NotFoundError

PROMPT = "a red cat and a dog"
QUICK = DaamConfig(steps=2, guidance=3.0)


def test_maps_of_all_tokens_sum_to_one(backbone: Backbone, monkeypatch: pytest.MonkeyPatch):
    seen = []
    plain = module._mean
    monkeypatch.setattr(module, "_mean", lambda *given: seen.append(plain(*given)) or seen[0])
    daam(backbone, PROMPT, config=QUICK, size=(64, 96))
    assert seen[0].shape == (1, 77, 16, 24)
    assert torch.allclose(seen[0].sum(1), torch.ones(1, 16, 24), atol=1e-5)


def test_one_step_and_one_layer_is_the_resized_map(small: Backbone):
    config = DaamConfig(steps=1, guidance=1.0, branches=("mid",), coarsest=8)
    found = daam(small, PROMPT, ["cat"], config, size=(64, 96), seed=5).maps[0]["cat"]
    read = Read("mid.s8.0.text", "probabilities", reduce=HeadMean())
    with tapped(small.sites, read) as seen:
        generate(small, PROMPT, steps=1, guidance=1.0, size=(64, 96), seed=5)
    raw = seen[read]["mid.s8.0.text"]
    tokens = small.embed(PROMPT).tokens[0][0]
    columns = raw[0][:, list(tokens_of_word(tokens, "cat"))].mean(1).view(1, 1, 2, 3)
    expected = resize(columns, (16, 24), how="bicubic").clamp(min=0)[0, 0]
    assert np.allclose(found.values, expected.numpy(), atol=1e-6)


def test_a_map_is_the_mean_over_steps_layers_and_heads(small: Backbone):
    """A second, plain writing: one by one, and the last layer first."""
    found = daam(small, PROMPT, ["cat"], QUICK, size=(64, 96), seed=5).maps[0]["cat"]
    sites = [one for one in small.sites.values() if one.kind == "text" and one.branch != "mid" and one.stride <= 4]
    assert len({site.grid((16, 24)) for site in sites}) > 1
    names = [site.name for site in sites]
    read = Read(names, "probabilities", rows="cond", reduce=Everything(), keep="all", when=main_passes)
    with tapped(small.sites, read) as seen:
        generate(small, PROMPT, steps=2, guidance=3.0, size=(64, 96), seed=5)
    maps = []
    for site in reversed(sites):
        assert len(seen[read][site.name]) == 2
        for step in seen[read][site.name]:
            for head in step[0]:  # (cells, tokens)
                one = head.T.unflatten(1, site.grid((16, 24)))
                maps.append(F.interpolate(one[None], (16, 24), mode="bicubic", align_corners=False)[0])
    mean = torch.stack(maps).mean(0).clamp(min=0)
    cat = mean[list(tokens_of_word(small.embed(PROMPT).tokens[0][0], "cat"))].mean(0)
    assert np.allclose(found.values, cat.numpy(), atol=1e-6)


def test_reading_changes_no_picture(small: Backbone):
    read = daam(small, PROMPT, config=QUICK, seed=2)
    plain = generate(small, PROMPT, steps=2, guidance=3.0, seed=2)
    assert read.images[0].tobytes() == plain.images[0].tobytes()


def test_masks_are_nested(small: Backbone):
    found = daam(small, PROMPT, ["cat"], QUICK).maps[0]["cat"]
    masks = [found.mask(threshold) for threshold in (0.3, 0.4, 0.5, 0.9)]
    assert all((inner <= outer).all() for outer, inner in pairwise(masks))
    assert masks[-1].any()


def test_a_batch_is_its_pictures_one_by_one(backbone: Backbone):
    prompts = [PROMPT, "a yellow house"]
    both = daam(backbone, prompts, config=QUICK, seed=7)
    for number, prompt in enumerate(prompts):
        alone = daam(backbone, prompt, config=QUICK, seed=7 + number)
        for word, one in alone.maps[0].items():
            assert np.allclose(one.values, both.maps[number][word].values, atol=1e-5)


def test_the_nouns_are_found_when_no_word_is_named(small: Backbone):
    assert list(daam(small, PROMPT, config=QUICK).maps[0]) == ["cat", "dog"]


def test_maps_of_a_given_picture(backbone: Backbone):
    picture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    found = daam(backbone, PROMPT, ["cat", "red"], image=picture, size=(64, 96))
    assert found.maps[0]["red"].values.shape == (16, 24)
    assert found.mask("cat").shape == (64, 96)
    assert found.recipe["config"]["words"] == ["cat", "red"]
    own = daam(backbone, PROMPT, ["cat"], image=picture)
    assert own.mask("cat").shape == (64, 96), "at the picture's size, whatever size the model works at"
    assert np.array_equal(np.asarray(own.images[0]), picture)


def test_a_share_is_among_all_words_of_the_prompt(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    means = []
    plain = module._mean
    monkeypatch.setattr(module, "_mean", lambda *given: means.append(plain(*given)) or means[-1])
    config = DaamConfig(steps=2, guidance=3.0, across_words=True)
    alone, both = (daam(small, PROMPT, words, config).maps[0]["cat"].values for words in (["cat"], ["cat", "dog"]))
    assert np.array_equal(alone, both), "whatever else is asked for"
    mean, tokens = means[0][0], small.embed(PROMPT).tokens[0][0]
    spoken = [position for position, span in enumerate(tokens.spans) if span]
    assert len(spoken) >= 6
    expected = mean[list(tokens_of_word(tokens, "cat"))].mean(0) / (mean[spoken].sum(0) + 1e-6)
    assert np.allclose(both, expected.numpy(), atol=1e-6)


def test_a_string_is_one_word(small: Backbone):
    found = daam(small, PROMPT, "red cat", QUICK)
    assert list(found.maps[0]) == ["red cat"]
    assert found.recipe["config"]["words"] == ["red cat"]


def test_the_recipe_of_given_pictures_says_what_was_done(small: Backbone):
    pictures = [np.zeros((64, 96, 3), np.uint8)] * 2
    recipe = daam(small, [PROMPT, "a house"], image=pictures, size=(64, 96), seed=4).recipe
    assert (recipe["prompts"], recipe["seeds"], recipe["size"]) == ([PROMPT, "a house"], [4, 5], [64, 96])


def test_looking_at_a_given_picture_ends_when_it_is_cancelled(small: Backbone, counted: Callable[..., Any]):
    cancel = CancelToken()
    handle = small.unet.conv_out.register_forward_pre_hook(lambda *given: cancel.cancel())
    with handle, counted(small) as rows, pytest.raises(CancelledError):
        daam(small, PROMPT, image=np.zeros((64, 64, 3), np.uint8), run=Run(progress=False, cancel=cancel))
    assert rows == [1]


def test_what_cannot_be_asked_is_refused(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    module = sys.modules[daam.__module__]
    monkeypatch.setattr(module, "generate", lambda *given, **more: pytest.fail("it was drawn first"))
    monkeypatch.setattr(module, "_over_levels", lambda *given: pytest.fail("it was looked at first"))
    black = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(NotFoundError, match="cat"):
        daam(small, PROMPT, ["cot"], QUICK)
    with pytest.raises(NotFoundError, match="cat"):
        daam(small, PROMPT, ["cot"], QUICK, image=black)
    with pytest.raises(InputError, match="no noun"):
        daam(small, "", config=QUICK)
    for levels in ((-1.0,), (1.0,), ()):
        with pytest.raises(InputError, match="levels"):
            daam(small, PROMPT, config=DaamConfig(levels=levels), image=black)
    for threshold in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="threshold: expected a share"):
            daam(small, PROMPT, config=DaamConfig(threshold=threshold))
    with pytest.raises(InputError, match="no text attention"):
        daam(small, PROMPT, config=DaamConfig(branches=("sideways",)))
    with pytest.raises(InputError, match="one for each picture"):
        daam(small, [PROMPT] * 3, image=black)
    with pytest.raises(InputError, match="seed: expected a whole number"):
        daam(small, PROMPT, image=black, seed=1.5)  # type: ignore[arg-type]


def test_the_claim_scores_a_scene_with_all_its_arms(small: Backbone):
    scores = CLAIM.score(small, 100_000)
    assert scores is not None
    assert set(scores) == {"method", *CLAIM.baselines}
    assert all(0 <= value <= 1 for value in scores.values())
