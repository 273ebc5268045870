"""Every kind of source opens as the model it is; what cannot be opened says why."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from originals import original
from safetensors.torch import load_file, save_file
from stock import FAMILIES, PROMPT, apart, model, noise, pipeline

from innerlight.backbones import Backbone, NotFiniteError, blank, hashing, load, loading, save_pipeline, single_file
from innerlight.backbones.geometry import GEOMETRIES
from innerlight.backbones.opening import quiet
from innerlight.backbones.single_file import Header, family_of, geometry_of
from innerlight.files import ReadError
from innerlight.prompts import LearnedWord
from innerlight.sampling import generate
from innerlight.types import InnerlightError, InputError, NotFoundError

UNET, VAE, TEXT = (
    f"{part}.safetensors"
    for part in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model")
)
HALF = 2e-3  # of values about 1, after a rounding to float16


def alike(first: Backbone, second: Backbone, rounding: float = 1e-6) -> None:
    """The same model, as far as numbers can tell."""
    assert (first.prediction, first.empty_is_zero, first.size) == (second.prediction, second.empty_is_zero, second.size)
    assert apart(first.levels.abar, second.levels.abar) <= 1e-7
    told, other = first.embed(PROMPT), second.embed(PROMPT)
    assert apart(told.states, other.states) <= 2 * rounding
    assert (told.pooled is None) == (other.pooled is None)
    values = torch.linspace(-1, 1, 3 * 32 * 48).view(1, 3, 32, 48)
    with torch.no_grad():
        assert apart(first.encode_values(values), second.encode_values(values)) <= rounding
        assert apart(first.decode_values(noise(8, 12)), second.decode_values(noise(8, 12))) <= rounding
        assert apart(first.denoise(noise(8, 12), 400, told), second.denoise(noise(8, 12), 400, other)) <= rounding


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny pipeline as diffusers writes it; not to be changed."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = tmp_path_factory.mktemp("models") / f"tiny-{family}"
            with quiet():
                pipeline(family).save_pretrained(made[family])
        return made[family]

    return folder


@pytest.fixture
def folder(saved: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(saved("sd15"), tmp_path / "model"))


def edit(path: Path, **entries: Any) -> None:
    """Change entries of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


# Folders


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_opens_as_the_model_it_was(family: str, saved: Callable[[str], Path]):
    backbone = load(str(saved(family)), device="cpu")
    alike(backbone, model(family))
    assert backbone.name == f"tiny-{family}"
    assert backbone.family == ("sdxl" if family == "sdxl" else "sd1")
    for module in (backbone.unet, backbone.vae, *(text.model for text in backbone.texts)):
        assert not module.training
        assert not any(value.requires_grad for value in module.parameters())
    weights = sorted(path for path in saved(family).rglob("*.safetensors"))
    assert backbone.hash == hashlib.sha256(b"".join(path.read_bytes() for path in weights)).hexdigest()[:16]


def test_loading_is_silent(saved: Callable[[str], Path], capfd: Any, caplog: pytest.LogCaptureFixture):
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils import are_progress_bars_disabled
    from transformers.utils import logging as transformers_logging

    def settings() -> list[Any]:
        found = [
            (one.get_verbosity(), one.is_progress_bar_enabled()) for one in (diffusers_logging, transformers_logging)
        ]
        return [*found, are_progress_bars_disabled()]

    before = settings()
    capfd.readouterr()
    caplog.clear()
    load(saved("sd15"))
    load(saved("sdxl"), dtype="float16")
    with pytest.raises(InputError):
        load(saved("sd15") / "unet")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert settings() == before


