"""DreamBooth: the weights move and the base does not; the class's pictures are decided; a LoRA does it beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from innerlight.backbones import Backbone, blank, load
from innerlight.backbones.opening import quiet
from innerlight.methods.editing.prompt_to_prompt import prompt_to_prompt
from innerlight.methods.retrieval.pdm import pdm
from innerlight.methods.teaching.dreambooth import DreamboothConfig, dreambooth
from innerlight.methods.teaching.dreambooth_lora import DreamboothLoraConfig, dreambooth_lora
from innerlight.sampling import CancelToken, Run, generate
from innerlight.sampling.noise import draw, generators_of
from innerlight.tuning import lessons
from innerlight.tuning.adapters import open_lora
from innerlight.tuning.denoising import Batch, Shots, TextStates, losses, weighed
from innerlight.tuning.freezing import ChangedError
from innerlight.tuning.subjects import class_shots, subject_parts
from innerlight.types import CancelledError, InputError
from innerlight.world import render, sample

PICTURES = [render(sample(seed), 64).picture for seed in (1, 2)]
QUICK: dict[str, Any] = {"size": (64, 64), "report": 0, "seed": 3, "run": Run(progress=False)}
METHODS = [(dreambooth, DreamboothConfig), (dreambooth_lora, DreamboothLoraConfig)]
BOTH = pytest.mark.parametrize(("teach", "kind"), METHODS, ids=["full", "lora"])
TEXTS = pytest.mark.parametrize("texts", [False, True], ids=["unet", "unet and texts"])
ROUNDING = 1e-4  # between two libraries that compute the same


@pytest.fixture(scope="module", autouse=True)
def few_steps(small: Backbone) -> Any:
    """Pictures of the class are drawn in two steps."""
    before, small.calibration = small.calibration, {"steps": 2}
    yield
    small.calibration = before


def taught(backbone: Backbone, teach: Any = dreambooth, kind: Any = DreamboothConfig, **settings: Any) -> Any:
    own = {key: settings.pop(key) for key in ("folder", "report", "run", "seed", "name", "like") if key in settings}
    config = kind(**{"steps": 2, "batch": 2, "prior": 2, "rate": 1e-3, "weight": 1.0, **settings})
    return teach(backbone, PICTURES, config=config, **{**QUICK, "like": "car", **own})


def drawn(backbone: Backbone, prompt: str = "a sks car") -> torch.Tensor:
    return generate(backbone, prompt, steps=2, seed=1, size=(64, 64)).latents


@BOTH
def test_the_model_changes_and_the_base_does_not(backbone: Backbone, teach: Any, kind: Any):
    base = replace(backbone, calibration={"steps": 2})
    before = {key: value.clone() for key, value in base.unet.state_dict().items()}
    picture = drawn(base)
    found = taught(base, teach, kind)
    assert found.name == "sks car"
    assert not torch.equal(drawn(found.backbone), picture)
    assert all(torch.equal(value, before[key]) for key, value in base.unet.state_dict().items())
    assert torch.equal(drawn(base), picture)
    assert found.backbone.hash not in ("", base.hash)
    assert not any(one.requires_grad for one in found.backbone.unet.parameters())
    assert found.backbone.vae is base.vae


@BOTH
def test_without_a_step_it_is_the_base(small: Backbone, teach: Any, kind: Any):
    assert torch.equal(drawn(taught(small, teach, kind, steps=0).backbone), drawn(small))


@BOTH
def test_one_seed_one_model(small: Backbone, teach: Any, kind: Any):
    first, again, other = (taught(small, teach, kind, seed=seed).backbone.hash for seed in (3, 3, 4))
    assert first == again != other


def test_all_of_the_unet_is_learned_and_nothing_else(small: Backbone):
    found = taught(small, decay=0.0).backbone
    moved = [
        name
        for (name, old), new in zip(small.unet.named_parameters(), found.unet.parameters(), strict=True)
        if not torch.equal(old, new)
    ]
    assert len(moved) > 0.95 * len(list(small.unet.parameters()))
    assert torch.equal(found.embed("a sks car").states, small.embed("a sks car").states)


@BOTH
def test_text_encoders_are_learned_where_they_are_asked_for(backbone: Backbone, tmp_path: Path, teach: Any, kind: Any):
    base = replace(backbone, calibration={"steps": 2})
    before = [{key: one.clone() for key, one in text.model.state_dict().items()} for text in base.texts]
    found = taught(base, teach, kind, texts=True)
    for old, text, own in zip(before, base.texts, found.backbone.texts, strict=True):
        now = text.model.state_dict()
        assert all(torch.equal(one, now[key]) for key, one in old.items()), "the base is what it was"
        tokens = [text.cut("a sks car")]
        states = [one.read(tokens, base.device)[0] for one in (text, own)]
        assert not torch.equal(*states), "each of them says something else now"
    found.save(tmp_path / "toy")
    again = open_lora(tmp_path / "toy", base) if teach is dreambooth_lora else load(tmp_path / "toy")
    assert (drawn(again) - drawn(found.backbone)).abs().max() < 1e-5
    assert not torch.equal(drawn(found.backbone), drawn(taught(base, teach, kind).backbone))


def parts_of(small: Backbone, weight: float) -> Any:
    shots = Shots.of(small, PICTURES, (64, 64))
    return subject_parts(
        small, shots, "sks", "car", batch=2, weight=weight, prior=2, seed=3, folder=None, run=Run(progress=False)
    )()


def test_without_weight_the_class_does_not_count(small: Backbone):
    """lambda = 0: the gradient of plain fine-tuning on the same latents, times and noise."""
    parts = [replace(part, weight=0.0) if part.name == "class" else part for part in parts_of(small, 1.0)]
    exact = [replace(part, shots=Shots.exactly(part.shots.mean[:1], part.shots.size)) for part in parts]
    tuned = small.copy()
    tuned.unet.requires_grad_(True)
    one = tuned.unet.conv_in.weight
    states = TextStates((64, 64), lambda prompt: False)
    noise = torch.randn(4, *exact[0].shots.mean.shape[1:], generator=torch.Generator().manual_seed(5))

    def gradient(parts: list[Any]) -> torch.Tensor:
        """The first rows see the same noise and times however many follow."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(torch, "randn", lambda shape, **named: noise[: shape[0]])
            times = lambda count, own: torch.tensor([300, 600, 100, 900])[:count]  # noqa: E731
            found = losses(Batch.of(tuned, parts, states, seed=1, step=0, times=times), parts)
        return torch.autograd.grad(weighed(found, parts), one)[0]

    both, alone = gradient(exact), gradient(exact[:1])
    torch.testing.assert_close(both, alone)
    assert both.abs().max() > 0
    assert [part.name for part in parts_of(small, 0.0)] == ["thing"]


