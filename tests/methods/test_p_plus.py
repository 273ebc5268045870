"""P+: every place has a vector of its own, and every one of them learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from innerlight.backbones import Backbone
from innerlight.methods.teaching.p_plus import PPlusConfig, _at_each_place, p_plus
from innerlight.sampling import generate
from innerlight.tuning.lessons import Vectors, begun
from innerlight.tuning.words import open_word
from innerlight.world import render, sample

PICTURES = [render(sample(seed), 64).picture for seed in (1, 2)]
QUICK: dict[str, Any] = {"size": (64, 64), "report": 0, "seed": 3}
CONFIG = PPlusConfig(steps=2, batch=2)


def test_every_places_vector_learns_and_old_rows_do_not(backbone: Backbone):
    before = [encoder.model.get_input_embeddings().weight.clone() for encoder in backbone.texts]
    found = p_plus(backbone, PICTURES, "<toy>", "car", CONFIG, **QUICK)
    assert found.word.places == len(backbone.places)
    for vectors, begin in zip(found.word.vectors, begun(backbone, "car"), strict=True):
        moved = (vectors - begin).abs().amax((1, 2))
        assert (moved > 0).all(), "a place that learned nothing"
    for encoder, table in zip(backbone.texts, before, strict=True):
        assert torch.equal(encoder.model.get_input_embeddings().weight, table)


def test_it_begins_as_the_word(small: Backbone):
    vectors = Vectors(small, {"<toy>": _at_each_place(small, begun(small, "car"))})
    known = small.knowing(vectors.learned("<toy>"))
    made = [generate(one, f"a {word}", steps=2, size=(64, 64)) for one, word in ((known, "<toy>"), (small, "car"))]
    torch.testing.assert_close(made[0].latents, made[1].latents, atol=1e-5, rtol=1e-4)


def test_places_are_in_the_order_in_which_they_run(small: Backbone):
    """Down, middle, up; not the order of diffusers' processors, which has the middle last."""
    branches = [site.branch for site in small.places]
    assert branches == sorted(branches, key=["down", "mid", "up"].index)


def test_saved_and_opened_it_draws_the_same(small: Backbone, tmp_path: Path):
    found = p_plus(small, PICTURES, "<toy>", "car", CONFIG, **QUICK)
    found.save(tmp_path / "toy.safetensors")
    back = small.knowing(open_word(tmp_path / "toy.safetensors", small))
    made = [generate(one, "a red <toy>", steps=2, size=(64, 64)).latents for one in (found.backbone, back)]
    assert torch.equal(*made)
