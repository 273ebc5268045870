"""Learned words as files: the same back, the same in stock diffusers, and refused where they do not fit."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.backbones.pipelines import pipeline_of
from innerlight.backbones.saving import scheduler_of
from innerlight.prompts import LearnedWord
from innerlight.sampling import generate
from innerlight.tuning.words import FORMAT, open_word, read_word, save_word
from innerlight.types import InputError, NotFoundError

ROUNDING = 2e-5  # between two libraries that compute the same


def learned(backbone: Backbone, tokens: int = 1, *, placed: bool = False, name: str = "<toy>") -> LearnedWord:
    generator = torch.Generator().manual_seed(tokens)
    lead = (len(backbone.places), tokens) if placed else (tokens,)
    tables = [encoder.model.get_input_embeddings() for encoder in backbone.texts]
    return LearnedWord(name, tuple(torch.randn(*lead, one.embedding_dim, generator=generator) for one in tables))


@pytest.mark.parametrize("placed", [False, True])
@pytest.mark.parametrize("tokens", [1, 3])
def test_a_word_comes_back_to_the_bit(backbone: Backbone, tokens: int, placed: bool, tmp_path: Path):
    word = learned(backbone, tokens, placed=placed)
    save_word(tmp_path / "toy.safetensors", backbone, word, method="test", seed=3, settings={"rate": 0.1})
    back = open_word(tmp_path / "toy.safetensors", backbone)
    assert back.name == "<toy>"
    assert back.hash == word.hash
    about = read_word(tmp_path / "toy.safetensors").about
    assert about["innerlight"] == FORMAT
    assert (about["method"], about["base"], about["seed"]) == ("test", backbone.hash, "3")
    assert json.loads(about["settings"]) == {"rate": 0.1}
    prompts = ["a <toy>", "a red <toy> it"]
    first, second = (backbone.knowing(one).embed(prompts) for one in (word, back))
    assert torch.equal(first.states_at(len(backbone.places)), second.states_at(len(backbone.places)))


def stock(backbone: Backbone) -> Any:
    """A pipeline of copies, for stock libraries change tokenizers and tables where they stand."""
    tokenizers = [deepcopy(one.tokenizer) for one in backbone.texts]
    return pipeline_of(deepcopy(backbone.networks), tokenizers, scheduler_of(backbone.prediction))


def read_by_stock(pipeline: Any, path: Path) -> list[Tensor]:
    """The tables of a pipeline's text encoders once it has a word, by calls of diffusers; SDXL takes it in two."""
    encoders = [pipeline.text_encoder]
    if hasattr(pipeline, "text_encoder_2"):
        parts, encoders = load_file(path), [*encoders, pipeline.text_encoder_2]
        tokenizers = (pipeline.tokenizer, pipeline.tokenizer_2)
        for key, encoder, tokenizer in zip(("clip_l", "clip_g"), encoders, tokenizers, strict=True):
            pipeline.load_textual_inversion(parts[key], token="<toy>", text_encoder=encoder, tokenizer=tokenizer)
    else:
        pipeline.load_textual_inversion(str(path))
    return [encoder.get_input_embeddings().weight.detach() for encoder in encoders]


@pytest.mark.parametrize("tokens", [1, 3])
def test_stock_diffusers_reads_it_and_draws_the_same(backbone: Backbone, tokens: int, tmp_path: Path):
    word = learned(backbone, tokens)
    save_word(tmp_path / "toy.safetensors", backbone, word)
    pipeline = stock(backbone)
    tables = read_by_stock(pipeline, tmp_path / "toy.safetensors")
    for encoder, table, own in zip(backbone.texts, tables, word.vectors, strict=True):
        before = encoder.model.get_input_embeddings().weight
        assert torch.equal(table[: len(before)], before), "old rows"
        assert torch.equal(table[len(before) :], own)

    prompt, size = "a red <toy>", (64, 96)  # rows, columns
    latents = torch.randn(1, 4, *backbone.latent_size(size), generator=torch.Generator().manual_seed(0))

    def ours(*vectors: Tensor) -> Tensor:
        model = backbone.knowing(LearnedWord("<toy>", vectors))
        return generate(model, prompt, latents=latents, size=size, steps=2, guidance=7.5, decode=False).latents

    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt, latents=latents.clone(), height=size[0], width=size[1], num_inference_steps=2, guidance_scale=7.5,
        output_type="latent",
    ).images  # fmt: skip
    assert (ours(*word.vectors) - theirs).abs().max() < ROUNDING
    for at, own in enumerate(word.vectors):
        other = torch.cat([own[:-1], -own[-1:]])
        changed = ours(*word.vectors[:at], other, *word.vectors[at + 1 :])
        assert (changed - theirs).abs().max() > 100 * ROUNDING, "each encoder's part counts, to its last vector"


def test_stock_diffusers_refuses_vectors_for_each_place(small: Backbone, tmp_path: Path):
    save_word(tmp_path / "toy.safetensors", small, learned(small, placed=True))
    assert len(load_file(tmp_path / "toy.safetensors")) == len(small.places)
    with pytest.raises(ValueError, match="single key"):
        stock(small).load_textual_inversion(str(tmp_path / "toy.safetensors"))