def test_types_of_numbers(saved: Callable[[str], Path]):
    for name, kind in {"fp16": torch.float16, torch.bfloat16: torch.bfloat16}.items():
        backbone = load(saved("sdxl"), dtype=name, device="cpu")
        assert backbone.dtype == backbone.texts[1].model.dtype == kind
        # in float16 the VAE of SDXL is too coarse, and its configuration says so
        assert backbone.vae.dtype == (torch.float32 if kind == torch.float16 else kind)
    with pytest.raises(InputError, match=r"dtype: expected one of float32, float16, bfloat16, got 'int8'"):
        load(saved("sd15"), dtype="int8")
    with pytest.raises(InputError, match=r"device: expected auto, cpu, cuda or mps.*got 'toaster'"):
        load(saved("sd15"), device="toaster")


def test_variants_shards_and_older_names(folder: Path):
    whole = model("sd15")
    state = {f"text_model.{name}": value for name, value in load_file(folder / TEXT).items()}
    state["text_model.embeddings.position_ids"] = torch.arange(77)[None]  # as published before transformers 4.31
    save_file(state, folder / TEXT, metadata={"format": "pt"})
    edit(folder / "text_encoder" / "config.json", model_type="clip_text_model", architectures=["CLIPTextModel"])
    shutil.move(folder / UNET, folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    with pytest.raises(NotFoundError, match=r"pass variant= for one of diffusion_pytorch_model\.fp16\.safetensors"):
        load(folder)
    alike(load(folder, variant="fp16"), whole)
    with pytest.raises(NotFoundError, match="is missing"):
        load(folder, variant="bf16")
    (folder / UNET).unlink(missing_ok=True)
    with quiet():
        whole.unet.save_pretrained(folder / "unet", max_shard_size="1MB")
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    assert len(list((folder / "unet").glob("*.safetensors"))) > 1
    alike(load(folder), whole)
    with pytest.raises(NotFoundError, match="no weights of variant 'fp16'"):
        load(folder, variant="fp16")
    next((folder / "unet").glob("*-00002-of-*.safetensors")).unlink()
    with pytest.raises(NotFoundError, match=r"00002-of-.*is missing, which .*index\.json names"):
        load(folder)


def test_a_tokenizer_may_be_a_vocabulary_or_another(folder: Path, tmp_path: Path):
    whole = model("sd15")
    parts = json.loads((folder / "tokenizer" / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer" / "tokenizer.json").unlink()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(parts["vocab"]))
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in parts["merges"]]
    (folder / "tokenizer" / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    alike(load(folder), whole)
    shutil.move(folder / "tokenizer", tmp_path / "other")
    with pytest.raises(NotFoundError, match=r"no tokenizer in .*: expected tokenizer\.json, or vocab\.json and merges"):
        load(folder)
    assert load(folder, tokenizer=tmp_path / "other").embed(PROMPT).tokens == whole.embed(PROMPT).tokens
    with pytest.raises(InputError, match=r"tokenizer: .* needs 1, got 2"):
        load(folder, tokenizer=[whole.texts[0].tokenizer] * 2)
    with pytest.raises(InputError, match="tokenizer: expected a folder"):
        load(folder, tokenizer=5)


def test_calibration_beside_a_model(folder: Path):
    (folder / "calibration.json").write_text('{"steps": 7}')
    assert load(folder).calibration == {"steps": 7}
    (folder / "calibration.json").write_text("[7]")
    with pytest.raises(InputError, match=r"calibration\.json: expected a JSON object, got list"):
        load(folder)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def lose(path: Path, name: str) -> None:
    state = load_file(path)
    del state[name]
    save_file(state, path, metadata={"format": "pt"})


def widen(path: Path, name: str) -> None:
    state = load_file(path)
    state[name] = torch.cat([state[name], state[name]])
    save_file(state, path, metadata={"format": "pt"})


def spoil(path: Path, name: str) -> None:
    state = load_file(path)
    state[name].view(-1)[0] = torch.inf
    save_file(state, path, metadata={"format": "pt"})


def pickled(path: Path, name: str) -> None:
    torch.save(load_file(path), path.parent / name)
    path.unlink()


SPOILT: dict[str, tuple[Callable[[Path], object], type[InnerlightError], str]] = {
    "cut short": (lambda at: cut(at / UNET), InputError, r"unet/diffusion_pytorch_model\.safetensors.*cut short"),
    "no weights": (lambda at: (at / VAE).unlink(), NotFoundError, r"vae/diffusion_pytorch_model.* is missing"),
    "no part": (lambda at: shutil.rmtree(at / "vae"), NotFoundError, r"vae/config.json is missing.*there is model_in"),
    "no text": (lambda at: (at / TEXT).unlink(), NotFoundError, r"text_encoder/model\.safetensors is missing"),
    "no scheduler": (lambda at: shutil.rmtree(at / "scheduler"), NotFoundError, r"scheduler_config\.json is missing"),
    "lost a tensor": (lambda at: lose(at / UNET, "conv_in.bias"), InputError, r"not complete: 1 .* conv_in\.bias"),
    "lost a word": (
        lambda at: lose(at / TEXT, "embeddings.token_embedding.weight"),
        InputError,
        r"text_encoder \(model\.safetensors\) is not complete.*token_embedding",
    ),
    "other shape": (lambda at: widen(at / VAE, "encoder.conv_in.bias"), InputError, r"vae .* cannot be opened .*conv"),
    "not finite": (lambda at: spoil(at / VAE, "encoder.conv_in.bias"), NotFiniteError, r"vae\.encoder\.conv_in\.bias"),
    "no JSON": (lambda at: (at / "unet/config.json").write_text("{"), InputError, "not valid JSON"),
    "an odd number": (lambda at: edit(at / "unet/config.json", layers_per_block="two"), InputError, "cannot be opened"),
    "inpainting": (lambda at: edit(at / "unet/config.json", in_channels=9), InputError, "inpainting"),
    "other VAE": (
        lambda at: edit(at / "model_index.json", vae=["diffusers", "AutoencoderTiny"]),
        InputError,
        "vae is a AutoencoderTiny, expected",
    ),
    "no entry": (lambda at: edit(at / "model_index.json", vae=None), InputError, "names no vae"),
    "own scheduler": (
        lambda at: edit(at / "model_index.json", scheduler=["mine", "Mine"]), InputError, "its scheduler is a Mine"
    ),
    "flow": (
        lambda at: edit(at / "model_index.json", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"]),
        InputError,
        "has no levels of noise",
    ),
    "unknown prediction": (
        lambda at: edit(at / "scheduler/scheduler_config.json", prediction_type="sample"), InputError, "got 'sample'"
    ),
    "wide by name": (lambda at: edit(at / "unet/config.json", in_channels=[4]), InputError, r"takes \[4\] channels"),
    "no name": (lambda at: edit(at / "model_index.json", _class_name=None), InputError, "is a None"),
    "a list": (lambda at: (at / "model_index.json").write_text("[]"), InputError, "expected a JSON object"),
}  # fmt: skip


@pytest.mark.parametrize("trouble", SPOILT)
def test_a_spoilt_folder_says_what_is_wrong(trouble: str, folder: Path):
    spoiling, kind, reason = SPOILT[trouble]
    spoiling(folder)
    with pytest.raises(kind, match=reason):
        load(folder)


@pytest.mark.parametrize(
    ("pipeline_name", "reason"),
    [
        ("StableDiffusionInpaintPipeline", "9 channels"),
        ("StableDiffusionControlNetPipeline", "control picture"),
        ("StableDiffusionInstructPix2PixPipeline", "latents of a picture"),
        ("LatentConsistencyModelPipeline", "guidance weight"),
        ("StableDiffusion3Pipeline", "joint attention"),
        ("FluxPipeline", "joint attention"),
        ("KandinskyPipeline", "is a KandinskyPipeline; supported are Stable Diffusion 1.x and 2.x"),
    ],
)
def test_pipelines_of_other_families_are_refused_by_name(pipeline_name: str, reason: str, tmp_path: Path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline_name}))
    with pytest.raises(InputError, match=f"is a {pipeline_name}") as caught:
        load(tmp_path)
    assert reason in str(caught.value)


def test_the_refiner_is_refused(tmp_path: Path):
    index: dict[str, Any] = {part: ["diffusers", "Some"] for part in ("unet", "vae", "scheduler")}
    index |= {part: ["transformers", "Some"] for part in ("text_encoder_2", "tokenizer_2")}
    index |= {
        "_class_name": "StableDiffusionXLImg2ImgPipeline",
        "text_encoder": [None, None],
        "tokenizer": [None, None],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"refiner.*open the base model"):
        load(tmp_path)


def test_pickles_are_opened_only_on_demand(folder: Path):
    whole = model("sd15")
    pickled(folder / TEXT, "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin: pickled"):
        load(folder)
    pickled(folder / UNET, "diffusion_pytorch_model.bin")
    with pytest.raises(InputError, match=r"diffusion_pytorch_model\.bin: pickled weights can run any program"):
        load(folder)
    alike(load(folder, pickle=True), whole)


# What is no model


def test_what_is_no_model_says_what_is_expected(folder: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected model_index\.json and folders unet.*; there is nothing"):
        load(tmp_path / "empty")
    with pytest.raises(InputError, match=r"there is config\.json, .*pass the folder above it"):
        load(folder / "unet")
    (tmp_path / "one").mkdir()
    shutil.copy(folder / UNET, tmp_path / "one" / "x.safetensors")
    with pytest.raises(InputError, match="a single checkpoint is passed by its own path"):
        load(tmp_path / "one")
    (tmp_path / "cat.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"cat\.png: expected a checkpoint"):
        load(tmp_path / "cat.png")
    for missing in (str(tmp_path / "nowhere"), "nowhere", "~nobody/model/here", "nowhere.safetensors", "https://a.b/c"):
        with pytest.raises(NotFoundError, match=r"there is no file or folder .*; expected None \(the embedded model\)"):
            load(missing)
    with pytest.raises(ReadError, match="cannot be read"):
        load("long" * 2000)
    for odd in ("", 5, b"bytes", "a\0b", ["a"], model("sd15")):
        with pytest.raises(InputError, match="expected None"):
            load(odd)
    with pytest.raises(InputError, match="revision: only models of the hub"):
        load(folder, revision="main")


# The models that ship


def test_the_embedded_model(saved: Callable[[str], Path], tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr(loading, "WEIGHTS", tmp_path)
    shutil.copytree(saved("sd15") / "tokenizer", tmp_path / "pocket" / "tokenizer")
    for name in (None, "pocket"):
        with pytest.raises(NotFoundError, match=r"pocket has no model_index\.json.*innerlight embedded pack"):
            load(name)
    shutil.copytree(saved("sd15"), tmp_path / "pocket", dirs_exist_ok=True)
    assert load().name == "pocket"


def test_the_larger_model_is_not_there_yet(tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr(loading, "WEIGHTS", tmp_path)
    with pytest.raises(NotFoundError, match="not shipped yet"):
        load("desk")


# The hub


def test_a_model_of_the_hub(saved: Callable[[str], Path], tmp_path: Path, monkeypatch: Any):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(NotFoundError, match=r"owner/tiny of the hub cannot be opened .*leave local_only out"):
        load("owner/tiny", local_only=True)
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "models--owner--tiny"
    shutil.copytree(saved("sd15"), cache / "snapshots" / commit)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    found = load("owner/tiny", local_only=True)
    assert found.name == "owner/tiny"
    alike(found, model("sd15"))
    edit(cache / "snapshots" / commit / "model_index.json", _class_name="FluxPipeline")
    with pytest.raises(InputError, match="owner/tiny is a FluxPipeline"):
        load("owner/tiny", local_only=True)


def test_what_the_hub_is_asked_for(saved: Callable[[str], Path], monkeypatch: Any):
    from diffusers import DiffusionPipeline

    asked: dict[str, Any] = {}

    def download(name: str, **options: Any) -> str:
        asked.update(name=name, **options)
        return str(saved("sd15"))

    index = json.loads((saved("sd15") / "model_index.json").read_text())
    monkeypatch.setattr(DiffusionPipeline, "load_config", lambda name, **options: index)
    monkeypatch.setattr(DiffusionPipeline, "download", download)
    assert load("owner/tiny", revision="v2").hash == load(saved("sd15")).hash
    assert asked["name"] == "owner/tiny"
    assert asked["revision"] == "v2"
    assert asked["use_safetensors"]
    assert not asked["local_files_only"]
    assert asked["safety_checker"] is None


# Single checkpoints


def tiny(family: str, monkeypatch: Any) -> None:
    """Let checkpoints of tiny models pass for real ones: the published shapes are those of the tiny ones."""
    monkeypatch.setattr(single_file, "GEOMETRIES", {(family, "real"): GEOMETRIES[family, "tiny"]})


def tokenizers(family: str) -> list[Any]:
    return [text.tokenizer for text in model(family).texts]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_single_checkpoint_opens_as_the_model_it_was(family: str, tmp_path: Path, monkeypatch: Any):
    tiny(family, monkeypatch)
    path = tmp_path / "checkpoint.safetensors"
    more = {"model_ema.decay": torch.zeros(()), "alphas_cumprod": torch.zeros(1000)}  # what published ones hold besides
    if family == "sd15":
        more["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file({**original(model(family)), **more}, path)
    variant = "sd21" if family == "sd21" else None
    backbone = load(path, tokenizer=tokenizers(family), variant=variant, device="cpu")
    alike(backbone, model(family), rounding=1e-5)
    assert backbone.name == "checkpoint"
    assert backbone.hash == hashing.hash_files([path])
    assert not any(value.requires_grad for value in backbone.unet.parameters())
    if family == "sd15":
        halved = load(path, tokenizer=tokenizers(family), dtype="float16", device="cpu")
        assert halved.dtype == halved.texts[0].model.dtype == torch.float16


def test_a_single_checkpoint_needs_tokenizers(saved: Callable[[str], Path], tmp_path: Path, monkeypatch: Any):
    for family, wanted in (
        ("sd15", "a folder with a CLIP tokenizer"),
        ("sdxl", "a folder with tokenizer and tokenizer_2"),
    ):
        tiny(family, monkeypatch)
        path = tmp_path / f"{family}.safetensors"
        save_file(original(model(family)), path)
        with pytest.raises(InputError, match=f"holds no tokenizer: pass tokenizer={wanted}"):
            load(path)
        assert load(path, tokenizer=saved(family)).embed(PROMPT).tokens == model(family).embed(PROMPT).tokens
    with pytest.raises(InputError, match="holds no tokenizer"):
        load(path, tokenizer=saved("sd15"))


def test_a_spoilt_checkpoint_says_what_is_wrong(tmp_path: Path, monkeypatch: Any):
    tiny("sd15", monkeypatch)
    path, tokenizer = tmp_path / "x.safetensors", tokenizers("sd15")
    state = original(model("sd15"))
    save_file(state, path)
    cut(path)
    with pytest.raises(InputError, match=r"x\.safetensors cannot be opened .*cut short or damaged"):
        load(path, tokenizer=tokenizer)
    for lost, part in {
        "model.diffusion_model.middle_block.0.in_layers.2.weight": "unet",
        "first_stage_model.encoder.conv_in.weight": "vae",
        "cond_stage_model.transformer.text_model.final_layer_norm.bias": "text_encoder",
    }.items():
        save_file({name: value for name, value in state.items() if name != lost}, path)
        with pytest.raises(InnerlightError, match=rf"x\.safetensors (is not complete: .* its {part}|cannot be opened)"):
            load(path, tokenizer=tokenizer)
    spoilt = {name: value.clone() for name, value in state.items()}
    spoilt["first_stage_model.encoder.conv_in.weight"][0] = torch.nan
    save_file(spoilt, path)
    with pytest.raises(NotFiniteError, match=r"vae\.encoder\.conv_in\.weight"):
        load(path, tokenizer=tokenizer)
    torch.save({"state_dict": state}, tmp_path / "x.ckpt")
    with pytest.raises(InputError, match=r"x\.ckpt: pickled weights"):
        load(tmp_path / "x.ckpt", tokenizer=tokenizer)
    alike(load(tmp_path / "x.ckpt", tokenizer=tokenizer, pickle=True), model("sd15"), rounding=1e-5)
    torch.save({"state_dict": state, "more": Path}, tmp_path / "x.ckpt")
    with pytest.raises(InputError, match=r"x\.ckpt cannot be opened"):
        load(tmp_path / "x.ckpt", tokenizer=tokenizer, pickle=True)


def header(family: str, **metadata: str) -> Header:
    """What a tiny model's checkpoint says."""
    shapes = {name: tuple(value.shape) for name, value in original(model(family)).items()}
    return Header(shapes, {key.replace("_", ".", 1): value for key, value in metadata.items()})


def without(found: Header, start: str) -> Header:
    kept = {name: shape for name, shape in found.shapes.items() if not name.startswith(start)}
    return Header(kept, found.metadata)


def test_families_by_their_headers():
    assert family_of(header("sd15"), "x") == "sd15"
    assert family_of(header("sdxl"), "x") == "sdxl"
    with pytest.raises(InputError, match=r"does not say what its UNet predicts; pass variant='sd21'.*'sd21-base'"):
        family_of(header("sd21"), "x")
    assert family_of(header("sd21"), "x", "sd21-base") == "sd21-base"
    assert family_of(header("sd21", modelspec_prediction_type="v"), "x") == "sd21"
    assert family_of(header("sd21", modelspec_prediction_type="epsilon"), "x") == "sd21-base"
    with pytest.raises(InputError, match="variant: expected one of sd21, sd21-base"):
        family_of(header("sd21"), "x", "fp16")
    with pytest.raises(InputError, match="variant: a single file of sd15 has none"):
        family_of(header("sd15"), "x", "fp16")


def test_shapes_of_the_published_models():
    words = "cond_stage_model.model.token_embedding.weight"
    said = Header({words: (49408, 1024)}, {})
    base, larger = (geometry_of(name, said, tokenizers("sd21")) for name in ("sd21-base", "sd21"))
    assert (base.prediction, base.unet["sample_size"], larger.prediction, larger.unet["sample_size"]) == (
        "epsilon", 64, "v_prediction", 96,
    )  # fmt: skip
    assert base.texts[0]["vocab_size"] == 49408
    assert geometry_of("sdxl", Header({"v_pred": (0,)}, {}), tokenizers("sdxl")).prediction == "v_prediction"


def test_a_file_whose_training_ended_in_noise_says_so(tmp_path: Path, monkeypatch: Any):
    tiny("sdxl", monkeypatch)
    path, last = tmp_path / "x.safetensors", []
    for marks in (("v_pred",), ("v_pred", "ztsnr")):
        save_file(original(model("sdxl")) | {mark: torch.zeros(1) for mark in marks}, path)
        found = load(path, tokenizer=tokenizers("sdxl"))
        assert found.prediction == "v_prediction"
        last.append(float(found.levels.abar[-1]))
    assert last[0] == pytest.approx(0.00466, abs=1e-5)
    assert 0 < last[1] < 1e-6, "next to nothing, and still something to divide by"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (lambda: Header({"model.diffusion_model.input_blocks.0.0.weight": (320, 9, 3, 3)}, {}), "inpainting"),
        (lambda: Header({"model.diffusion_model.input_blocks.0.0.weight": (320, 8, 3, 3)}, {}), "InstructPix2Pix"),
        (lambda: without(header("sd15"), "first_stage_model."), "half a checkpoint.*no VAE"),
        (lambda: without(header("sd15"), "cond_stage_model."), "half a checkpoint.*no text encoder"),
        (lambda: Header({**header("sdxl").shapes, "conditioner.embedders.0.model.ln_final.bias": (8,)}, {}), "refiner"),
        (lambda: Header({**header("sdxl").shapes, "edm_mean": (4,)}, {}), "Playground"),
        (lambda: Header({**header("sd15").shapes, "control_model.out.0": (4,)}, {}), "ControlNet"),
        (lambda: Header({"lora_unet_down_blocks_0.lora_down.weight": (4, 4)}, {}), "LoRA.*pass the file as lora="),
        (lambda: Header({"joint_blocks.0.x_block.attn.qkv.weight": (4, 4)}, {}), "joint attention"),
        (lambda: Header({"down_blocks.0.resnets.0.conv1.weight": (4, 4, 3, 3)}, {}), "pass the folder of the whole"),
        (lambda: Header({"fc.weight": (4, 4)}, {}), "its first tensors are fc.weight"),
        (lambda: Header({}, {}), "its first tensors are none"),
    ],
)
def test_other_checkpoints_are_refused_with_the_reason(found: Callable[[], Header], reason: str):
    with pytest.raises(InputError, match=reason):
        family_of(found(), "x")


# LoRA


def painter(place: Path, name: str, family: str = "sd15") -> Path:
    """A LoRA of the UNet's attention as diffusers writes it: two thin matrices for each layer."""
    draw, layers = torch.Generator().manual_seed(len(name)), {}
    for path, module in model(family).unet.named_modules():
        if path.endswith((".to_q", ".to_v")):
            layers[f"unet.{path}.lora_A.weight"] = torch.randn(2, module.in_features, generator=draw) / 4
            layers[f"unet.{path}.lora_B.weight"] = torch.randn(module.out_features, 2, generator=draw) / 4
    place.mkdir()
    save_file(layers, place / f"{name}.safetensors", metadata={"format": "pt"})
    return place / f"{name}.safetensors"


def test_lora_of_one_file_or_several(saved: Callable[[str], Path], tmp_path: Path):
    plain = model("sd15")
    one, two = (painter(tmp_path / name, name) for name in ("one", "another"))
    told = plain.embed(PROMPT)
    found = [load(saved("sd15"), lora=lora) for lora in (one.parent, [one, two])]
    estimates = [backbone.denoise(noise(8, 12), 400, told) for backbone in (plain, *found)]
    assert all(apart(first, second) > 1e-3 for k, first in enumerate(estimates) for second in estimates[:k])
    assert len({backbone.hash for backbone in (plain, *found)}) == 3
    assert not any(value.requires_grad for value in found[0].unet.parameters())


def test_lora_that_cannot_be_used(saved: Callable[[str], Path], tmp_path: Path):
    other = painter(tmp_path / "other", "other", family="sdxl")
    with pytest.raises(NotFoundError, match=r"lora: there is no file .*nowhere\.safetensors"):
        load(saved("sd15"), lora=tmp_path / "nowhere.safetensors")
    with pytest.raises(InputError, match=r"lora .* cannot be opened .*made for this model"):
        load(saved("sd15"), lora=other)
    save_file({"fc.weight": torch.zeros(2, 2)}, tmp_path / "fc.safetensors")
    with pytest.raises(InputError, match="lora"):
        load(saved("sd15"), lora=tmp_path / "fc.safetensors")
    (tmp_path / "x.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"lora: .*pickled"):
        load(saved("sd15"), lora=tmp_path / "x.bin")
    with pytest.raises(InputError, match="lora: expected files"):
        load(saved("sd15"), lora=[5])


# Saving


def drawn_by_stock(folder: Path, backbone: Backbone) -> torch.Tensor:
    """The latents of three steps of a stock pipeline, in float32."""
    with quiet():
        from diffusers import StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    size = {"height": backbone.size[0], "width": backbone.size[1]}
    return pipe(PROMPT, num_inference_steps=3, latents=noise(32, 32), output_type="latent", **size).images


@pytest.mark.parametrize("family", ["sd15", "sd21"])
def test_a_saved_model_is_the_same_to_us_and_to_diffusers(family: str, tmp_path: Path, capfd: Any):
    backbone = model(family)
    save_pipeline(backbone, tmp_path / "model", licence="Do what you like.\n")
    assert capfd.readouterr() == ("", "")
    again = load(tmp_path / "model", device="cpu")
    alike(again, backbone, rounding=HALF)
    assert (tmp_path / "model" / "LICENSE").read_text() == "Do what you like.\n"
    assert {value.dtype for value in load_file(tmp_path / "model" / UNET).values()} == {torch.float16}
    assert backbone.dtype == torch.float32
    ours = generate(again, PROMPT, steps=3, guidance=7.5, latents=noise(32, 32)).latents
    assert apart(ours, drawn_by_stock(tmp_path / "model", again)) <= 1e-4


def test_a_model_saved_in_full_keeps_every_bit(tmp_path: Path):
    backbone = blank("sd15", seed=4)
    backbone.calibration = {"steps": 9}
    save_pipeline(backbone, tmp_path, half=False)
    again = load(tmp_path)
    alike(again, backbone, rounding=0)
    assert again.calibration == {"steps": 9}
    said = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert str(tmp_path) not in said
    assert "/" not in json.loads((tmp_path / "unet" / "config.json").read_text()).get("_name_or_path", "")


def test_a_saved_model_with_two_text_encoders_is_the_same(tmp_path: Path):
    backbone = model("sdxl")
    save_pipeline(backbone, tmp_path, half=False)
    again = load(tmp_path)
    alike(again, backbone, rounding=1e-6)
    assert again.family == "sdxl"
    assert torch.equal(again.unconditional().states, backbone.unconditional().states)
    made = [generate(one, PROMPT, steps=2, size=(64, 64)).latents for one in (backbone, again)]
    assert apart(*made) <= 1e-5


def test_what_cannot_be_saved_is_refused(tmp_path: Path):
    from peft import LoraConfig

    plain = model("sd15")
    penultimate = replace(plain, texts=(replace(plain.texts[0], layer=-2),))
    with pytest.raises(InputError, match="only models with one text encoder"):
        save_pipeline(penultimate, tmp_path)
    vectors = torch.zeros(1, plain.texts[0].model.get_input_embeddings().embedding_dim)
    with pytest.raises(InputError, match="knows <toy>"):
        save_pipeline(plain.knowing(LearnedWord("<toy>", (vectors,))), tmp_path)
    scheduler = type(pipeline("sd15").scheduler)(beta_start=0.001)
    with pytest.raises(InputError, match="expected the noise levels of Stable Diffusion"):
        save_pipeline(load(pipeline("sd15", scheduler=scheduler)), tmp_path)
    adapted = load(pipeline("sd15", own=True))
    adapted.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q"]))
    with pytest.raises(InputError, match="fuse_lora"):
        save_pipeline(adapted, tmp_path)
    large = load(pipeline("sd15", own=True))
    large.unet.conv_in.bias.data[0] = 1e6
    with pytest.raises(NotFiniteError, match=r"float16: unet\.conv_in\.bias"):
        save_pipeline(large, tmp_path)
    assert not any(tmp_path.iterdir())


# The top of the package


def test_the_package_is_light_until_it_is_used():
    code = (
        "import sys, innerlight; assert {'load', 'blank', 'generate', 'tapped'} <= set(dir(innerlight)); "
        "assert not {'torch', 'numpy', 'diffusers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    import innerlight

    assert all(getattr(innerlight, name) is not None for name in innerlight.__all__)
    assert innerlight.load is load
    assert innerlight.generate is generate
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = innerlight.nothing
