"""Losses of denoising: the target that the network knows, parts by name, one batch for one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from innerlight.backbones import Backbone
from innerlight.prompts import LearnedWord
from innerlight.sampling import CancelToken, Run
from innerlight.taps import Columns, Read
from innerlight.tuning.denoising import Batch, Part, Shots, TextStates, losses, min_snr, weighed
from innerlight.tuning.lessons import Lesson, Term, Vectors, begun, learn_in_phases
from innerlight.tuning.taught import WORDS
from innerlight.types import CancelledError, InputError
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


def test_a_pipeline_that_moves_its_parts_is_refused(small: Backbone):
    moving = small.copy()
    moving.unet._hf_hook = object()
    with pytest.raises(InputError, match="between devices, which a training cannot follow"):
        Shots.of(moving, PICTURES, SIZE)


def test_many_pictures_are_encoded_a_few_at_a_time(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    plain = type(small).posterior

    def counting(self: Backbone, pictures: Any, size: Any = None) -> Any:
        seen.append(len(pictures))
        return plain(self, pictures, size)

    monkeypatch.setattr(type(small), "posterior", counting)
    shots = Shots.of(small, PICTURES * 5, SIZE)
    assert seen == [8, 2]
    assert len(shots) == 10
    torch.testing.assert_close(shots.mean[8:], shots.mean[:2])


def test_a_size_that_is_none_is_refused(small: Backbone):
    for size in (64, (65, 64), (64.0, 64)):
        with pytest.raises(InputError, match="size"):
            Shots.of(small, PICTURES, size)  # type: ignore[arg-type]


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
    found = losses(Batch.of(small, [part], TextStates(SIZE, fixed), seed=1, step=2), [part])["one"]
    ((noisy, t),) = asked
    abar = small.levels.abar[t][:, None, None, None]
    noise = (noisy - abar.sqrt() * shots.mean) / (1 - abar).sqrt()
    target = noise if prediction == "epsilon" else abar.sqrt() * noise - (1 - abar).sqrt() * shots.mean
    assert float(found) == pytest.approx(float(target.square().mean()), rel=1e-4)


def test_parts_have_losses_and_weights_of_their_own(small: Backbone):
    shots = Shots.of(small, PICTURES, SIZE)
    both = [Part("mine", shots, saying("a cat"), 2), Part("class", shots, saying("a dog"), 3, weight=0.5)]
    found = losses(Batch.of(small, both, TextStates(SIZE, fixed), seed=1, step=0), both)
    assert set(found) == {"mine", "class"}
    assert float(weighed(found, both)) == pytest.approx(float(found["mine"] + 0.5 * found["class"]))


def test_a_number_and_a_seed_decide_the_batch(small: Backbone):
    part = Part("one", Shots.of(small, PICTURES, SIZE), saying("a cat", "a dog", "a red house"), 2)
    states = TextStates(SIZE, fixed)
    first, again, later, other = (
        float(losses(Batch.of(small, [part], states, seed=seed, step=step), [part])["one"])
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

    batch = Batch.of(small, [part], TextStates(SIZE, fixed), seed=1, step=0, times=early)
    assert not batch.times.any()
    assert float(losses(batch, [part])["one"]) > 0
    assert seen == [2]


def test_a_mask_says_where_a_loss_counts(small: Backbone):
    shots = Shots.of(small, PICTURES, SIZE)
    rows, columns = shots.mean.shape[-2:]
    left = torch.zeros(1, rows, columns)
    left[..., : columns // 4] = 1
    asked: list[tuple[Sequence[int], Sequence[str]]] = []

    def mask(chosen: Sequence[int], said: Sequence[str]) -> Tensor:
        asked.append((chosen, said))
        return torch.stack([left, 1 - left])

    free = Part("free", shots, saying("a dog"), 1)
    plain = Part("one", shots, saying("a cat"), 2, mask=mask)
    error = torch.ones(3, 4, rows, columns)
    error[1] = 2 * left  # of the masked part's first picture: only where it counts
    batch = Batch.of(small, [free, plain], TextStates(SIZE, fixed), seed=1, step=0)
    batch = replace(batch, estimate=batch.target + error)
    found = {over: losses(batch, [free, replace(plain, over=over)]) for over in ("map", "mask")}
    assert float(found["map"]["free"]) == float(found["mask"]["free"]) == 1
    assert float(found["map"]["one"]) == pytest.approx((4 / 4 + 3 / 4) / 2)
    assert float(found["mask"]["one"]) == pytest.approx((4 + 1) / 2), "all four channels are counted"
    assert asked[0][1] == ["a cat", "a cat"]
    assert len(asked[0][0]) == 2


def test_clean_pictures_weigh_no_more_than_the_bound(small: Backbone):
    t = torch.tensor([0, 500, 999])
    abar = small.levels.abar[t]
    ratio = abar / (1 - abar)
    assert ratio[0] > 5 > ratio[1]
    torch.testing.assert_close(min_snr(small.levels, "epsilon")(t), ratio.clamp(max=5) / ratio)
    torch.testing.assert_close(min_snr(small.levels, "v_prediction", 2.0)(t), ratio.clamp(max=2) / (ratio + 1))
    weighs = min_snr(small.levels, "epsilon")
    part = Part("one", Shots.of(small, PICTURES, SIZE), saying("a cat"), 3, weighs=weighs)
    batch = Batch.of(small, [part], TextStates(SIZE, fixed), seed=1, step=0)
    batch = replace(batch, estimate=batch.target + 1, times=t)
    assert float(losses(batch, [part])["one"]) == pytest.approx(float(weighs(t).mean()))
    two = [replace(part, name=name, count=count) for name, count in (("first", 1), ("second", 2))]
    found = losses(replace(batch, chosen={"first": [0], "second": [0, 1]}), two)
    expected = {"first": weighs(t[:1]).mean(), "second": weighs(t[1:]).mean()}
    assert {name: float(one) for name, one in found.items()} == pytest.approx(
        {name: float(one) for name, one in expected.items()}
    ), "each part by its own timesteps"


def test_a_term_sees_the_attention_of_the_pass_and_reaches_what_is_learned(small: Backbone):
    vectors = Vectors(small, {"<toy>": begun(small, "car")})
    known = small.knowing(vectors.word("<toy>"))
    read = Read("semantic.text", "probabilities", reduce=Columns((2,)), gradient=True)
    looked = Term(lambda batch, seen: torch.stack([one.mean() for one in seen[read].values()]).mean(), (read,))
    shown: dict[str, Any] = {"changing": lambda prompt: True, "seed": 1, "shown": []}
    part = Part("one", Shots.of(small, PICTURES, SIZE), saying("a <toy>"), 2, weight=0.0)
    lesson = Lesson(
        vectors, lambda step: known.relearning(vectors.word("<toy>")), [part], terms={"looked": looked}, **shown
    )
    loss, figures = lesson.loss(0, 2)
    loss.backward()
    assert figures["looked"] == pytest.approx(float(loss.detach()))
    (gradient,) = (one.grad for one in vectors.parameters())
    assert gradient is not None
    assert gradient.abs().max() > 0


def test_phases_follow_one_another_and_go_on_after_a_stop(small: Backbone, tmp_path: Path):
    """First a word alone, then word and weights at rates of their own."""

    def run(folder: Path | None, stopped: bool = False) -> tuple[Vectors, Backbone]:
        vectors, tuned = Vectors(small, {"<toy>": begun(small, "car")}), small.copy()
        tuned.unet.conv_in.requires_grad_(True)
        both = nn.ModuleDict({"word": vectors, "weights": tuned.unet.conv_in})
        known = tuned.knowing(vectors.word("<toy>"))
        part = Part("one", Shots.of(small, PICTURES, SIZE), saying("a <toy>"), 2)
        token = CancelToken()

        def view(step: int) -> Backbone:
            if stopped and step == 1:
                token.cancel()
            return known.relearning(vectors.word("<toy>"))

        shown: dict[str, Any] = {"changing": lambda prompt: True, "seed": 1, "shown": []}
        schedule = replace(WORDS, steps=2, batch=2, rate=0.1)
        phases = [
            (Lesson(vectors, lambda step: known.relearning(vectors.word("<toy>")), [part], **shown), schedule),
            (Lesson(both, view, [part], **shown), replace(schedule, shares={"weights": 0.001})),
        ]
        learn_in_phases(phases, folder, Run(progress=False, cancel=token), {"method": "two"})
        return vectors, tuned

    whole = run(None)
    moved = (whole[1].unet.conv_in.weight - small.unet.conv_in.weight).abs().max()
    assert 0 < moved < 3 * 0.1 * 0.001
    with pytest.raises(CancelledError):
        run(tmp_path, stopped=True)
    again = run(tmp_path)
    assert again[0].learned("<toy>").hash == whole[0].learned("<toy>").hash
    assert torch.equal(again[1].unet.conv_in.weight, whole[1].unet.conv_in.weight)
    assert {path.name for path in tmp_path.iterdir()} == {"phase-1", "phase-2", "recipe.json"}


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
