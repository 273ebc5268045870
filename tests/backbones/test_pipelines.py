"""A pipeline that somebody else opened: the same numbers as it gives itself, and nothing of it is changed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from stock import FAMILIES, PROMPT, apart, model, noise, pipeline

from innerlight.backbones import Backbone, NotFiniteError, load
from innerlight.sampling import generate
from innerlight.taps import Everything, Read, TapError, Write, tapped
from innerlight.types import InputError

ROUNDING = 1e-5
SIZE = (64, 96)  # rows, columns of pixels
MAPS = Read("up.*.text", "probabilities", reduce=Everything())


def as_found(pipe: Any) -> dict[str, Any]:
    """Whatever somebody could change of a pipeline."""
    found: dict[str, Any] = {"scheduler": (id(pipe.scheduler), dict(pipe.scheduler.config))}
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        root = getattr(pipe, part, None)
        for name, module in root.named_modules() if root is not None else ():
            hooks = [len(getattr(module, kind)) for kind in vars(module) if kind.endswith("_hooks")]
            plain = {key: value for key, value in vars(module).items() if isinstance(value, bool | int | float | str)}
            found[f"{part}.{name}"] = (id(module), hooks, plain, id(getattr(module, "processor", None)))
            assert "forward" not in vars(module)
        for name, value in root.named_parameters() if root is not None else ():
            found[f"{part}.{name}"] = (id(value), value.requires_grad, value.device, value.dtype, value.sum().item())
    return found


def stock_noise(pipe: Any, backbone: Backbone, latents: torch.Tensor, t: int, **extra: Any) -> torch.Tensor:
    """What the UNet of a pipeline and its scheduler say the noise is, by no line of ours."""
    states, _, *pooled = encoded(pipe)
    if pooled:
        sizes = torch.tensor([[*SIZE, 0, 0, *SIZE]], dtype=torch.float32)
        extra = {"added_cond_kwargs": {"text_embeds": pooled[0], "time_ids": sizes}}
    with torch.no_grad():
        raw = pipe.unet(latents, t, encoder_hidden_states=states, **extra).sample
    pipe.scheduler.set_timesteps(10)
    clean = pipe.scheduler.step(raw, t, latents).pred_original_sample
    abar = pipe.scheduler.alphas_cumprod[t]
    return (latents - abar**0.5 * clean) / (1 - abar) ** 0.5


def encoded(pipe: Any) -> tuple[torch.Tensor, ...]:
    """States of the prompt and of no prompt; SDXL's pooled ones too."""
    options = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    with torch.no_grad():
        return pipe.encode_prompt(PROMPT, **options)


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_are_the_pipelines_own(family: str):
    pipe = pipeline(family)
    backbone = load(pipe)
    assert backbone.prediction == model(family).prediction
    states, nothing, *pooled = encoded(pipe)
    told, untold = backbone.embed(PROMPT, SIZE), backbone.unconditional(1, SIZE)
    assert apart(told.states, states) <= ROUNDING
    assert apart(untold.states, nothing) <= ROUNDING
    if pooled:
        assert apart(told.pooled, pooled[0]) <= ROUNDING
        assert apart(untold.pooled, pooled[1]) <= ROUNDING
        wanted = pipe._get_add_time_ids(SIZE, (0, 0), SIZE, torch.float32, pipe.text_encoder_2.config.projection_dim)
        assert torch.equal(told.sizes, wanted)
    values = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        latents = pipe.vae.encode(values).latent_dist.mean * pipe.vae.config.scaling_factor
    assert apart(backbone.encode_values(values), latents) <= ROUNDING
    for t in (1, 400, 990):
        ours, stock = backbone.denoise(noise(), t, told), stock_noise(pipe, backbone, noise(), t)
        assert apart(ours.detach(), stock) <= 1e-4, t  # the scheduler goes over x_0, which costs digits


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_of_it_is_the_pipelines_own(family: str):
    pipe = pipeline(family)
    run = pipe(PROMPT, height=SIZE[0], width=SIZE[1], num_inference_steps=3, latents=noise(), output_type="latent")
    weight = 5.0 if family == "sdxl" else 7.5  # the defaults of the two pipelines
    ours = generate(load(pipe), PROMPT, steps=3, guidance=weight, size=SIZE, latents=noise())
    assert apart(ours.latents, run.images) <= 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_left_as_it_was_found(family: str):
    pipe = pipeline(family, own=True)
    pipe.unet.train().requires_grad_(True)
    pipe.vae.requires_grad_(False)
    encoded(pipe)  # asked for hidden states, transformers puts hooks of its own on an encoder, once and for all
    before = as_found(pipe)
    backbone = load(pipe)
    with torch.no_grad(), tapped(backbone.sites, MAPS):
        generate(backbone, PROMPT, steps=1, guidance=1.0, size=SIZE)
    failing = Write("mid.*.text", "probabilities", lambda view: 1 / 0)
    with pytest.raises(ZeroDivisionError), tapped(backbone.sites, MAPS, failing):
        backbone.denoise(noise(), 400, backbone.embed(PROMPT))
    assert as_found(pipe) == before
    assert backbone.unet is pipe.unet
    assert backbone.texts[0].model is pipe.text_encoder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_lora_on_it_counts_and_is_read(family: str):
    from peft import LoraConfig

    pipe = pipeline(family, own=True)
    pipe.unet.requires_grad_(False)
    plain = load(pipe)
    told = plain.embed(PROMPT, SIZE)
    without = plain.denoise(noise(), 400, told)
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    pipe.unet.add_adapter(LoraConfig(r=2, target_modules=targets, init_lora_weights=False), "painter")
    backbone = load(pipe)
    assert backbone.hash != plain.hash
    context = Read("up.*.text", "key_context", keep="last")
    with torch.no_grad(), tapped(backbone.sites, MAPS, context) as seen:
        with_it = backbone.denoise(noise(), 400, told)
    assert apart(with_it, without) > 1e-3
    assert apart(with_it, stock_noise(pipe, backbone, noise(), 400)) <= 1e-4
    assert pipe.get_active_adapters() == ["painter"]
    for maps in seen[MAPS].values():
        assert apart(maps.sum(-1), torch.ones(maps.shape[:-1])) <= ROUNDING
    assert apart(next(iter(seen[context].values())), told.states) == 0
    pipe.disable_lora()
    with torch.no_grad():
        assert apart(backbone.denoise(noise(), 400, told), without) <= ROUNDING


