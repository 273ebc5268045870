"""LoRA: nothing at first, of the rank asked for, linear in its scale, and the same to diffusers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from innerlight.backbones import Backbone, blank, load, save_pipeline
from innerlight.backbones.opening import quiet
from innerlight.sampling import generate
from innerlight.tuning.adapters import (
    FILE,
    TARGETS,
    TEXT_TARGETS,
    add_lora,
    fuse_lora,
    is_lora,
    lora_of,
    open_lora,
    read_lora,
    save_lora,
)
from innerlight.types import InputError, NotFoundError

PROMPT = "a red cat"
ROUNDING = 1e-4  # between two libraries that compute the same
SETTINGS = "lora_adapter_metadata"  # diffusers' key
WHERE = pytest.mark.parametrize("texts", [False, True], ids=["unet", "unet and texts"])


def drawn(backbone: Backbone) -> torch.Tensor:
    return generate(backbone, PROMPT, steps=2, seed=1, size=(64, 64)).latents


def apart(first: Backbone, second: Backbone) -> float:
    """How far what two models draw differs, as a share of its largest number."""
    one, other = drawn(first), drawn(second)
    return float((one - other).abs().max() / one.abs().max())


def moved(backbone: Backbone, rank: int = 2, alpha: int | None = None, *, texts: bool = False) -> Backbone:
    """A LoRA as if it were trained."""
    wider = add_lora(backbone, rank, alpha=alpha, texts=texts, seed=3)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in lora_of(wider).values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return wider


def weights(backbone: Backbone) -> dict[str, torch.Tensor]:
    """W' of all layers that have a LoRA, added up by peft itself."""
    return {
        name: module.base_layer.weight + module.get_delta_weight("learned")
        for name, module in backbone.unet.named_modules()
        if hasattr(module, "base_layer")
    }


def ids(backbone: Backbone) -> set[int]:
    return {id(one) for network in backbone.networks.values() for one in network.parameters()}


@WHERE
def test_at_first_nothing_differs_and_nothing_is_copied(backbone: Backbone, texts: bool):
    before, own = drawn(backbone), ids(backbone)
    wider = add_lora(backbone, 4, texts=texts, seed=1)
    assert torch.equal(drawn(wider), before)
    lora = {id(one) for one in lora_of(wider).values()}
    assert ids(wider) == own | lora
    assert all(one.requires_grad for one in lora_of(wider).values())
    assert ids(backbone) == own
    layers = [name for name, module in backbone.unet.named_modules() if name.endswith(TARGETS) and "attn" in name]
    for encoder in backbone.texts if texts else ():
        layers += [name for name, module in encoder.model.named_modules() if name.endswith(TEXT_TARGETS)]
    assert len(lora) == 2 * len(layers)


