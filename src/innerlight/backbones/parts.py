"""The parts of an opened model, what makes them a model that is supported, and how they become a Backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from innerlight.backbones.backbone import Backbone, NotFiniteError, TextEncoder
from innerlight.backbones.noise import PREDICTIONS, NoiseLevels
from innerlight.backbones.sites import sites_of
from innerlight.backbones.stable_diffusion import StableDiffusion
from innerlight.backbones.stable_diffusion_xl import StableDiffusionXL
from innerlight.types import InputError

SUPPORTED = "Stable Diffusion 1.x and 2.x and Stable Diffusion XL, text to image"
LATENT_CHANNELS = 4
SD2_WIDTH = 1024  # of a token
LEAST_ABAR = 2.0**-24  # as diffusers' Euler rule has it

WIDER_INPUTS = {  # by channels
    "9": "an inpainting model, whose UNet also takes a mask and a masked picture",
    "8": "an InstructPix2Pix model, whose UNet also takes the latents of a picture",
    "7": "an upscaler, whose UNet also takes a small picture",
    "5": "a depth model, whose UNet also takes a depth map",
}

REFINER = (
    "the refiner of Stable Diffusion XL, which has one text encoder and finishes what the base model began; "
    "open the base model"
)


@dataclass(frozen=True, eq=False)
class Parts:
    """What every source comes down to."""

    name: str
    unet: Any
    vae: Any
    texts: Sequence[tuple[Any, Any]]  # tokenizer and network
    scheduler: Any
    hash: str
    empty_is_zero: bool = False
    calibration: Mapping[str, Any] = field(default_factory=dict)
    beneath: str = ""  # the hash without LoRAs

    @property
    def modules(self) -> dict[str, Any]:
        """The networks by the names that diffusers gives them."""
        names = ("text_encoder", "text_encoder_2")
        texts = {name: model for name, (_, model) in zip(names, self.texts, strict=False)}
        return {"unet": self.unet, "vae": self.vae, **texts}

    def backbone(self) -> Backbone:
        """The model, if it is one that is supported and its weights are numbers."""
        self._refuse_foreign()
        refuse_unet(self.unet.config, self.name)
        refuse_vae(self.vae.config, self.name)
        self._refuse_ill_fitting_texts()
        levels, prediction = noise_of(self.scheduler, self.name)
        refuse_not_finite(self.modules, self.name)
        both = len(self.texts) == 2
        family = "sdxl" if both else "sd2" if self.unet.config.cross_attention_dim == SD2_WIDTH else "sd1"
        kind = StableDiffusionXL if both else StableDiffusion
        return kind(
            name=self.name,
            family=family,
            unet=self.unet,
            vae=self.vae,
            texts=tuple(TextEncoder(tokenizer, model, layer=-2 if both else None) for tokenizer, model in self.texts),
            levels=levels,
            prediction=prediction,
            sites=sites_of(self.unet),
            calibration=self.calibration,
            empty_is_zero=self.empty_is_zero,
            hash=self.hash,
            beneath=self.beneath,
        )

    def _refuse_foreign(self) -> None:
        from diffusers import AutoencoderKL, UNet2DConditionModel  # pyright: ignore[reportPrivateImportUsage]
        from transformers import CLIPTextModel, CLIPTextModelWithProjection

        wanted = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}
        for name, module in self.modules.items():
            kinds = (wanted[name],) if name in wanted else (CLIPTextModel, CLIPTextModelWithProjection)
            if not isinstance(module, kinds):
                raise InputError(
                    f"{self.name}: expected {name} to be a {kinds[0].__name__}, got {type(module).__name__}; "
                    f"supported are {SUPPORTED}, not compiled and not wrapped"
                )
            if getattr(module, "_compiled_call_impl", None) is not None:
                raise InputError(
                    f"{self.name}: its {name} is compiled, so nothing can be seen inside it; open it before"
                )

    def _refuse_ill_fitting_texts(self) -> None:
        has_sizes = self.unet.config.addition_embed_type == "text_time"
        if has_sizes != (len(self.texts) == 2):
            raise InputError(
                f"{self.name}: {len(self.texts)} text encoder(s) beside a UNet that is "
                f"{'' if has_sizes else 'not '}told the picture's size; supported are {SUPPORTED}"
            )
        width = sum(model.config.hidden_size for _, model in self.texts)
        if width != self.unet.config.cross_attention_dim:
            raise InputError(
                f"{self.name}: the text encoders give {width} numbers a token, the UNet takes "
                f"{self.unet.config.cross_attention_dim}; they are not of one model"
            )
        for tokenizer, model in self.texts:
            known = model.get_input_embeddings().weight.shape[0]
            if len(tokenizer) > known:
                raise InputError(
                    f"{self.name}: the tokenizer knows {len(tokenizer)} tokens, its text encoder {known}; "
                    "pass the tokenizer that the model was trained with"
                )


def refuse_unet(config: Mapping[str, Any], name: str) -> None:
    """Raise for a UNet that wants to know more than latents, timestep and prompt."""
    channels = config.get("in_channels", LATENT_CHANNELS)
    if channels != LATENT_CHANNELS:
        what = WIDER_INPUTS.get(str(channels), f"a model whose UNet takes {channels} channels")
        raise InputError(f"{name} is {what}; supported are {SUPPORTED} ({LATENT_CHANNELS} channels)")
    if config.get("time_cond_proj_dim"):
        raise InputError(
            f"{name} is a distilled model, whose UNet takes the guidance weight; supported are {SUPPORTED}"
        )
    more = config.get("class_embed_type") or config.get("num_class_embeds")
    added, image = config.get("addition_embed_type"), config.get("encoder_hid_dim_type")
    if more or added not in (None, "text_time") or image not in (None, "ip_image_proj"):
        told = more or (image if added in (None, "text_time") else added)
        raise InputError(f"{name}: its UNet is told more than a prompt ({told}); supported are {SUPPORTED}")


def refuse_vae(config: Mapping[str, Any], name: str) -> None:
    """Raise for a VAE whose latents are shifted, or of another number of channels."""
    if config.get("latent_channels", LATENT_CHANNELS) != LATENT_CHANNELS:
        raise InputError(f"{name}: its VAE has {config['latent_channels']} channels; supported are {SUPPORTED}")
    if any(config.get(key) is not None for key in ("latents_mean", "latents_std", "shift_factor")):
        raise InputError(f"{name}: its VAE shifts latents, as Playground's does; supported are {SUPPORTED}")


def noise_of(scheduler: Any, name: str) -> tuple[NoiseLevels, str]:
    """Noise levels and prediction of a scheduler of diffusers."""
    prediction = getattr(scheduler, "config", {}).get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise InputError(f"{name}: expected a prediction of {' or '.join(PREDICTIONS)}, got {prediction!r}")
    abar = getattr(scheduler, "alphas_cumprod", None)
    if not isinstance(abar, torch.Tensor):
        raise InputError(
            f"{name}: a {type(scheduler).__name__} has no levels of noise for the timesteps of training; supported "
            "are schedulers with alphas_cumprod, such as DDIMScheduler"
        )
    # Where training ended in noise alone, abar is 0 there, and x_0 cannot be told from it.
    return NoiseLevels(abar.detach().to("cpu", torch.float32, copy=True).clamp(min=LEAST_ABAR)), prediction


def refuse_not_finite(modules: Mapping[str, Any], name: str) -> None:
    """Raise for the first tensor that is missing or holds what is no number; offloaded weights are not looked at."""
    for part, module in modules.items():
        for tensor, values in module.named_parameters():
            if not values.is_meta and not torch.isfinite(values).all():
                raise NotFiniteError(
                    f"{name}: {part}.{tensor} holds values that are no numbers; the weights are damaged, or too "
                    "large for their type: open them as float32, or get them again"
                )