def test_before_the_first_step_a_tuned_model_errs_on_its_class_as_the_base_does(small: Backbone):
    parts = parts_of(small, 1.0)
    states = TextStates((64, 64), lambda prompt: False)
    tuned = taught(small, steps=0).backbone
    first, other = (losses(Batch.of(one, parts, states, seed=1, step=0), parts)["class"] for one in (small, tuned))
    assert torch.equal(first, other)
    assert [part.say([0, 1], None) for part in parts] == [["a sks car"] * 2, ["a car"] * 2]


def test_the_class_s_pictures_are_decided_by_weights_prompt_and_seed(small: Backbone, tmp_path: Path):
    def of(like: str = "car", seed: int = 3, folder: Path | None = None, model: Backbone = small) -> torch.Tensor:
        run = Run(progress=False)
        return class_shots(model, like, 5, (64, 64), seed=seed, folder=folder, run=run).mean

    twin, other = (replace(blank("sd15", seed=seed), calibration=small.calibration) for seed in (0, 8))
    first, others = of(), of(model=other)
    assert torch.equal(first, of())
    assert torch.equal(first, of(model=twin)), "the same weights once more"
    assert not torch.equal(first, others)
    assert torch.equal(first[4:], generate(small, "a car", seed=7, size=(64, 64)).latents)
    assert not torch.equal(first, of("cat"))
    assert not torch.equal(first, of(seed=4))
    assert torch.equal(first, of(folder=tmp_path))
    assert torch.equal(first, of(folder=tmp_path)), "from the file"
    (kept,) = tmp_path.iterdir()
    save_file({"latents": first[:4].contiguous()}, kept)  # as far as a run came that was killed
    assert torch.equal(first, of(folder=tmp_path))
    assert torch.equal(load_file(kept)["latents"], first)
    assert torch.equal(others, of(folder=tmp_path, model=other)), "not from the file of the first"
    assert torch.equal(first, of(folder=tmp_path, model=twin))
    assert len(list(tmp_path.iterdir())) == 2


@TEXTS
@BOTH
def test_stopped_and_gone_on_with_it_is_the_same_model(
    small: Backbone, tmp_path: Path, teach: Any, kind: Any, texts: bool
):
    whole = taught(small, teach, kind, texts=texts).backbone.hash
    token, plain = CancelToken(), lessons.losses

    def cancelling(batch: Any, parts: Any) -> Any:
        if batch.step == 0:
            token.cancel()
        return plain(batch, parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "losses", cancelling)
        with pytest.raises(CancelledError):
            taught(small, teach, kind, folder=tmp_path, run=Run(progress=False, cancel=token), texts=texts)
    assert taught(small, teach, kind, folder=tmp_path, texts=texts).backbone.hash == whole
    with pytest.raises(InputError, match="another seed"):
        taught(small, teach, kind, folder=tmp_path, seed=4, texts=texts)


def drawn_by_stock(folder: Path, prompt: str = "a sks car") -> torch.Tensor:
    """As `drawn`, from the same noise, by a pipeline that diffusers opens."""
    from diffusers import DiffusionPipeline  # pyright: ignore[reportPrivateImportUsage]

    with quiet():
        pipeline: Any = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    side = 64 // pipeline.vae_scale_factor
    noise = draw(generators_of([1]), (4, side, side))
    return pipeline(
        prompt, num_inference_steps=2, guidance_scale=7.5, latents=noise, height=64, width=64, output_type="latent"
    ).images


