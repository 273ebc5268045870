"""Noisy features and appearance: one pass each, ended early, whatever the shape of the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from innerlight.backbones import Backbone
from innerlight.sampling import appearance, noisy_features, probe
from innerlight.sampling.appearance import cells_of_mask, positions_of, shown_in, sites_of
from innerlight.taps import Moment, Read, Rows, tapped
from innerlight.types import InputError

SIZE = (64, 96)


def picture(seed: int = 0, size: tuple[int, int] = (90, 60)) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values)


def test_the_pass_that_ends_early_shows_what_a_whole_one_does(backbone: Backbone):
    latents, noise = torch.randn(1, 4, 16, 24), torch.randn(1, 4, 16, 24)
    read = Read("match", "features")
    early = probe(backbone, latents, 261, read, noise=noise).values(read)
    moment = Moment(timestep=261, rows=Rows(("cond",), 1))
    with torch.no_grad(), tapped(backbone.sites, read) as seen:
        backbone.denoise(
            backbone.levels.noisy(latents, noise, torch.tensor([261])), 261, backbone.embed("", SIZE), moment
        )
    assert torch.equal(early, next(iter(seen[read].values())))


def test_draws_are_averaged_whatever_the_batch(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    import sys

    whole = noisy_features(small, picture(), 261, "match", draws=5, size=SIZE, seed=3)
    monkeypatch.setattr(sys.modules["innerlight.sampling.features"], "ROWS", 2)
    parts = noisy_features(small, picture(), 261, "match", draws=5, size=SIZE, seed=3)
    singles = [noisy_features(small, picture(), 261, "match", size=SIZE, seed=3 + k).values for k in range(5)]
    assert whole.grid == (8, 12)
    assert whole.image_size == (60, 90)
    assert torch.allclose(whole.values, parts.values, atol=1e-5)
    assert torch.allclose(whole.values, torch.stack(singles).mean(0), atol=1e-5)


def test_the_posterior_is_sampled_around_its_mean(small: Backbone):
    mean, spread = small.posterior(picture(), SIZE)
    assert torch.equal(mean, small.encode(picture(), SIZE))
    assert (spread > 0).all()
    assert spread.shape == mean.shape == (1, 4, 16, 24)


def test_no_draws_are_refused(small: Backbone):
    with pytest.raises(InputError, match="draws"):
        noisy_features(small, picture(), 261, "match", draws=0)


def test_appearance_is_what_the_attention_asks_and_answers(backbone: Backbone):
    found = appearance(backbone, picture(), 1, prompt="a cat", ordinal=0, size=SIZE)
    site, text = sites_of(backbone, 0)
    read = [Read(one.name, "heads", rows="cond") for one in (site, text)]
    seen = probe(backbone, backbone.encode(picture(), SIZE), 1, *read, prompts="a cat", noise=None)
    own, asking = (next(iter(seen[one].values())) for one in read)
    heads, cells, d = own.q.shape[1:]
    assert found.queries.shape == found.keys.shape == (cells, heads * d)
    assert found.grid[0] * found.grid[1] == cells
    assert torch.equal(found.queries[5, d : 2 * d], own.q[0, 1, 5].float())
    assert torch.allclose(found.look, F.normalize((found.queries + found.keys) / 2, dim=1), atol=1e-6)
    tokens = backbone.embed("a cat").tokens[0][0]
    assert len(found.prompt) == tokens.end + 1 < asking.k.shape[2]
    assert site.order < text.order


def test_a_word_is_seen_where_its_share_of_the_prompt_is_high(small: Backbone):
    found = appearance(small, picture(), 1, prompt="a red cat", size=SIZE)
    tokens = positions_of(small, "a red cat", "cat")
    shares = (found.words @ found.prompt.T / found.words.shape[1] ** 0.5).softmax(-1)
    assert torch.allclose(shares.sum(1), torch.ones(len(shares)), atol=1e-5)
    one = shares[:, int(tokens[0])] if len(tokens) == 1 else shares[:, tokens].sum(1)
    scaled = (one - one.min()) / (one.max() - one.min())
    assert torch.equal(found.mask(tokens, 0.7), scaled > 0.7)
    inside, mask = shown_in(found, picture(), None, tokens, 0.7)
    assert torch.equal(inside, found.mask(tokens, 0.7))
    assert mask.shape == (60, 90)


def test_a_mask_becomes_the_cells_that_it_fills():
    mask = np.zeros((8, 12), bool)
    mask[:4, :5] = True
    assert cells_of_mask(mask, (2, 3)).tolist() == [True, False, False, False, False, False]
    thin = np.zeros((8, 12), bool)
    thin[1, 1] = True
    assert cells_of_mask(thin, (2, 3)).tolist() == [True, False, False, False, False, False]


def test_what_is_no_mask_is_refused(small: Backbone):
    found = appearance(small, picture(), 1, size=SIZE)
    for wrong in (np.zeros((60, 90)), np.zeros((60, 90), bool), np.ones((90, 60), bool)):
        with pytest.raises(InputError, match=r"expected bool \(60, 90\)"):
            shown_in(found, picture(), wrong, None, 0.7)
    with pytest.raises(InputError, match="mask=, or the word="):
        shown_in(found, picture(), None, None, 0.7)
    with pytest.raises(InputError, match="ordinal"):
        appearance(small, picture(), 1, ordinal=9)