def test_an_image_adapter_on_it_counts_and_stays():
    pipe = pipeline("sd15", own=True)
    width, seen_as, tokens = 24, 12, 4
    draw = torch.Generator().manual_seed(8)
    layers = [name for name in pipe.unet.attn_processors if name.endswith("attn2.processor")]
    widths = [pipe.unet.get_submodule(name.removesuffix(".processor")).inner_dim for name in layers]
    adapter = {
        f"{2 * number + 1}.to_{what}_ip.weight": torch.randn(inner, width, generator=draw) / 5
        for number, inner in enumerate(widths)
        for what in "kv"
    }
    projection = {
        "proj.weight": torch.randn(tokens * width, seen_as, generator=draw), "proj.bias": torch.zeros(tokens * width),
        "norm.weight": torch.ones(width), "norm.bias": torch.zeros(width),
    }  # fmt: skip
    pipe.unet.requires_grad_(False)
    told = load(pipe).embed(PROMPT, SIZE)
    without = load(pipe).denoise(noise(), 400, told)
    pipe.unet._load_ip_adapter_weights([{"image_proj": projection, "ip_adapter": adapter}], low_cpu_mem_usage=False)
    before = as_found(pipe)
    backbone = load(pipe)
    image = {"added_cond_kwargs": {"image_embeds": [torch.randn(1, 1, seen_as, generator=draw)]}}
    with torch.no_grad(), tapped(backbone.sites, MAPS) as seen:
        with_it = backbone.denoise(noise(), 400, told, **image)
    assert apart(with_it, without) > 1e-3
    assert apart(with_it, stock_noise(pipe, backbone, noise(), 400, **image)) <= 1e-4
    # what is read is the attention to words, which comes first; that to the picture's tokens is left alone
    assert {maps.shape[-1] for maps in seen[MAPS].values()} == {77}
    same = Write("up.*.text", "probabilities", lambda view: view.own)
    with torch.no_grad(), tapped(backbone.sites, same):
        assert apart(backbone.denoise(noise(), 400, told, **image), with_it) <= ROUNDING
    assert as_found(pipe) == before