def test_one_place_s_vectors_are_a_word_that_stock_diffusers_reads(small: Backbone, tmp_path: Path):
    vectors = torch.randn(len(small.places), 1, small.embed("").states.shape[-1])
    word = LearnedWord("<toy>", (vectors,)).at(2)
    save_word(tmp_path / "toy.safetensors", small, word)
    assert torch.equal(open_word(tmp_path / "toy.safetensors", small).vectors[0], vectors[2])
    stock(small).load_textual_inversion(str(tmp_path / "toy.safetensors"))
    for wrong in (word, LearnedWord("<toy>", (vectors,))):
        with pytest.raises(InputError, match="place"):
            wrong.at(len(vectors))


def test_a_word_of_another_base_is_tried_on_request_alone(small: Backbone, backbone: Backbone, tmp_path: Path):
    if backbone.family == small.family:
        pytest.skip("the same model")
    save_word(tmp_path / "toy.safetensors", backbone, learned(backbone))
    with pytest.raises(InputError, match="was learned on a model of hash"):
        open_word(tmp_path / "toy.safetensors", small)
    with pytest.raises(InputError, match="another kind of model"):
        open_word(tmp_path / "toy.safetensors", small, other_base=True)


def test_vectors_for_other_places_are_refused(small: Backbone, tmp_path: Path):
    word = learned(small, placed=True)
    save_word(tmp_path / "toy.safetensors", small, word)
    tensors, told = load_file(tmp_path / "toy.safetensors"), dict(read_word(tmp_path / "toy.safetensors").about)
    other = {key.replace("up_blocks", "top_blocks"): one for key, one in tensors.items()}
    told["order"] = told["order"].replace("up_blocks", "top_blocks")
    save_file(other, tmp_path / "other.safetensors", told)
    with pytest.raises(InputError, match="not those of"):
        open_word(tmp_path / "other.safetensors", small)
    other.popitem()
    save_file(other, tmp_path / "less.safetensors", told)
    with pytest.raises(InputError, match="incomplete"):
        open_word(tmp_path / "less.safetensors")


def of_others(small: Backbone) -> dict[str, Any]:
    vector = learned(small).vectors[0]
    return {
        "emb.safetensors": {"emb_params": vector},
        "<dog>.safetensors": {"<dog>": vector[0]},
        "old.pt": {"string_to_param": {"*": vector}, "name": "my dog"},
        "bare.bin": {"<dog>": vector},
    }


@pytest.mark.parametrize(
    ("name", "called"),
    [("emb.safetensors", "<emb>"), ("<dog>.safetensors", "<dog>"), ("old.pt", "<my-dog>"), ("bare.bin", "<dog>")],
)
def test_files_of_others_are_read_pickled_ones_on_request(small: Backbone, name: str, called: str, tmp_path: Path):
    what = of_others(small)[name]
    if name.endswith(".safetensors"):
        save_file(what, tmp_path / name)
    else:
        torch.save(what, tmp_path / name)
        with pytest.raises(InputError, match="pickled"):
            open_word(tmp_path / name, small)
    word = open_word(tmp_path / name, small, pickle=True)
    assert word.name == called
    assert torch.equal(word.vectors[0], learned(small).vectors[0])
    assert open_word(tmp_path / name, small, name="<mine>", pickle=True).name == "<mine>"


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("run by a pickle",))


def test_what_is_no_word_is_refused(small: Backbone, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(NotFoundError, match="there is no file"):
        open_word(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not one")
    with pytest.raises(InputError, match="no safetensors file"):
        open_word(tmp_path / "text.safetensors")
    two: dict[str, Tensor] = {"a": torch.zeros(1, 4), "b": torch.zeros(1, 4)}
    save_file(two, tmp_path / "two.safetensors")
    with pytest.raises(InputError, match="holds 2 tensors"):
        open_word(tmp_path / "two.safetensors")
    torch.save({"x": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(InputError, match="tensors alone"):
        open_word(tmp_path / "trap.pt", pickle=True)
    assert "run by a pickle" not in capsys.readouterr().out
    torch.save({"step": 3}, tmp_path / "empty.pt")
    with pytest.raises(InputError, match="no tensor by name"):
        open_word(tmp_path / "empty.pt", pickle=True)


@pytest.mark.parametrize("order", ["{", "3", "[1, 2]"])
def test_an_order_that_is_none_is_refused(small: Backbone, tmp_path: Path, order: str):
    save_file({"<toy>@mid": torch.zeros(1, 32)}, tmp_path / "toy.safetensors", {"order": order})
    with pytest.raises(InputError, match="order"):
        open_word(tmp_path / "toy.safetensors", small)


def test_a_word_is_not_written_under_the_name_of_a_pickle(small: Backbone, tmp_path: Path):
    with pytest.raises(InputError, match=r"toy\.safetensors"):
        save_word(tmp_path / "toy.pt", small, learned(small))
