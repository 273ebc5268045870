"""A model as a folder that stock diffusers opens: StableDiffusionPipeline, safetensors, DDIM."""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from innerlight.backbones.backbone import Backbone
from innerlight.backbones.folder import INDEX
from innerlight.backbones.noise import NoiseLevels
from innerlight.backbones.opening import opening
from innerlight.backbones.parts import refuse_not_finite
from innerlight.backbones.pipelines import pipeline_of
from innerlight.files import write_bytes, write_json, write_text
from innerlight.types import InputError

XL_LAYER = -2  # of the hidden states of both encoders, as SDXL's pipeline reads them
FIRST, LAST, STEPS = 0.00085, 0.012, 1000  # the betas of Stable Diffusion, whose square roots go up in a line


def save_pipeline(
    backbone: Backbone, folder: str | os.PathLike[str], *, half: bool = True, licence: str | None = None
) -> None:
    """Write a model into `folder`, in float16 if `half`. The text of a licence is kept as LICENSE.

    Files of the same names are replaced, model_index.json last, so that a folder that has one is whole.
    """
    refuse_unsavable(backbone)
    target = Path(folder)
    with TemporaryDirectory() as made, opening("the pipeline to be saved"):
        _pipeline(backbone, half).save_pretrained(made, safe_serialization=True)
        _move(Path(made), target)
    if backbone.calibration:
        write_json(dict(backbone.calibration), target / "calibration.json")
    if licence is not None:
        write_text(licence, target / "LICENSE")


def scheduler_of(prediction: str, *, zero_snr: bool = False) -> Any:
    """Deterministic DDIM, as `sampling` has it, for a network that predicts so; with `zero_snr`, of one whose training
    ended in noise alone.
    """
    from diffusers import DDIMScheduler  # pyright: ignore[reportPrivateImportUsage]

    betas = {"num_train_timesteps": STEPS, "beta_start": FIRST, "beta_end": LAST, "beta_schedule": "scaled_linear"}
    ends = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}
    return DDIMScheduler.from_config(
        {**betas, **ends, "prediction_type": prediction, "rescale_betas_zero_snr": zero_snr}
    )


def refuse_unsavable(backbone: Backbone) -> None:
    """Raise for a model that a stock pipeline would read in another way."""
    layers = [encoder.layer for encoder in backbone.texts]
    if layers not in ([None], [XL_LAYER] * 2):
        raise InputError(
            f"{backbone.name}: only models with one text encoder, of which the last state is read, and those of the "
            f"kind of SDXL are saved; of this the states {layers} are read"
        )
    if backbone.learned:
        raise InputError(
            f"{backbone.name} knows {', '.join(word.name for word in backbone.learned)}, which the folder of a "
            "pipeline does not hold; save the model without, and the words by themselves"
        )
    if not backbone.levels.close_to(NoiseLevels.scaled_linear(STEPS, FIRST, LAST)):
        raise InputError(
            f"{backbone.name}: expected the noise levels of Stable Diffusion, {FIRST} to {LAST} in {STEPS} steps"
        )
    networks = backbone.networks.values()
    if any("lora_" in name for network in networks for name, _ in network.named_parameters()):
        raise InputError(f"{backbone.name} has a LoRA; make it part of the weights first: fuse_lora")


def _pipeline(backbone: Backbone, half: bool) -> Any:
    dtype = torch.float16 if half else torch.float32
    copies = {name: deepcopy(module).to("cpu", dtype) for name, module in backbone.networks.items()}
    refuse_not_finite(copies, f"{backbone.name} as {dtype}")
    made = pipeline_of(copies, [text.tokenizer for text in backbone.texts], scheduler_of(backbone.prediction))
    if backbone.empty_is_zero:
        made.register_to_config(force_zeros_for_empty_prompt=True)
    return made


def _move(made: Path, target: Path) -> None:
    """All files of `made` into `target`, each whole or not there, the index last."""
    for path in sorted((path for path in made.rglob("*") if path.is_file()), key=lambda path: path.name == INDEX):
        write_bytes(path.read_bytes(), target / path.relative_to(made))
