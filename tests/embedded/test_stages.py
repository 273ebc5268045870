"""Every stage: a loss that falls, gradients everywhere, samples to look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from innerlight import load
from innerlight.backbones.building import build_tokenizer, build_vae
from innerlight.backbones.noise import NoiseLevels
from innerlight.embedded import unet
from innerlight.embedded.binding import BindingStage
from innerlight.embedded.data import FIELDS
from innerlight.embedded.judging import JudgeStage, _weights, of_pixels
from innerlight.embedded.oracle import world_judge
from innerlight.embedded.recipe import SCHEDULES, train_stage
from innerlight.embedded.towers import Towers, TowersStage, tokens_of
from innerlight.embedded.unet import COARSE, POCKET_UNET, UNetStage, cache_latents, scale_of, text_states
from innerlight.embedded.vae import POCKET_VAE, VaeStage, to_pixels, to_tensor
from innerlight.embedded.vocabulary import learn_tokenizer, vocabulary
from innerlight.tuning.training import train
from innerlight.types import InputError, NotFoundError

TINY_VAE = {**POCKET_VAE, "block_out_channels": (8, 8, 16)}


def stages(scenes) -> dict:
    torch.manual_seed(0)  # of the weights they begin with
    tokenizer = learn_tokenizer(scenes)
    return {
        "vae": VaeStage(scenes, TINY_VAE, crop=32),
        "judge": JudgeStage(scenes),
        "towers": TowersStage(scenes, tokenizer),
        "binding": BindingStage(scenes, TowersStage(scenes, tokenizer).module.text, tokenizer),
    }


@pytest.mark.parametrize("name", ["vae", "judge", "towers", "binding"])
def test_a_stage_learns_and_leaves_samples(scenes, tmp_path: Path, name: str):
    stage = stages(scenes)[name]
    schedule = replace(SCHEDULES[name], steps=12, batch=8, warmup=2, sample_steps=12)
    first = float(stage.loss(0, 8)[0].detach())
    train(stage, schedule, tmp_path)
    last = float(stage.loss(0, 8)[0].detach())
    assert last < first
    assert (tmp_path / "checkpoint.pt").exists()
    assert list(tmp_path.glob("sample-*"))


@pytest.mark.parametrize("name", ["vae", "judge", "towers", "binding"])
def test_all_weights_are_reached(scenes, name: str):
    stage = stages(scenes)[name]
    loss, figures = stage.loss(3, 8)
    loss.backward()
    idle = [n for n, p in stage.module.named_parameters() if p.grad is None]
    assert not idle
    assert all(np.isfinite(value) for value in figures.values())


def test_the_unet_learns_on_cached_latents(scenes, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(unet, "SHARD", len(scenes))
    vae = build_vae(TINY_VAE).eval()
    scale = scale_of(scenes, vae)
    whole, half = (
        cache_latents(scenes, vae, tmp_path / f"latents-{shrink}", shrink, scale, lambda done, of: None)
        for shrink in (1, 2)
    )
    assert whole[0].shape == (32, 4, 16, 16)
    assert half[0].shape == (32, 4, 8, 8)
    assert float(np.std(whole[0].astype(np.float32))) == pytest.approx(1, abs=0.1)
    again = cache_latents(scenes, None, tmp_path / "latents-1", 1, scale, lambda done, of: None)
    assert (again[0] == whole[0]).all(), "nothing is done twice"
    tokenizer = learn_tokenizer(scenes)
    towers = TowersStage(scenes, tokenizer).module
    config = {**POCKET_UNET, "block_out_channels": (8, 8, 16), "attention_head_dim": 1}
    states = text_states(towers.text, tokenizer)
    decode = lambda z: vae.decode(z / scale).sample  # noqa: E731
    stage = UNetStage(scenes, whole, half, states, decode, config, coarse_steps=6)
    things = np.concatenate([(rows[:, :, 0] >= 0).sum(1) for rows in scenes.things])
    seen = []
    stage.module.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[-1]))
    stage.first = 100
    with torch.no_grad():
        for step in (5, 6):
            stage.loss(step, 2)
    assert seen == [8, 16], "wherever batches are counted from, the phase goes by the step"
    stage.first = 0
    assert 0 < len(stage.few) < len(things)
    assert things[stage.few].max() <= COARSE
    first = float(stage.loss(0, 8)[0].detach())
    train(stage, replace(SCHEDULES["unet"], steps=12, batch=8, warmup=2, sample_steps=12), tmp_path)
    assert float(stage.loss(0, 8)[0].detach()) < first
    assert list(tmp_path.glob("sample-*.png"))
    assert all(p.grad is None for p in towers.text.parameters())


def test_what_is_not_filled_tells_behind_its_end_mark_what_the_empty_caption_tells():
    text = load().texts[0]
    states = text_states(text.model, text.tokenizer)
    told = "a red cat"
    filled, bare, empty = states([told, told, ""], [True, False, False])
    end = text.tokenizer(told).input_ids.index(text.tokenizer.eos_token_id)
    assert torch.equal(bare[: end + 1], filled[: end + 1])
    assert torch.equal(bare[end + 1 :], empty[end + 1 :])
    assert (filled[end + 1 :] - empty[end + 1 :]).abs().amax(1).min() > 0.1
    assert torch.equal(states([""], [True])[0], empty)


def test_errors_of_little_noise_weigh_by_min_snr_and_those_of_much_noise_weigh_full():
    stage = object.__new__(UNetStage)
    stage.levels, stage.snr_cap = NoiseLevels.scaled_linear(), 5.0
    t = torch.tensor([1, 100, 500, 999])
    snr = stage.levels.abar[t] / (1 - stage.levels.abar[t])
    weights = stage._weight(t)
    assert torch.allclose(weights[:2], 5.0 / (snr[:2] + 1))
    assert (snr[:2] > 5).all()
    assert weights[2] == weights[3] == 1


def test_a_unet_without_a_vae_is_refused(scenes, tmp_path: Path):
    (tmp_path / "data").mkdir()
    for field in FIELDS:
        np.save(tmp_path / "data" / f"{field}-00000.npy", getattr(scenes, field)[0])
    with pytest.raises(InputError, match="no VAE is trained"):
        train_stage("unet", tmp_path)


def test_a_batch_is_decided_by_its_number(scenes):
    stage = VaeStage(scenes, TINY_VAE, crop=32)
    with torch.no_grad():
        one, again, other = (float(stage.loss(step, 4)[0]) for step in (5, 5, 6))
    assert one == again != other


@pytest.mark.parametrize("name", ["vae", "judge", "towers", "binding"])
def test_batches_are_counted_from_a_first(scenes, name: str):
    stage = stages(scenes)[name]
    with torch.no_grad():
        eighth = float(stage.loss(8, 8)[0])
        stage.first = 5
        assert float(stage.loss(3, 8)[0]) == eighth
        assert float(stage.loss(8, 8)[0]) != eighth


def test_a_judge_without_pairs_to_learn_from_is_refused(scenes):
    with pytest.raises(InputError, match="a share of 6 has none"):
        JudgeStage(scenes).loss(0, 6)


def test_pixels_come_back_from_tensors(scenes):
    pictures = scenes.gather("pictures", np.arange(3))
    assert (to_pixels(to_tensor(pictures)) == pictures).all()


def test_facts_of_pixels_are_those_of_their_things():
    owners = torch.tensor([[[0, 1], [2, 0]]])
    things = torch.tensor([[[7, 3, 0, 0, 0], [5, 9, 0, 0, 0], [-1] * 5, [-1] * 5]])
    assert of_pixels(owners, things, "category").tolist() == [[[0, 7], [5, 0]]]
    assert of_pixels(owners, things, "colour").tolist() == [[[0, 3], [9, 0]]]


def test_small_things_weigh_more_than_their_area():
    owners = torch.zeros(2, 8, 8, dtype=torch.long)
    owners[0, :2, :2], owners[0, 6:] = 1, 2
    weights = _weights(owners)
    assert torch.allclose(weights.mean((1, 2)), torch.ones(2))
    assert torch.equal(weights[1], torch.ones(8, 8))
    shares = torch.stack([weights[0][owners[0] == number].sum() for number in range(3)])
    assert torch.allclose(shares / shares[1], torch.tensor([44.0, 4.0, 16.0]).sqrt() / 2)


def test_the_judge_reads_any_size_that_it_can_halve():
    judge = world_judge().eval()
    with torch.no_grad():
        reading = judge(torch.zeros(2, 3, 48, 80))
        poses, identity = judge.describe_things(reading.features, torch.ones(2, 24, 40))
    assert reading.maps["category"].shape == (2, judge.config.categories, 24, 40)
    assert poses.shape == (2, judge.config.poses)
    assert torch.allclose(identity.norm(dim=1), torch.ones(2))


def test_a_caption_is_read_at_its_end_mark(scenes):
    tokenizer = build_tokenizer(vocabulary([]), [])
    towers = Towers(
        {**TowersStage(scenes, tokenizer).module.text.config.to_dict(), "eos_token_id": tokenizer.eos_token_id}
    ).eval()
    with torch.no_grad():
        short, long = (towers.read(tokens_of(tokenizer, ["a cat"], length)) for length in (12, 40))
    assert torch.allclose(short, long, atol=1e-5)


def test_an_unknown_stage_is_refused(tmp_path: Path):
    with pytest.raises(NotFoundError, match="tokenizer"):
        train_stage("dreams", tmp_path)
    with pytest.raises(InputError, match="expected auto, cpu, cuda or mps"):
        train_stage("data", tmp_path, device="cud")