def test_sliced_attention_is_refused_with_the_cure():
    pipe = pipeline("sd15", own=True)
    pipe.enable_attention_slicing(1)
    backbone = load(pipe)
    told = backbone.embed(PROMPT)
    with (
        torch.no_grad(),
        tapped(backbone.sites, MAPS),
        pytest.raises(TapError, match=r"slicing.*set_attn_processor"),
    ):
        backbone.denoise(noise(), 400, told)
    from diffusers.models.attention_processor import AttnProcessor2_0

    pipe.unet.set_attn_processor(AttnProcessor2_0())
    with torch.no_grad(), tapped(backbone.sites, MAPS) as seen:
        backbone.denoise(noise(), 400, told)
    assert seen[MAPS]


@pytest.mark.parametrize("family", FAMILIES)
def test_freeu_works_and_is_read(family: str):
    pipe = pipeline(family, own=True)
    backbone = load(pipe)
    told = backbone.embed(PROMPT, SIZE)
    with torch.no_grad():
        without = backbone.denoise(noise(), 400, told)
    pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)
    skips = Read("up.*.skip")
    with torch.no_grad(), tapped(backbone.sites, MAPS, skips) as seen:
        with_it = backbone.denoise(noise(), 400, told)
    assert len(seen[skips]) == 3 * len(pipe.unet.up_blocks)
    assert seen[MAPS]
    assert apart(with_it, without) > 1e-4
    assert apart(with_it, stock_noise(pipe, backbone, noise(), 400)) <= 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_fused_projections_are_read_and_contexts_refused(family: str):
    pipe = pipeline(family, own=True)
    backbone = load(pipe)
    told = backbone.embed(PROMPT, SIZE)
    with torch.no_grad(), tapped(backbone.sites, MAPS) as apart_maps:
        without = backbone.denoise(noise(), 400, told)
    pipe.fuse_qkv_projections()
    with torch.no_grad(), tapped(backbone.sites, MAPS) as fused_maps:
        assert apart(backbone.denoise(noise(), 400, told), without) <= ROUNDING
    for name, maps in apart_maps[MAPS].items():
        assert apart(fused_maps[MAPS][name], maps) <= ROUNDING
    context = Write("up.*.text", "key_context", lambda view: view.own)
    with torch.no_grad(), tapped(backbone.sites, context), pytest.raises(TapError, match="unfuse_qkv_projections"):
        backbone.denoise(noise(), 400, told)


def test_a_tiled_vae_works():
    pipe = pipeline("sd15")
    backbone = load(pipe)
    values = torch.rand(1, 3, 128, 96) * 2 - 1
    whole = backbone.encode_values(values)
    pipe.vae.enable_tiling()
    pipe.vae.tile_sample_min_size, pipe.vae.tile_latent_min_size = 64, 16
    tiled = backbone.encode_values(values)
    assert 0 < apart(tiled, whole) < 1  # of a VAE of random weights, whose group norms see other pixels in a tile
    with torch.no_grad():
        own = pipe.vae.decode(tiled / pipe.vae.config.scaling_factor).sample
        assert apart(backbone.decode_values(tiled), own) <= ROUNDING
    assert backbone.decode(tiled)[0].size == (96, 128)


def test_settings_of_a_pipeline_become_the_backbones():
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(beta_start=0.001, beta_end=0.02, beta_schedule="linear", num_train_timesteps=500)
    backbone = load(pipeline("sd15", scheduler=scheduler))
    assert len(backbone.levels) == 500
    assert apart(backbone.levels.abar, scheduler.alphas_cumprod) == 0
    assert (backbone.family, backbone.prediction, backbone.empty_is_zero) == ("sd1", "epsilon", False)
    assert backbone.texts[0].layer is None
    both = load(pipeline("sdxl"))
    assert (both.family, both.empty_is_zero, [text.layer for text in both.texts]) == ("sdxl", True, [-2, -2])
    assert not load(pipeline("sdxl", force_zeros_for_empty_prompt=False)).empty_is_zero


def test_a_vae_that_half_precision_is_not_enough_for_is_copied():
    pipe = pipeline("sdxl", own=True).to(torch.float16)
    pipe.vae.enable_tiling()
    backbone = load(pipe)
    assert (backbone.vae.dtype, backbone.dtype, pipe.vae.dtype) == (torch.float32, torch.float16, torch.float16)
    assert backbone.vae.use_tiling
    own, copied = pipe.vae.state_dict(), backbone.vae.state_dict()
    assert all(torch.equal(value.float(), copied[name]) for name, value in own.items())
    assert load(pipeline("sd15", own=True).to(torch.float16)).vae.dtype == torch.float16