@TEXTS
def test_saved_as_a_pipeline_it_draws_the_same_here_and_in_diffusers(backbone: Backbone, tmp_path: Path, texts: bool):
    base = replace(backbone, calibration={"steps": 2})
    found = taught(base, texts=texts)
    found.save(tmp_path / "model")
    ours = drawn(found.backbone)
    assert (drawn(load(tmp_path / "model")) - ours).abs().max() < 1e-5
    theirs = drawn_by_stock(tmp_path / "model")
    assert (ours - theirs).abs().max() < ROUNDING
    for less in (base, replace(found.backbone, texts=base.texts)) if texts else (base,):
        assert (drawn(less) - theirs).abs().max() > 100 * ROUNDING, "what was learned counts"
    assert '"dreambooth"' in (tmp_path / "model" / "taught.json").read_text()


def test_the_report_says_how_far_the_class_has_drifted(small: Backbone):
    report = taught(small, report=1).report
    assert report.scores["drift"] > 0
    assert "a photo of a sks car" in report.pictures


@BOTH
def test_other_methods_work_on_what_was_taught(small: Backbone, teach: Any, kind: Any):
    model = taught(small, teach, kind).backbone
    made = prompt_to_prompt(model, "a sks car", "a red sks car", steps=2, size=(64, 64))
    assert not torch.equal(
        made.latents, prompt_to_prompt(small, "a sks car", "a red sks car", steps=2, size=(64, 64)).latents
    )
    assert len(pdm(model, PICTURES[0], PICTURES, word="car", size=(64, 64)).scores) == 2


@BOTH
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"like": " "}, "got none"),
        ({"batch": 0}, "1 or more"),
        ({"prior": 0}, "1 or more"),
        ({"weight": -1.0}, "0 or more"),
    ],
)
def test_bad_settings_are_refused(small: Backbone, teach: Any, kind: Any, settings: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        taught(small, teach, kind, **settings)


@BOTH
@pytest.mark.parametrize(
    ("changed", "message"), [({"rate": 2e-3}, "another config"), ({"steps": -1}, "0 steps or more")]
)
def test_what_is_refused_is_refused_before_the_class_is_drawn(
    small: Backbone, teach: Any, kind: Any, tmp_path: Path, changed: dict[str, Any], message: str
):
    taught(small, teach, kind, folder=tmp_path, steps=1)
    (kept,) = tmp_path.glob("prior-*.safetensors")
    kept.unlink()
    with pytest.raises(InputError, match=message):
        taught(small, teach, kind, folder=tmp_path, **{"steps": 1, **changed})
    assert not list(tmp_path.glob("prior-*"))


@BOTH
@pytest.mark.parametrize("name", ["", "<>", "  "])
def test_a_name_that_says_nothing_is_refused(small: Backbone, teach: Any, kind: Any, name: str):
    with pytest.raises(InputError, match="name: expected a rare word"):
        taught(small, teach, kind, name=name)


def test_the_class_is_drawn_anew_where_it_would_be_another(small: Backbone, tmp_path: Path):
    for settings in ({"steps": 2}, {"steps": 2, "guidance": 3.0}, {"steps": 2}):
        model = replace(small, calibration=settings)
        class_shots(model, "car", 1, (64, 64), seed=3, folder=tmp_path, run=Run(progress=False))
    assert len(list(tmp_path.glob("prior-*"))) == 2


def test_steps_and_rate_are_those_of_the_released_script(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    import sys

    asked: list[tuple[int, float]] = []

    def teaching(*_: Any, steps: int, rate: float, **__: Any) -> None:
        asked.append((steps, rate))

    monkeypatch.setattr(sys.modules[dreambooth.__module__], "teach_weights", teaching)
    for settings in ({}, {"weight": 0.0}, {"texts": True}):
        taught(small, **{"steps": None, "rate": None, **settings})
    assert asked == [(800, 5e-6), (400, 5e-6), (800, 2e-6)]


def test_pictures_of_a_class_that_are_none_are_refused(small: Backbone, tmp_path: Path):
    taught(small, folder=tmp_path, steps=1)
    (kept,) = tmp_path.glob("prior-*.safetensors")
    save_file({"other": torch.zeros(2)}, kept)
    with pytest.raises(InputError, match="no pictures of a class"):
        taught(small, folder=tmp_path, steps=1)
    kept.write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        taught(small, folder=tmp_path, steps=1)


def test_numpys_seeds_are_seeds(small: Backbone):
    assert taught(small, seed=np.int64(4)).backbone.hash == taught(small, seed=4).backbone.hash


@BOTH
def test_a_run_that_changes_the_base_is_found(small: Backbone, teach: Any, kind: Any, meddle: Callable[..., None]):
    meddle(small.vae)
    with pytest.raises(ChangedError, match="vae"):
        taught(small, teach, kind)
