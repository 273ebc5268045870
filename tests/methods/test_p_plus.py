"""P+: every place has a vector of its own, and every one of them learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.methods.teaching.p_plus import PPlusConfig, _at_each_place, p_plus
from innerlight.sampling import generate
from innerlight.tuning.lessons import Vectors, begun
from innerlight.tuning.words import open_word
from innerlight.types import InputError
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


def test_rarity_is_that_of_a_density_written_out(small: Backbone):
    (encoder,) = small.texts
    table = encoder.model.get_input_embeddings().weight.detach().double()
    vectors = Vectors(small, {"<toy>": _at_each_place(small, begun(small, "car"))})
    for offset in vectors.parameters():
        torch.nn.init.normal_(offset)
    unit = table.square().mean().sqrt()
    expected = []
    for row in vectors.learned("<toy>").vectors[0].double().flatten(0, 1):
        kernel = torch.distributions.MultivariateNormal(table, (2 * unit) ** 2 * torch.eye(len(row)).double())
        peak = kernel.log_prob(table)[0]  # the constant that is left out
        expected.append((peak - (kernel.log_prob(row).exp().mean()).log()) / len(row))
    torch.testing.assert_close(
        vectors.rarity("<toy>", 2.0).double(), torch.stack(expected).mean(), atol=1e-5, rtol=1e-4
    )


def test_density_keeps_rows_near_what_the_model_knows(small: Backbone):
    settings = {"steps": 4, "batch": 2, "rate": 0.5}
    moved = []
    for density in (0.0, 1e6):
        found = p_plus(small, PICTURES, "<toy>", "car", PPlusConfig(**settings, density=density), **QUICK)
        known = Vectors(small, {"<toy>": found.word.vectors})
        moved.append(float(known.rarity("<toy>", 1.0).detach()))
    assert moved[1] < moved[0] / 2


@pytest.mark.parametrize("setting", [{"density": -1.0}, {"width": 0.0}])
def test_a_density_that_is_none_is_refused(small: Backbone, setting: dict[str, float]):
    with pytest.raises(InputError, match="a density of 0 or more and a width above 0"):
        p_plus(small, PICTURES, "<toy>", "car", PPlusConfig(**setting), **QUICK)