def test_a_hash_is_of_the_weights():
    assert load(pipeline("sd15")).hash == load(pipeline("sd15")).hash
    other = pipeline("sd15", own=True)
    other.vae.decoder.conv_out.bias.data[0] += 1
    assert load(other).hash != load(pipeline("sd15")).hash


def test_what_is_given_beside_a_pipeline_is_refused():
    pipe = pipeline("sd15")
    for given in ({"dtype": "float16"}, {"device": "cpu"}, {"lora": "some.safetensors"}, {"tokenizer": "folder"}):
        with pytest.raises(InputError, match=f"{next(iter(given))}: a pipeline is shared as it is"):
            load(pipe, **given)


def broken(what: str) -> tuple[Any, str]:
    """A pipeline that cannot be used, and the word that says why."""
    from diffusers import EDMEulerScheduler, FlowMatchEulerDiscreteScheduler

    family = "sdxl" if what in ("refiner", "one encoder of two") else "sd15"
    pipe = pipeline(family, own=what == "tokenizer of another")
    if what == "inpainting":
        pipe.unet.register_to_config(in_channels=9)
        return pipe, "inpainting.*9|mask"
    if what == "refiner":
        pipe.register_to_config(requires_aesthetics_score=True)
        return pipe, "refiner"
    if what == "one encoder of two":
        pipe.text_encoder = None
        return pipe, "refiner"
    if what == "ControlNet":
        pipe.controlnet = torch.nn.Linear(1, 1)
        return pipe, "control pictures"
    if what == "sample prediction":
        pipe.scheduler.register_to_config(prediction_type="sample")
        return pipe, "'sample'"
    if what == "flow":
        pipe.scheduler = FlowMatchEulerDiscreteScheduler()
        return pipe, "FlowMatchEulerDiscreteScheduler has no levels"
    if what == "EDM":
        pipe.scheduler = EDMEulerScheduler()
        return pipe, "EDMEulerScheduler has no levels"
    if what == "other VAE":
        pipe.vae = torch.nn.Linear(1, 1)
        return pipe, "expected vae to be a AutoencoderKL, got Linear"
    if what == "compiled":
        pipe.unet = torch.compile(pipe.unet, backend="eager")
        return pipe, "expected unet to be a UNet2DConditionModel, got OptimizedModule"
    if what == "compiled in place":
        pipe.unet.compile(backend="eager")
        return pipe, "compiled"
    if what == "shifted":
        pipe.vae.register_to_config(latents_mean=[0.0] * 4)
        return pipe, "shifts latents"
    if what == "distilled":
        pipe.unet.register_to_config(time_cond_proj_dim=8)
        return pipe, "guidance weight"
    if what == "texts of another":
        pipe.text_encoder = model("sd21").texts[0].model
        return pipe, "give 32 numbers a token, the UNet takes 24"
    if what == "tokenizer of another":
        pipe.text_encoder.set_input_embeddings(torch.nn.Embedding(40, 24))
        return pipe, "tokenizer knows 652 tokens, its text encoder 40"
    assert what == "nothing to read words"
    pipe.text_encoder = None
    return pipe, "no tokenizer with a text encoder"


@pytest.mark.parametrize(
    "what",
    [
        "inpainting", "refiner", "one encoder of two", "ControlNet", "sample prediction", "flow", "EDM", "other VAE",
        "compiled", "compiled in place", "shifted", "distilled", "texts of another", "tokenizer of another",
        "nothing to read words",
    ],
)  # fmt: skip
def test_pipelines_that_cannot_be_used_are_refused_with_the_reason(what: str):
    pipe, reason = broken(what)
    with pytest.raises(InputError, match=reason):
        load(pipe)


def test_weights_that_are_no_numbers_are_named():
    pipe = pipeline("sd15", own=True)
    pipe.unet.mid_block.resnets[0].conv1.weight.data[0, 0] = torch.nan
    with pytest.raises(NotFiniteError, match=r"unet\.mid_block\.resnets\.0\.conv1\.weight"):
        load(pipe)
