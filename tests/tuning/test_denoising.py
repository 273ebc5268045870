"""Losses of denoising: the target that the network knows, parts by name, one batch for one number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.prompts import LearnedWord
from innerlight.tuning.denoising import Part, Shots, TextStates, losses, weighed
from innerlight.types import InputError
from innerlight.world import render, sample

PICTURES = [render(sample(seed), 64).picture for seed in (1, 2)]
SIZE = (64, 64)


def saying(*prompts: str):
    def say(chosen: Sequence[int], random: np.random.Generator) -> list[str]:
        return [prompts[random.integers(len(prompts))] for _ in chosen]

    return say


def fixed(prompt: str) -> bool:
    del prompt
    return False


def test_pictures_of_any_shape_become_latents_of_one(small: Backbone):
    wide = render(sample(3, shape=(2, 3)), 64, 96).picture
    shots = Shots.of(small, [PICTURES[0], wide], SIZE)
    assert shots.mean.shape == shots.spread.shape == (2, 4, *small.latent_size(SIZE))
    plain = small.posterior(PICTURES[0], SIZE)
    torch.testing.assert_close(shots.mean[:1], plain[0], atol=1e-5, rtol=1e-4)
    with pytest.raises(InputError, match="is empty"):
        Shots.of(small, [])


def test_mirror_images_are_encoded_not_flipped(small: Backbone):
    shots = Shots.of(small, PICTURES, SIZE, mirrored=True)
    assert len(shots) == 4
    mirrored = small.posterior(np.ascontiguousarray(PICTURES[1][:, ::-1]), SIZE)[0]
    torch.testing.assert_close(shots.mean[3:], mirrored, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(shots.mean[3], shots.mean[1].flip(-1), atol=1e-3), "the VAE is not mirrored itself"


def test_latents_are_drawn_from_the_posterior():
    shots = Shots(torch.full((2, 1, 40, 40), 3.0), torch.full((2, 1, 40, 40), 0.5), SIZE)
    drawn = shots.draw([1, 1], torch.Generator().manual_seed(0))
    assert drawn.shape == (2, 1, 40, 40)
    assert float(drawn.mean()) == pytest.approx(3, abs=0.05)
    assert float(drawn.std()) == pytest.approx(0.5, abs=0.05)
    still = Shots.exactly(torch.ones(1, 1, 2, 2), SIZE).draw([0, 0], torch.Generator())
    assert torch.equal(still, torch.ones(2, 1, 2, 2))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_target_is_what_the_network_was_trained_on(
    small: Backbone, prediction: str, monkeypatch: pytest.MonkeyPatch
):
    """Against a plain writing of the loss."""
    monkeypatch.setattr(small, "prediction", prediction)
    asked: list[tuple[Tensor, Tensor]] = []

    def estimate(latents: Tensor, times: Tensor, context: object) -> Tensor:
        asked.append((latents, times))
        return torch.zeros_like(latents)

    monkeypatch.setattr(small, "estimate", estimate, raising=False)
    shots = Shots.exactly(torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5)), SIZE)
    part = Part("one", shots, saying("a cat"), 3)
    found = losses(small, [part], TextStates(SIZE, fixed), seed=1, step=2)["one"]
    ((noisy, t),) = asked
    abar = small.levels.abar[t][:, None, None, None]
    noise = (noisy - abar.sqrt() * shots.mean) / (1 - abar).sqrt()
    target = noise if prediction == "epsilon" else abar.sqrt() * noise - (1 - abar).sqrt() * shots.mean
    assert float(found) == pytest.approx(float(target.square().mean()), rel=1e-4)


def test_parts_have_losses_and_weights_of_their_own(small: Backbone):
    shots = Shots.of(small, PICTURES, SIZE)
    both = [Part("mine", shots, saying("a cat"), 2), Part("class", shots, saying("a dog"), 3, weight=0.5)]
    found = losses(small, both, TextStates(SIZE, fixed), seed=1, step=0)
    assert set(found) == {"mine", "class"}
    assert float(weighed(found, both)) == pytest.approx(float(found["mine"] + 0.5 * found["class"]))


def test_a_number_and_a_seed_decide_the_batch(small: Backbone):
    part = Part("one", Shots.of(small, PICTURES, SIZE), saying("a cat", "a dog", "a red house"), 2)
    states = TextStates(SIZE, fixed)
    first, again, later, other = (
        float(losses(small, [part], states, seed=seed, step=step)["one"])
        for seed, step in ((1, 5), (1, 5), (1, 6), (2, 5))
    )
    assert first == again
    assert len({first, later, other}) == 3


def test_timesteps_may_be_chosen(small: Backbone):
    part = Part("one", Shots.of(small, PICTURES, SIZE), saying("a cat"), 2)
    seen: list[int] = []

    def early(count: int, generator: torch.Generator) -> Tensor:
        seen.append(count)
        return torch.zeros(count, dtype=torch.long)

    assert float(losses(small, [part], TextStates(SIZE, fixed), seed=1, step=0, times=early)["one"]) > 0
    assert seen == [2]


def test_prompts_are_read_once_but_for_those_that_change(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    vector = torch.zeros(1, small.texts[0].model.get_input_embeddings().embedding_dim, requires_grad=True)
    taught = small.knowing(LearnedWord("<toy>", (vector,)))
    read: list[list[str]] = []
    plain = taught.embed

    def embed(prompts: list[str], *rest: object, **named: object) -> object:
        read.append(list(prompts))
        return plain(prompts, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(taught, "embed", embed, raising=False)
    states = TextStates(SIZE, lambda prompt: "<toy>" in prompt)
    for _ in range(2):
        found = states.of(taught, ["a cat", "a <toy>", "a cat"])
    assert read == [["a cat"], ["a <toy>"], ["a <toy>"]]
    torch.testing.assert_close(found.states, plain(["a cat", "a <toy>", "a cat"]).states, atol=1e-5, rtol=1e-4)
    assert found.states.requires_grad
    assert not states.of(taught, ["a cat"]).states.requires_grad
