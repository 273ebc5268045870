"""The models that ship: what users and diffusers get from their folders."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from innerlight.backbones import WEIGHTS, Backbone, load
from innerlight.backbones.hashing import hash_files
from innerlight.files import read_json
from innerlight.prompts import unknown_words
from innerlight.sampling import Run, generate
from innerlight.world import caption, sample

QUIET = Run(progress=False)
PROMPT = "a red car on the street"


@pytest.fixture(scope="module", params=["pocket", "pocket-2"])
def pocket(request: pytest.FixtureRequest) -> Backbone:
    return load(request.param)


def test_it_opens_by_its_name(pocket: Backbone):
    assert (pocket.family, pocket.prediction, pocket.size) == ("sd1", "v_prediction", (128, 128))
    assert pocket.hash == hash_files((WEIGHTS / pocket.name).rglob("*.safetensors")), "as tables of evidence name it"
    assert pocket.calibration["steps"] == 25


def test_the_first_opens_with_nothing_said():
    assert load().hash == hash_files((WEIGHTS / "pocket").rglob("*.safetensors"))


def test_it_is_small_and_has_a_licence(pocket: Backbone):
    size = sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file())
    assert size < 60e6
    card = (WEIGHTS / pocket.name / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {pocket.name}\n")
    assert "Licence: Apache-2.0" in card
    assert "samples seen" in card
    assert "generate.one_category" in card


def test_diffusers_opens_it_and_draws_the_same(pocket: Backbone):
    from diffusers import StableDiffusionPipeline

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the name of the option changes between its versions
        pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS / pocket.name, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    latents = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(5))
    theirs = pipe(PROMPT, latents=latents, num_inference_steps=6, guidance_scale=4.0, output_type="np").images[0]
    ours = generate(pocket, PROMPT, latents=latents, steps=6, guidance=4.0, run=QUIET).images[0]
    assert np.abs(np.asarray(ours) / 255 - theirs).max() <= 1.01 / 255


def test_it_draws_what_it_is_told_at_least_by_its_colours(pocket: Backbone):
    """What random weights do not do."""
    drawn = generate(pocket, ["a red car on the street", "a red car in the snow"], seed=[1, 1], steps=8, run=QUIET)
    street, snow = (np.asarray(image)[88:].astype(float).mean() for image in drawn.images)
    assert snow > street + 30, "the ground is white in one and grey in the other"


def test_words_of_the_world_are_known_and_others_are_named(pocket: Backbone):
    vocabulary = pocket.calibration["vocabulary"]
    assert not [one for k in range(20) for one in unknown_words(caption(sample(k)).text, vocabulary)]
    (unknown,) = unknown_words("a red carr", vocabulary)
    assert "car" in unknown.nearest


def test_a_rectangle_is_drawn(pocket: Backbone):
    image = generate(pocket, PROMPT, steps=2, size=(96, 160), run=QUIET).images[0]
    assert image.size == (160, 96)


def test_the_table_is_about_it(pocket: Backbone):
    """Every row that names a model names this one, and the table has all it owes; the second shares the first's VAE."""
    from innerlight.bench.promised import EMBEDDED

    table = {"pocket": "embedded.json", "pocket-2": "pocket-2/embedded.json"}[pocket.name]
    owed = {id for id in EMBEDDED if pocket.name == "pocket" or not id.startswith(("vae.", "towers."))}
    rows = read_json(Path(__file__).parents[2] / "evidence" / table)
    assert isinstance(rows, list)
    assert {row["id"] for row in rows} >= owed
    assert {row["model"] for row in rows} <= {None, pocket.hash}
    assert all(math.isfinite(row["value"]) for row in rows)
