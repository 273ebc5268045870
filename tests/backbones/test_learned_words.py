"""A backbone that knows learned words: as tokens like any other, at every place alike or at each its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from innerlight.backbones import Backbone, load
from innerlight.prompts import LearnedWord, tokens_of_word
from innerlight.sampling import generate
from innerlight.types import InputError

INITIAL = "car"  # one token of every tokenizer here


def rows_of(backbone: Backbone, word: str = INITIAL) -> tuple[Tensor, ...]:
    """The vectors of a word by text encoder, (tokens, d)."""
    found = []
    for encoder in backbone.texts:
        ids = encoder.tokenizer.encode(word, add_special_tokens=False)
        found.append(encoder.model.get_input_embeddings().weight[ids].detach().clone())
    return tuple(found)


def at_each(backbone: Backbone, vectors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(one.expand(len(backbone.places), -1, -1).clone() for one in vectors)


def test_a_word_of_an_old_words_vectors_is_that_word_to_the_bit(backbone: Backbone):
    taught = backbone.knowing(LearnedWord("<toy>", rows_of(backbone)))
    old, new = backbone.embed(f"a red {INITIAL} on grass"), taught.embed("a red <toy> on grass")
    assert torch.equal(old.states, new.states)
    assert old.pooled is None or torch.equal(old.pooled, new.pooled)  # pyright: ignore[reportArgumentType]
    assert tokens_of_word(new.tokens[0][0], "<toy>")


def test_what_it_was_made_from_does_not_know_it(backbone: Backbone):
    sizes = [len(encoder.tokenizer) for encoder in backbone.texts]
    before = backbone.embed("a <toy>").states
    taught = backbone.knowing(LearnedWord("<toy>", rows_of(backbone)))
    assert [len(encoder.tokenizer) for encoder in backbone.texts] == sizes
    assert torch.equal(backbone.embed("a <toy>").states, before)
    assert not torch.equal(taught.embed("a <toy>").states, before)
    assert torch.equal(taught.embed("a cat").states, backbone.embed("a cat").states)


def test_states_before_the_word_do_not_know_it(backbone: Backbone):
    """The causal mask."""
    first, second = (
        backbone.knowing(LearnedWord("<toy>", tuple(one + shift for one in rows_of(backbone)))).embed("a red <toy> it")
        for shift in (0.0, 1.0)
    )
    at = tokens_of_word(first.tokens[0][0], "<toy>")[0]
    assert torch.equal(first.states[:, :at], second.states[:, :at])
    assert not torch.equal(first.states[:, at:], second.states[:, at:])


def test_gradients_reach_the_vectors_of_prompts_that_hold_them_alone(small: Backbone):
    (vectors,) = (one.requires_grad_() for one in rows_of(small))
    taught = small.knowing(LearnedWord("<toy>", (vectors,)))
    assert not taught.embed("a <toy>").states.requires_grad
    with_it = taught.embed(["a <toy>", "a cat"], gradient=True).states
    (grad,) = torch.autograd.grad(with_it[1].sum(), vectors, allow_unused=True, retain_graph=True)
    assert grad is None or grad.abs().max() == 0
    (grad,) = torch.autograd.grad(with_it[0].square().sum(), vectors)
    assert grad.abs().max() > 0


def test_several_vectors_are_several_tokens(small: Backbone):
    (vectors,) = rows_of(small)
    other = rows_of(small, "red")[0][:1]
    taught = small.knowing(LearnedWord("<toy>", (torch.cat([other, vectors]),)))
    assert torch.equal(taught.embed("a <toy> on it").states, small.embed(f"a red {INITIAL} on it").states)


def test_places_that_all_have_the_same_vectors_are_one_word(backbone: Backbone):
    plain = backbone.knowing(LearnedWord("<toy>", rows_of(backbone)))
    apart = backbone.knowing(LearnedWord("<toy>", at_each(backbone, rows_of(backbone))))
    one, many = plain.embed("a red <toy>"), apart.embed("a red <toy>")
    assert many.placed is not None
    assert many.placed.shape == (1, len(backbone.places), *one.states.shape[1:])
    torch.testing.assert_close(many.placed, one.states_at(len(backbone.places)), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(many.states, one.states, atol=1e-5, rtol=1e-5)


def test_states_that_are_the_same_at_all_places_change_no_bit(backbone: Backbone):
    context = backbone.embed(["a red cat", "a dog"])
    latents = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    apart = context.with_placed(context.states_at(len(backbone.places)))
    with torch.no_grad():
        plain, found = (backbone.denoise(latents, 500, one) for one in (context, apart))
    assert torch.equal(plain, found)


def test_each_place_reads_its_own_and_the_gradients_add_up(small: Backbone):
    context = small.embed("a red cat")
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    shared = context.states.clone().requires_grad_()
    apart = context.states_at(len(small.places)).clone().requires_grad_()
    small.denoise(latents, 500, context.with_states(shared)).square().sum().backward()
    small.denoise(latents, 500, context.with_placed(apart)).square().sum().backward()
    assert shared.grad is not None
    assert apart.grad is not None
    assert (apart.grad.flatten(2).abs().amax(-1) > 0).all(), "a place without gradient"
    torch.testing.assert_close(apart.grad.sum(1), shared.grad, atol=1e-6, rtol=1e-4)


def test_places_that_are_read_in_parts_have_the_same_states_and_gradients(
    small: Backbone, monkeypatch: pytest.MonkeyPatch
):
    found = []
    for at_once in (len(small.places), 2):
        monkeypatch.setattr("innerlight.backbones.backbone.AT_ONCE", at_once)
        (values,) = at_each(small, rows_of(small))
        values = values.clone().requires_grad_()
        word = LearnedWord("<toy>", (values,))
        states = small.knowing(word).relearning(word).embed("a <toy> on grass", gradient=True).placed
        assert states is not None
        states.pow(2).sum().backward()
        found.append((states.detach(), values.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert (found[0][1].abs().amax((1, 2)) > 0).all(), "a place without gradient"


def test_rows_with_and_without_places_share_a_batch(small: Backbone):
    taught = small.knowing(LearnedWord("<toy>", at_each(small, rows_of(small))))
    mixed = taught.embed(["a <toy>", "a cat"])
    assert mixed.placed is not None
    alone = small.embed("a cat")
    torch.testing.assert_close(
        mixed.take([1]).states_at(len(small.places)), alone.states_at(len(small.places)), atol=1e-5, rtol=1e-5
    )
    joined = type(alone).join([alone, mixed.take([0])])
    assert joined.placed is not None
    assert torch.equal(joined.placed[0], alone.states_at(len(small.places))[0])
    assert joined.with_states(joined.states).placed is None


def test_a_word_stands_in_pictures_of_every_shape(backbone: Backbone):
    taught = backbone.knowing(LearnedWord("<toy>", at_each(backbone, rows_of(backbone))))
    made = generate(taught, ["a <toy>", "a red <toy> on grass"], steps=2, size=(64, 96))
    assert [image.size for image in made.images] == [(96, 64)] * 2
    assert made.recipe["learned"] == {"<toy>": taught.learned[0].hash}
    assert "learned" not in generate(backbone, "a cat", steps=2).recipe


@pytest.mark.parametrize(
    ("shapes", "message"),
    [([(1, 3)], "vectors of 3"), ([(99, 1, 0)], "99 places"), ([(1, 0), (1, 0)], "vectors of")],
)
def test_words_of_other_models_are_refused(small: Backbone, shapes: list[tuple[int, ...]], message: str):
    width = small.texts[0].model.get_input_embeddings().embedding_dim
    vectors = tuple(torch.zeros(*(side or width for side in shape)) for shape in shapes)
    with pytest.raises(InputError, match=message):
        small.knowing(LearnedWord("<toy>", vectors))


def test_the_embedded_model_counts_a_learned_word_among_those_it_knows():
    backbone: Any = load()
    taught = backbone.knowing(LearnedWord("<toy>", rows_of(backbone)))
    assert "<toy>" in taught.calibration["vocabulary"]
    assert "<toy>" not in backbone.calibration["vocabulary"]
