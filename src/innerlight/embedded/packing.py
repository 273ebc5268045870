"""The trained stages as one model: opened from their checkpoints, calibrated, and packed into the folder that ships."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from innerlight import viz
from innerlight.backbones import Backbone, NoiseLevels, TextEncoder, load, save_pipeline
from innerlight.backbones.building import build_unet, build_vae
from innerlight.backbones.sites import sites_of
from innerlight.backbones.stable_diffusion import StableDiffusion
from innerlight.embedded.binding import bind
from innerlight.embedded.data import FIRST_SEED, Scenes, open_scenes, table_of
from innerlight.embedded.judge import Judge
from innerlight.embedded.judging import trained_judge
from innerlight.embedded.oracle import JUDGE, LATEST_JUDGE, save_judge, shipped_judge
from innerlight.embedded.towers import trained_towers
from innerlight.embedded.unet import POCKET_UNET, scale_of
from innerlight.embedded.vae import POCKET_VAE, to_tensor
from innerlight.embedded.vocabulary import count_words
from innerlight.files import read_json, write_json, write_picture, write_text
from innerlight.sampling import Run, generate
from innerlight.tuning.training import CHECKPOINT, Progress, averaged_weights, state_of, steps_left
from innerlight.types import InputError, NotFoundError
from innerlight.world import caption, render, sample

LICENCE = "Apache-2.0"
STEPS = 25
LESSONS = {  # of teaching: a few minutes on two cores
    "textual_inversion_steps": 200, "p_plus_steps": 120, "dreambooth_steps": 150, "dreambooth_rate": 1e-4,
    "dreambooth_lora_steps": 200, "dreambooth_lora_rate": 1e-3,
}  # fmt: skip
GUIDANCES = (1.5, 2.5, 4.0, 6.0, 8.0)
DEVELOPMENT = 50_000  # seeds of the scenes that defaults are fitted on
CALIBRATED_ON = 48  # captions for each guidance
STAGES = ("vae", "towers", "binding", "unet", "judge")
NEAREST = "nearest.png"
TRAINING = "training.json"  # beside the weights: what the card tells of how they were made
BASE = "base"  # in the folder of a training: the packed model that it goes on from
SHOWN = 16  # samples beside their nearest training scenes
CURVE = 12  # points of a loss curve in the model card


def open_trained(runs: Path, calibration: Mapping[str, Any] | None = None) -> Backbone:
    """The model that the stages in `runs` make, in float32; the VAE is that of what it goes on from."""
    unet = build_unet(POCKET_UNET)
    unet.load_state_dict(averaged_weights(runs / "unet"))
    unet.eval().requires_grad_(False)
    base = base_of(runs)
    if base is not None:
        bind(base.texts[0].model, runs)
        settings = dict(calibration or base.calibration)
        return replace(base, unet=unet, sites=sites_of(unet), calibration=settings, hash="unpacked")
    scenes = open_scenes(runs / "data")
    vae = build_vae(POCKET_VAE)
    vae.load_state_dict(averaged_weights(runs / "vae"))
    scale = scale_of(scenes, vae.eval())
    vae.register_to_config(scaling_factor=scale)
    trained = trained_towers(runs)
    if trained is None:
        raise NotFoundError(f"no towers in {runs / 'towers'}; train them first: innerlight embedded train towers")
    towers, tokenizer = trained
    bind(towers.text, runs)
    for module in (vae, towers.text):
        module.eval().requires_grad_(False)
    return StableDiffusion(
        name="pocket",
        family="sd1",
        unet=unet,
        vae=vae,
        texts=(TextEncoder(tokenizer, towers.text),),
        levels=NoiseLevels.scaled_linear(),
        prediction="v_prediction",
        sites=sites_of(unet),
        calibration=dict(calibration or {"steps": STEPS}),
        hash="unpacked",
    )


def base_of(runs: Path) -> Backbone | None:
    """The packed model that the training in `runs` goes on from, if it does."""
    return load(runs / BASE, device="cpu") if (runs / BASE).exists() else None


def keep_base(packed: Path, runs: Path) -> None:
    """Let the training in `runs` go on from a packed model."""
    begun = [stage for stage in STAGES if (runs / stage).exists()]
    if begun:
        raise InputError(f"{runs} has trained {', '.join(begun)} already; go on from a packed model in another folder")
    shutil.copytree(packed, runs / BASE, dirs_exist_ok=True)


def told_of_base(runs: Path) -> dict[str, Any]:
    """By stage what the model that the training in `runs` goes on from has seen; nothing if it goes on from none."""
    path = runs / BASE / TRAINING
    told: Any = read_json(path) if path.exists() else {}
    return told


def _finished_judge(runs: Path) -> Judge | None:
    """The judge trained in `runs`, if one was begun there; one that is not trained to its end is refused."""
    judge = trained_judge(runs / "judge")
    if judge is not None and (left := steps_left(runs / "judge")):
        raise InputError(f"the judge in {runs / 'judge'} has {left} steps to go; let it end, or move it away")
    return judge


def calibrate(runs: Path, progress: Progress = lambda done, of: None) -> dict[str, Any]:
    """Defaults of the model, fitted on development seeds: the guidance under which the judge finds most of what
    captions of one thing and of two ask for. Also the words that it was trained on. What else was fitted is kept; what
    was fitted on a model that it went on from is taken over, but is not said to be fitted.
    """
    judge = _finished_judge(runs) or (shipped_judge(LATEST_JUDGE) if (runs / BASE).exists() else None)
    if judge is None:
        raise NotFoundError(f"no judge in {runs / 'judge'}; train it first: innerlight embedded train judge")
    backbone = open_trained(runs)
    scenes = [sample(DEVELOPMENT + k, count=1 + k % 2) for k in range(CALIBRATED_ON)]
    told = [caption(one, say=[(thing, "colour") for thing in range(len(one.things))]).text for one in scenes]
    wanted = [table_of(render(scene, 64))[: len(scene.things), :2] for scene in scenes]
    shares = {}
    for done, guidance in enumerate(GUIDANCES):
        progress(done, len(GUIDANCES))
        made = generate(backbone, told, seed=DEVELOPMENT, guidance=guidance, run=Run(progress=False))
        with torch.no_grad():
            maps = judge(to_tensor(np.stack([np.asarray(image) for image in made.images]))).maps
        category, colour = (maps[name].argmax(1).numpy() for name in ("category", "colour"))
        found = [_share(category[k], colour[k], things) for k, things in enumerate(wanted)]
        shares[guidance] = float(np.mean(found))
    progress(len(GUIDANCES), len(GUIDANCES))
    best = max(shares, key=lambda guidance: shares[guidance])
    path = runs / "calibration.json"
    kept: Any = read_json(path) if path.exists() else {**backbone.calibration, "fitted": {}}
    calibration = {
        **kept,
        "steps": STEPS,
        **LESSONS,
        "guidance": best,
        "vocabulary": words_of(open_scenes(runs / "data")),
        "fitted": {
            **kept.get("fitted", {}),
            "seeds": f"{DEVELOPMENT}..{DEVELOPMENT + CALIBRATED_ON - 1}",
            "by guidance": {str(guidance): share for guidance, share in shares.items()},
        },
    }
    write_json(calibration, path)
    return calibration


def nearest_scenes(pictures: NDArray[np.uint8], scenes: Scenes, side: int = 16) -> NDArray[np.uint8]:
    """For each of `pictures` (n, h, w, 3) the scene of the training data that looks most like it, reduced to `side`."""

    def small(many: NDArray[np.uint8]) -> Tensor:
        return F.adaptive_avg_pool2d(to_tensor(many), side).flatten(1)

    wanted = small(pictures)
    least = torch.full((len(pictures),), torch.inf)
    found = np.zeros((len(pictures), *scenes.pictures[0].shape[1:]), np.uint8)
    for shard in scenes.pictures:
        distances, places = torch.cdist(wanted, small(np.asarray(shard))).min(1)
        for k in torch.nonzero(distances < least).flatten().tolist():
            least[k], found[k] = distances[k], shard[int(places[k])]
    return found


def write_nearest(backbone: Backbone, scenes: Scenes, path: Path) -> None:
    """Samples of development captions above the training scenes that look most like them."""
    told = [caption(sample(DEVELOPMENT + k)).text for k in range(SHOWN)]
    made = generate(backbone, told, seed=DEVELOPMENT, run=Run(progress=False))
    drawn = np.stack([np.asarray(image) for image in made.images])
    near, half = nearest_scenes(drawn, scenes), SHOWN // 2
    rows = [*drawn[:half], *near[:half], *drawn[half:], *near[half:]]
    write_picture(viz.grid(rows, columns=half, gap=2), path)


def words_of(scenes: Scenes) -> list[str]:
    """All words of the captions that the model was trained on."""
    counts = count_words(str(text) for shard in scenes.captions for row in shard for text in row)
    return sorted(word for word in counts if word[0].isalpha())


def pack(runs: Path, folder: Path, hardware: str) -> Backbone:
    """Write the trained model to `folder`: diffusers layout, float16, with its calibration, and how it was trained; and
    a judge that was trained with it to a folder of its own beside.
    """
    path = runs / "calibration.json"
    if not path.exists():
        raise NotFoundError(f"no {path}; calibrate first: innerlight embedded train calibration")
    calibration, judge = read_json(path), _finished_judge(runs)
    assert isinstance(calibration, dict)
    backbone = open_trained(runs, calibration)
    save_pipeline(backbone, folder, half=True, licence=LICENCE)
    write_json(calibration, folder / "calibration.json")
    write_json(_training(runs, hardware), folder / TRAINING)
    write_nearest(backbone, open_scenes(runs / "data"), folder / NEAREST)
    if judge is not None:
        latest = LATEST_JUDGE if (runs / BASE).exists() else JUDGE
        save_judge(judge, folder.parent / latest.parent.name / latest.name)
    return backbone


def write_card(folder: Path, rows: Sequence[Any]) -> None:
    """The model card beside the weights: what was seen, for how long, on what, and what came out of it."""
    told: Any = read_json(folder / TRAINING)
    training = {stage: told[stage] for stage in STAGES if stage in told}
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(row.command for row in rows))
    lines = [
        f"# {folder.resolve().name}",
        "",
        f"Licence: {LICENCE}. A latent diffusion model of 128 x 128 pictures, trained from nothing on the procedural",
        f"scenes of `innerlight.world` (seeds from {FIRST_SEED:,}), which owe nothing to anybody. It draws the words",
        "of `calibration.json` and no others, and no people. Made by `innerlight embedded train STAGE`.",
        "",
        f"Trained on {'; '.join(dict.fromkeys(its['hardware'] for its in training.values()))}.",
        "",
        "| stage | parameters | samples seen | hours |",
        "| --- | --- | --- | --- |",
        *(
            f"| {stage} | {its['parameters'] / 1e6:.2f} M | {its['samples']:,} | {its['hours']:.2f} |"
            for stage, its in training.items()
        ),
        "",
        f"![Samples above the training scenes that look most like them]({NEAREST})",
        "",
        f"{SHOWN} samples, and below each the one of the training scenes that looks most like it at 16 x 16.",
        "",
        "Loss at even distances over the steps of the last run:",
        "",
        "| stage | from first to last step |",
        "| --- | --- |",
        *(f"| {stage} | {', '.join(f'{one:.3f}' for one in its['loss'])} |" for stage, its in training.items()),
        "",
        f"What it gets right, on scenes it never saw ({commands or 'not measured yet'}):",
        "",
        "| row | value | limit | 95 % interval | n | |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_row_line(row) for row in rows),
    ]
    write_text("\n".join(lines) + "\n", folder / "README.md")


def _training(runs: Path, hardware: str) -> dict[str, Any]:
    """What each stage saw, for how long and on what; one that went on from another saw what that one saw, too."""
    before, told = told_of_base(runs), {}
    for stage in STAGES:
        if (runs / stage / CHECKPOINT).exists():
            state, old = state_of(runs / stage), before.get(stage, {"samples": 0, "hours": 0.0})
            told[stage] = {
                "parameters": sum(value.numel() for value in averaged_weights(runs / stage).values()),
                "samples": old["samples"] + state.samples,
                "hours": round(old["hours"] + state.seconds / 3600, 2),
                "hardware": hardware,
                "loss": _curve(runs / stage / "log.jsonl"),
            }
        elif stage in before:
            told[stage] = before[stage]
    return told


def _curve(log: Path) -> list[float]:
    """Means of the loss over even stretches."""
    losses = [json.loads(line)["loss"] for line in log.read_text(encoding="utf-8").splitlines()]
    parts = np.array_split(np.array(losses), min(CURVE, max(len(losses), 1)))
    return [round(float(part.mean()), 3) for part in parts if len(part)]


def _row_line(row: Any) -> str:
    between = "" if row.low is None else f"{row.low:.3f} to {row.high:.3f}"
    limit = "" if row.limit is None else f"{row.sense} {row.limit:g}"
    return f"| {row.id} | {row.value:.3f} | {limit} | {between} | {row.n} | {'' if row.holds else row.verdict} |"


def _share(category: NDArray[np.integer], colour: NDArray[np.integer], wanted: NDArray[np.integer]) -> float:
    """How much of what is not setting is one of the wanted things: of its category and in its colour."""
    right = [(category == kind) & (colour == 1 + hue) for kind, hue in wanted]
    return float(np.any(right, axis=0).sum() / max((category > 0).sum(), 1))
