"""From trained stages to the folder that ships: calibrated, packed, opened again, with its card."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from innerlight.backbones import load
from innerlight.bench.evidence import measured
from innerlight.embedded import data, packing, recipe, unet
from innerlight.embedded.data import FIELDS
from innerlight.embedded.judging import trained_judge
from innerlight.embedded.oracle import LATEST_JUDGE, shipped_judge
from innerlight.embedded.packing import calibrate, nearest_scenes, open_trained, pack, write_card
from innerlight.embedded.recipe import SCHEDULES, train_stage
from innerlight.sampling import Run, generate
from innerlight.types import InputError, NotFoundError

QUIET = Run(progress=False)


@pytest.fixture(scope="module")
def runs(scenes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages, two steps each, on a few small scenes."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "data").mkdir()
    for field in FIELDS:
        np.save(folder / "data" / f"{field}-00000.npy", getattr(scenes, field)[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unet, "SHARD", len(scenes))
        patch.setattr(data, "SHARD", len(scenes))
        patch.setattr(recipe, "COARSE_STEPS", 1)
        patch.setattr(packing, "CALIBRATED_ON", 2)
        patch.setattr(packing, "GUIDANCES", (1.5, 4.0))
        patch.setattr(packing, "STEPS", 2)
        patch.setattr(packing, "SHOWN", 2)
        quick = {name: replace(one, steps=2, batch=4, warmup=1, sample_steps=10) for name, one in SCHEDULES.items()}
        patch.setattr(recipe, "SCHEDULES", quick)
        for stage in ("tokenizer", "towers", "binding", "vae", "unet", "judge"):
            train_stage(stage, folder)
        with pytest.raises(NotFoundError, match="calibrate first"):
            pack(folder, folder / "packed", "one processor")
        fitted = calibrate(folder)
        assert fitted["guidance"] in (1.5, 4.0)
        pack(folder, folder / "packed", "one processor")
    return folder


def test_the_packed_model_is_the_trained_one(runs: Path):
    trained, packed = open_trained(runs, {"steps": 2}), load(runs / "packed")
    prompt = "a red cat on the grass"
    assert packed.prediction == "v_prediction"
    assert packed.vae.config.scaling_factor == pytest.approx(trained.vae.config.scaling_factor)
    assert torch.allclose(trained.embed(prompt).states, packed.embed(prompt).states, atol=0.02)
    one, other = (generate(model, prompt, steps=2, guidance=2.0, run=QUIET) for model in (trained, packed))
    assert one.images[0].size == other.images[0].size == (128, 128)
    assert (one.latents - other.latents).abs().max() < 0.1  # half precision


def test_its_calibration_goes_with_it(runs: Path):
    packed = load(runs / "packed")
    assert packed.calibration["steps"] == 2
    assert {"cat", "red", "grass"} <= set(packed.calibration["vocabulary"])
    assert "," not in packed.calibration["vocabulary"]
    assert len(generate(packed, "a cat", run=QUIET).recipe["prompts"]) == 1


def test_the_nearest_scene_of_a_scene_is_itself(runs: Path, scenes):
    wanted = np.asarray(scenes.pictures[0][2:4])
    noisy = (wanted // 2 + 40).astype(np.uint8)
    assert np.array_equal(nearest_scenes(wanted, scenes), wanted)
    assert nearest_scenes(noisy, scenes).shape == wanted.shape
    assert (runs / "packed" / packing.NEAREST).exists()


def test_the_card_says_what_was_seen_and_what_came_of_it(runs: Path):
    row = measured("vae.psnr", 20.0, 33.0, ">=", n=8, command="x", low=19.0, high=21.0)
    write_card(runs / "packed", [row])
    card = (runs / "packed" / "README.md").read_text(encoding="utf-8")
    assert "Licence: Apache-2.0" in card
    assert "Trained on one processor." in card
    assert "| vae.psnr | 20.000 | >= 33 | 19.000 to 21.000 | 8 | does not hold |" in card
    assert all(f"| {stage} |" in card for stage in packing.STAGES)
    assert json.loads((runs / "packed" / "calibration.json").read_text(encoding="utf-8"))["fitted"]["seeds"]


def test_a_training_goes_on_from_a_packed_model(runs: Path, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(runs / "data", tmp_path / "data")
    monkeypatch.setattr(recipe, "WEIGHTS", runs)
    (runs / "packed").rename(runs / recipe.LATEST)
    try:
        train_stage("base", tmp_path)
    finally:
        (runs / recipe.LATEST).rename(runs / "packed")
    quick = replace(recipe.ONWARD["unet"], steps=2, batch=4, warmup=1, rate=1e-9, average=None, sample_steps=10)
    monkeypatch.setattr(recipe, "ONWARD", {"unet": quick, "judge": quick})
    monkeypatch.setattr(packing, "CALIBRATED_ON", 2)
    monkeypatch.setattr(packing, "GUIDANCES", (1.5,))
    monkeypatch.setattr(packing, "SHOWN", 2)
    monkeypatch.setattr(unet, "SHARD", 32)
    assert train_stage("unet", tmp_path)["step"] == 2
    base, onward = load(runs / "packed"), open_trained(tmp_path)
    weights = onward.unet.state_dict()
    assert all(torch.allclose(value, weights[name], atol=1e-6) for name, value in base.unet.state_dict().items())
    assert torch.equal(onward.embed("a cat").states, base.embed("a cat").states)
    assert train_stage("judge", tmp_path)["step"] == 2
    judge, shipped = trained_judge(tmp_path / "judge"), shipped_judge(LATEST_JUDGE).state_dict()
    assert judge is not None
    assert all(torch.allclose(value, shipped[name], atol=1e-6) for name, value in judge.state_dict().items())
    fitted = train_stage("calibration", tmp_path)
    assert set(fitted) == {"stage", "seeds", "by guidance"}, "not what was fitted on the model that it went on from"
    code, _, err = run("embedded", "pack", "--folder", str(tmp_path))
    assert code == 2
    assert "say where the new one belongs" in err
    pack(tmp_path, tmp_path / "packed", "another processor")
    before, after = (json.loads((folder / "packed" / packing.TRAINING).read_text()) for folder in (runs, tmp_path))
    assert after["unet"]["samples"] == before["unet"]["samples"] + 8
    assert after["unet"]["hardware"] == "another processor"
    assert after["vae"] == before["vae"]
    assert (tmp_path / LATEST_JUDGE.parent.name / LATEST_JUDGE.name).exists()
    with pytest.raises(InputError, match="has trained unet, judge already"):
        train_stage("base", tmp_path)


def test_a_training_that_goes_on_sees_other_batches(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(runs / "data", tmp_path / "data")
    shutil.copytree(runs / "packed", tmp_path / packing.BASE)
    monkeypatch.setattr(unet, "SHARD", 32)
    seen = json.loads((runs / "packed" / packing.TRAINING).read_text())["judge"]["samples"]
    assert recipe._made("judge", tmp_path)[1].first == seen > 0  # type: ignore[attr-defined]
    assert recipe._made("judge", tmp_path, 2)[1].first == seen + 2 * recipe.APART  # type: ignore[attr-defined]


def test_what_the_unet_has_learnt_from_stays_as_it_is(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = shutil.copytree(runs, tmp_path / "runs", ignore=shutil.ignore_patterns("packed"))
    quick = {name: replace(one, steps=2, batch=4, warmup=1) for name, one in SCHEDULES.items()}
    monkeypatch.setattr(recipe, "SCHEDULES", quick)
    for stage in ("vae", "towers", "binding"):
        assert train_stage(stage, folder)["step"] == 2, "one that is at its end has nothing to change"
    with monkeypatch.context() as patch:
        patch.setitem(quick, "towers", replace(quick["towers"], steps=3))
        with pytest.raises(InputError, match=r"binding and unet in .+ learnt from what towers makes"):
            train_stage("towers", folder)
    shutil.rmtree(folder / "binding")
    with pytest.raises(InputError, match="learnt from what binding makes"):
        train_stage("binding", folder)
    assert not (folder / "binding").exists()
    shutil.rmtree(folder / "unet")
    assert train_stage("binding", folder)["step"] == 2


def test_a_judge_is_packed_when_it_is_done(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = shutil.copytree(runs, tmp_path / "runs", ignore=shutil.ignore_patterns("packed", "judge"))
    monkeypatch.setattr(unet, "SHARD", 32)
    longer = replace(SCHEDULES["judge"], steps=3, batch=4, warmup=1, save_seconds=0)
    monkeypatch.setattr(recipe, "SCHEDULES", {**SCHEDULES, "judge": longer})
    train_stage("judge", folder, seconds=0)
    for act in (calibrate, lambda runs: pack(runs, tmp_path / "packed", "one processor")):
        with pytest.raises(InputError, match="has 2 steps to go"):
            act(folder)
    assert not (tmp_path / "packed").exists()


def test_guidance_is_fitted_on_how_much_of_what_is_drawn_is_a_wanted_thing_in_its_colour():
    category, colour = np.array([[1, 1], [2, 0]]), np.array([[5, 6], [7, 0]])
    both = np.array([[1, 4], [2, 6]])  # categories, and colours counted from 0
    assert packing._share(category, colour, both) == pytest.approx(2 / 3)
    assert packing._share(category, colour, both[:1]) == pytest.approx(1 / 3)
    assert packing._share(0 * category, colour, both) == 0