def test_one_seed_one_beginning_and_the_global_generator_is_left_alone(small: Backbone):
    state = torch.get_rng_state()
    first, again, other = (lora_of(add_lora(small, 2, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    key = next(key for key in first if "lora_A" in key)
    assert torch.equal(first[key], again[key])
    assert not torch.equal(first[key], other[key])


def test_the_change_has_the_rank(small: Backbone):
    base = dict(small.unet.named_parameters())
    for name, weight in weights(moved(small)).items():
        change = weight - base[f"{name}.weight"]
        assert change.abs().max() > 0
        assert torch.linalg.matrix_rank(change, rtol=1e-4) <= 2


@WHERE
@pytest.mark.parametrize("alpha", [None, 16])
def test_saved_and_opened_it_is_the_same(backbone: Backbone, tmp_path: Path, alpha: int | None, texts: bool):
    wider = moved(backbone, alpha=alpha, texts=texts)
    save_lora(tmp_path / "toy", wider, model_hash=backbone.hash, method="mine", seed=3)
    back = open_lora(tmp_path / "toy", backbone)
    assert torch.equal(drawn(back), drawn(wider))
    assert not torch.equal(drawn(back), drawn(backbone))
    assert back.hash not in ("", backbone.hash)
    told = read_lora(tmp_path / "toy" / FILE)[1]
    assert (told["method"], told["seed"], told["base"]) == ("mine", "3", backbone.hash)


@pytest.fixture(scope="module")
def saved(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model of every family."""
    folder = tmp_path_factory.mktemp("saved")
    save_pipeline(backbone, folder, half=False)
    return folder


@WHERE
@pytest.mark.parametrize("alpha", [None, 3])  # at 16 a random LoRA makes of rounding another picture
def test_diffusers_draws_the_same(backbone: Backbone, saved: Path, tmp_path: Path, alpha: int | None, texts: bool):
    from diffusers import DiffusionPipeline  # pyright: ignore[reportPrivateImportUsage]

    wider = moved(backbone, alpha=alpha, texts=texts)
    save_lora(tmp_path, wider, model_hash=backbone.hash)
    with quiet():
        pipe: Any = DiffusionPipeline.from_pretrained(saved, torch_dtype=torch.float32)
        pipe.load_lora_weights(tmp_path)
    pipe.set_progress_bar_config(disable=True)
    size = (64, 96)  # rows, columns
    noise = torch.randn(1, 4, *backbone.latent_size(size), generator=torch.Generator().manual_seed(0))
    theirs = pipe(
        PROMPT, num_inference_steps=2, guidance_scale=7.5, latents=noise, height=size[0], width=size[1],
        output_type="latent",
    ).images  # fmt: skip

    def ours(model: Backbone) -> torch.Tensor:
        return generate(model, PROMPT, steps=2, guidance=7.5, latents=noise, size=size, decode=False).latents

    assert (ours(wider) - theirs).abs().max() < ROUNDING
    assert (ours(backbone) - theirs).abs().max() > 100 * ROUNDING, "it counts"


def test_its_weight_is_linear_in_its_scale_and_nothing_at_0(small: Backbone, tmp_path: Path):
    save_lora(tmp_path, moved(small), model_hash=small.hash)
    none, once, twice = (open_lora(tmp_path, small, scale=scale) for scale in (0.0, 1.0, 2.0))
    base = dict(small.unet.named_parameters())
    for name, weight in weights(twice).items():
        half = weights(once)[name] - base[f"{name}.weight"]
        torch.testing.assert_close(weight - base[f"{name}.weight"], 2 * half)
    assert torch.equal(drawn(none), drawn(small))
    assert len({none.hash, once.hash, twice.hash}) == 3


@WHERE
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_fused_it_is_the_same_but_for_rounding_and_can_be_saved(
    small: Backbone, tmp_path: Path, scale: float, texts: bool
):
    save_lora(tmp_path / "lora", moved(small, texts=texts), model_hash=small.hash)
    wider = open_lora(tmp_path / "lora", small, scale=scale)
    before = drawn(small)
    fused = fuse_lora(wider)
    assert apart(fused, wider) < 1e-5
    assert not lora_of(fused)
    assert fused.hash not in (small.hash, wider.hash)
    assert torch.equal(drawn(small), before), "the model it came from is what it was"
    save_pipeline(fused, tmp_path / "model", half=False)
    assert apart(load(tmp_path / "model"), fused) < 1e-5
    add_lora(fused, 2)
    with pytest.raises(InputError, match="fuse_lora"):
        add_lora(wider, 2)


def test_two_stand_beside_each_other(small: Backbone, tmp_path: Path):
    save_lora(tmp_path / "one", moved(small), model_hash=small.hash)
    save_lora(tmp_path / "two", moved(small, rank=3, alpha=6), model_hash=small.hash)
    one, two = (open_lora(tmp_path / name, small) for name in ("one", "two"))
    both = open_lora(tmp_path / "two", open_lora(tmp_path / "one", small, scale=0.5))
    base = small.unet.state_dict()
    for name, module in both.unet.named_modules():
        if hasattr(module, "base_layer"):
            changes = [
                fuse_lora(other).unet.get_submodule(name).weight - base[f"{name}.weight"] for other in (one, two)
            ]
            found = fuse_lora(both).unet.get_submodule(name).weight - base[f"{name}.weight"]
            torch.testing.assert_close(found, 0.5 * changes[0] + changes[1], atol=1e-5, rtol=1e-4)
            break
    assert len({one.hash, two.hash, both.hash}) == 3
    assert {one.beneath, two.beneath, both.beneath} == {small.hash}
    assert fuse_lora(both).beneath == ""
    with pytest.raises(InputError, match="learned on a model of hash"):
        open_lora(tmp_path / "one", fuse_lora(two))
    assert len({tuple(drawn(other).flatten().tolist()) for other in (small, one, two, both)}) == 4


def test_how_strong_one_is_stays_when_another_comes(small: Backbone, tmp_path: Path):
    save_lora(tmp_path, moved(small, rank=4), model_hash=small.hash)
    path = tmp_path / FILE
    settings = json.loads(read_lora(path)[1][SETTINGS])
    rooted = json.dumps({**settings, "unet.use_rslora": True})
    save_file(load_file(path), tmp_path / "rooted.safetensors", {**read_lora(path)[1], SETTINGS: rooted})
    one = open_lora(tmp_path / "rooted.safetensors", small, scale=0.5)
    both = open_lora(path, one)
    scaling = [
        next(layer.scaling["learned"] for layer in model.unet.modules() if hasattr(layer, "lora_A"))
        for model in (one, both)
    ]
    assert scaling == [1.0, 1.0], "half of alpha over the root of the rank"


def test_its_half_for_text_encoders_counts_by_itself(small: Backbone, tmp_path: Path):
    wider = moved(small, texts=True)
    save_lora(tmp_path, wider, model_hash=small.hash)
    tensors, told = read_lora(tmp_path)
    half = {key: one for key, one in tensors.items() if not key.startswith("unet.")}
    save_file(half, tmp_path / "half.safetensors", dict(told))
    back = open_lora(tmp_path / "half.safetensors", small)
    assert torch.equal(back.embed(PROMPT).states, wider.embed(PROMPT).states)
    assert not torch.equal(back.embed(PROMPT).states, small.embed(PROMPT).states)
    assert back.hash not in (small.hash, wider.hash)
    assert set(lora_of(back)) == {key for key in lora_of(wider) if not key.startswith("unet/")}


def test_older_names_of_diffusers_are_read(small: Backbone, tmp_path: Path):
    wider = moved(small, texts=True)
    save_lora(tmp_path, wider, model_hash=small.hash)
    older = {}
    for key, one in read_lora(tmp_path)[0].items():
        kind = "lora" if key.startswith("unet.") else "lora_linear_layer"
        older[key.replace("lora_A", f"{kind}.down").replace("lora_B", f"{kind}.up")] = one
    save_file(older, tmp_path / "older.safetensors")
    back = open_lora(tmp_path / "older.safetensors", small)
    assert torch.equal(drawn(back), drawn(wider))
    assert back.hash == open_lora(tmp_path, small).hash


def test_files_of_other_trainers_are_read_and_fused(small: Backbone, tmp_path: Path):
    wider = moved(small, alpha=4)
    save_lora(tmp_path, wider, model_hash=small.hash)
    renamed = {}
    for key, one in read_lora(tmp_path)[0].items():
        layer, end = key.removeprefix("unet.").split(".lora_")
        stem = f"lora_unet_{layer.replace('.', '_')}"
        renamed[f"{stem}.{'lora_down' if end.startswith('A') else 'lora_up'}.weight"] = one
        renamed[f"{stem}.alpha"] = torch.tensor(4.0)
    save_file(renamed, tmp_path / "other.safetensors")
    back = open_lora(tmp_path / "other.safetensors", small)
    assert torch.equal(drawn(back), drawn(wider))
    save_pipeline(small, tmp_path / "model", half=False)
    opened_with_it = load(tmp_path / "model", lora=tmp_path / "other.safetensors")
    assert apart(fuse_lora(opened_with_it), back) < 1e-5


@pytest.fixture
def live(small: Backbone, model: str, tmp_path: Path) -> Any:
    """A pipeline with two LoRAs, of UNet and texts, and their files."""
    from diffusers import StableDiffusionPipeline

    for name, seed in (("x", 1), ("y", 2)):
        wider = add_lora(small, 2, texts=True)
        generator = torch.Generator().manual_seed(seed)
        for parameter in lora_of(wider).values():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        save_lora(tmp_path / f"{name}.safetensors", wider, model_hash=small.hash)
    with quiet():
        pipe = StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32)
        for name in ("x", "y"):
            pipe.load_lora_weights(tmp_path, weight_name=f"{name}.safetensors", adapter_name=name)
    return pipe, {name: tmp_path / f"{name}.safetensors" for name in ("x", "y")}


def test_the_others_of_a_pipeline_stay_as_strong_as_they_were(small: Backbone, live: Any):
    pipe, files = live
    pipe.set_adapters("x", {"unet": 0.2, "text_encoder": 1.0})
    given = load(pipe)
    before, trained = drawn(given), {key: one.requires_grad for key, one in lora_of(given).items()}
    given.vae.train()
    assert torch.equal(drawn(open_lora(files["y"], given, scale=0.0, other_base=True)), before)
    wider = open_lora(files["y"], given, other_base=True)
    assert not torch.equal(drawn(wider), before)
    assert given.hash != wider.hash
    assert torch.equal(drawn(given), before)
    assert {key: one.requires_grad for key, one in lora_of(given).items()} == trained
    assert given.vae.training, "shared, and left as it is"
    given.vae.eval()
    assert apart(fuse_lora(given), given) < 1e-5


def test_what_a_lora_cannot_stand_beside_is_refused_and_left_as_it_is(live: Any):
    pipe, files = live
    pipe.disable_lora()
    for change in (lambda one: open_lora(files["x"], one, other_base=True), fuse_lora):
        with pytest.raises(InputError, match="switched off"):
            change(load(pipe))
    pipe.enable_lora()
    pipe.fuse_lora()
    given = load(pipe)
    before, weights_before = drawn(given), {key: one.clone() for key, one in pipe.unet.state_dict().items()}
    with pytest.raises(InputError, match="fused in its pipeline"):
        open_lora(files["x"], given, other_base=True)
    fused = fuse_lora(given)
    assert not lora_of(fused)
    assert apart(fused, given) < 1e-5
    assert all(torch.equal(one, weights_before[key]) for key, one in pipe.unet.state_dict().items())
    assert torch.equal(drawn(given), before)


def test_where_parts_move_between_devices_it_is_refused(small: Backbone, tmp_path: Path):
    save_lora(tmp_path, moved(small), model_hash=small.hash)
    moving = small.copy()
    moving.unet._hf_hook = object()
    for change in (lambda: open_lora(tmp_path, moving), lambda: add_lora(moving, 2), lambda: fuse_lora(moving)):
        with pytest.raises(InputError, match="between devices"):
            change()


def test_in_half_precision_it_is_read_as_it_was_written_and_another_leaves_it_so(tmp_path: Path, model: str):
    half = load(model, dtype="float16", device="cpu")
    wider = moved(half, texts=True)
    save_lora(tmp_path, wider, model_hash=half.hash)
    back = open_lora(tmp_path, half)
    both = open_lora(tmp_path, back)
    for key, one in lora_of(wider).items():
        assert torch.equal(lora_of(back)[key], one)
        assert (one.dtype, lora_of(back)[key].dtype) == (torch.float32, torch.float32)
    assert {one.dtype for one in lora_of(both).values()} == {torch.float32}
    assert not any(one.requires_grad for one in lora_of(back).values())
    assert both.hash != back.hash


@pytest.mark.parametrize("texts", [False, True])
def test_of_a_file_nothing_is_left_out_in_silence(small: Backbone, tmp_path: Path, texts: bool):
    save_lora(tmp_path, moved(small, texts=texts), model_hash=small.hash)
    tensors = load_file(tmp_path / FILE)
    key = max(key for key in tensors if "lora_B" in key)
    bad = {
        "without one factor": ({one: values for one, values in tensors.items() if one != key}, "not whole"),
        "of a dora": ({**tensors, key.replace("lora_B.weight", "dora_scale"): torch.ones(1)}, "is a DoRA"),
        "of a second encoder": (
            {**tensors, **{f"text_encoder_2.layer.lora_{end}.weight": torch.ones(2, 2) for end in "AB"}},
            "for another kind of model",
        ),
    }
    for name, (given, message) in bad.items():
        save_file(given, tmp_path / f"{name}.safetensors")
        with pytest.raises(InputError, match=message):
            open_lora(tmp_path / f"{name}.safetensors", small)
    tried = open_lora(tmp_path / "of a second encoder.safetensors", small, other_base=True)
    assert torch.equal(drawn(tried), drawn(open_lora(tmp_path, small)))


def test_only_what_a_file_can_hold_is_written(small: Backbone, model: str, tmp_path: Path):
    save_lora(tmp_path / "toy", moved(small), model_hash=small.hash)
    weak = open_lora(tmp_path / "toy", small, scale=0.5)
    both = open_lora(tmp_path / "toy", weak)
    others = load(model, lora=tmp_path / "toy")
    for other in (small, weak, both, others):
        with pytest.raises(InputError, match="expected one LoRA"):
            save_lora(tmp_path / "new", other, model_hash=small.hash)
    assert not (tmp_path / "new").exists()


def test_what_was_learned_on_a_model_fits_it_whatever_lora_it_has(model: str, tmp_path: Path):
    plain = load(model)
    save_lora(tmp_path, moved(plain), model_hash=plain.hash)
    opened = load(model, lora=tmp_path)
    assert opened.beneath == plain.hash != opened.hash
    assert open_lora(tmp_path, opened).beneath == plain.hash


def test_a_file_is_known_by_what_it_holds(small: Backbone, tmp_path: Path):
    save_lora(tmp_path / "toy.safetensors", moved(small), model_hash=small.hash)
    save_file({"<toy>": torch.zeros(1, 4)}, tmp_path / "word.safetensors")
    names = ("toy.safetensors", "word.safetensors", "none.safetensors", ".")
    assert [is_lora(tmp_path / name) for name in names] == [True, False, False, True]


def test_what_took_gradients_takes_them_still(small: Backbone, tmp_path: Path):
    model = small.copy()
    model.unet.requires_grad_(True)
    save_lora(tmp_path, moved(model), model_hash=model.hash)
    open_lora(tmp_path, model)
    assert all(one.requires_grad for one in model.unet.parameters())


def test_what_does_not_fit_is_refused(small: Backbone, tmp_path: Path):
    save_lora(tmp_path / "a", moved(small), model_hash=small.hash)
    other = blank("sd15", seed=8)
    with pytest.raises(InputError, match="learned on a model of hash"):
        open_lora(tmp_path / "a", other)
    assert open_lora(tmp_path / "a", other, other_base=True).hash != other.hash
    tensors = load_file(tmp_path / "a" / FILE)
    save_file({f"text_encoder.{key}": one for key, one in tensors.items()}, tmp_path / "text.safetensors")
    save_file({f"unet.other.{key}": one for key, one in tensors.items()}, tmp_path / "other.safetensors")
    for name in ("other", "text"):
        with pytest.raises(InputError, match=r"another kind of model|cannot be opened"):
            open_lora(tmp_path / f"{name}.safetensors", small)
    with pytest.raises(InputError, match="rank"):
        add_lora(small, 0)
    with pytest.raises(InputError, match="alpha"):
        add_lora(small, 2, alpha=0)
    with pytest.raises(InputError, match="seed"):
        add_lora(small, 2, seed=-1)
    with pytest.raises(NotFoundError, match="no file"):
        open_lora(tmp_path / "none", small)
    save_file({"one": torch.zeros(2)}, tmp_path / "word.safetensors")
    with pytest.raises(InputError, match="holds no LoRA"):
        open_lora(tmp_path / "word.safetensors", small)
    (tmp_path / "torn.safetensors").write_bytes((tmp_path / "a" / FILE).read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged"):
        open_lora(tmp_path / "torn.safetensors", small)
    with pytest.raises(InputError, match="cannot be opened"):
        open_lora(tmp_path / "a", blank("sd21"), other_base=True)
