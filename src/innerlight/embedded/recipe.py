"""The recipe: which stages there are, in what order, with what settings.

What runs so far gave (two cores of a processor with AVX-512 bf16, other work beside; scores on 512 scoring scenes):

| stage | seen | hours | reached |
| --- | --- | --- | --- |
| vae (16, 32, 96) | 176 000 crops of 64 x 64 | 1.3 | 29.6 dB whole, 23.3 dB inside things; wanted 33 and 26 |
| judge, 3.8 M | 134 000 pictures | 3.8 | category 0.83, colour 0.88, pattern 0.65, part mIoU 0.45 |
| judge, on from that | 192 000 | 2.3 | category 0.97, colour 0.94, pattern 0.84, part mIoU 0.62 |
| towers, 2.1 M | 384 000 pairs | 0.5 | 0.96 right of 64 captions |
| unet, 4.6 M, run 1 | 240 000 at half side, 144 000 whole | 2.5 | one thing there 0.69, in its colour 0.17; two 0.11 |
| unet, run 2, on from run 1 | 288 000 whole | 4.3 | one thing there 0.85, in its colour 0.39; two 0.23 |
| unet, run 3, on from run 2 | 358 400 whole | 1.8 | one thing there 0.88, in its colour 0.72; two 0.22 |
| unet, run 4, on from run 3; not kept | 307 200 whole | 1.7 | second judge: 0.99, 0.90; two 0.47; nouns point in 0.20 |
| unet, run 5, on from run 3 | 300 800 whole | 1.6 | second judge: 0.98, 0.87; two 0.39; nouns point in 0.50 |

What run 1 taught, by eye on eight samples every 250 steps: shapes come in the phase at full side alone. At its turn
things were drawn several times over and too small, which took about 2 000 of its 4 500 steps to go. Nobody ran the same
hours at full side alone beside it.

What run 2 taught: up to its middle, prompts that differ in a colour alone gave the same picture, at any guidance.
Where the words could decide on it, above timestep 800, a logit-normal puts 8 % of the samples, and min-SNR weighs
them by less than 0.04; so what was said there was hardly learnt. A thousand steps after both were changed, red, blue
and green were drawn as told. On development captions the share of a picture's things in the right category and colour
rose from 0.12 to 0.33 (guidance 6; each by the judge of its time). It was still rising when the run ended.

Run 3 had nothing beside it, which made it twice as fast, and two levers more, one thing and much noise (below). On
development captions the share of a picture's things in the right category and colour rose from 0.33 to 0.58, and
guidance 4 is enough for it, where 6 was best. Two things are there no more often than before. Nouns' maps point as they
did (0.59; 0.56 before, within the interval) and are worse all over (AUROC 0.81 for 0.85). The judge
limited the rows of one thing by then: on the world's own pictures it found the one thing of a scene in 0.91, in its
colour in 0.84, and both of two in 0.68 (128 development scenes each). So it was taught on before a next run was judged.

Run 4 began with a look at what the UNet reads. The text encoder, taught by the towers to tell captions apart and then
frozen, hardly says which thing is of which colour: of 548 captions of two things a linear reader found, in the state of
the first noun, its colour in 0.72, in that of the second its own in 0.35 and the first's in 0.43. So the encoder learnt
along with the UNet, and was asked to tell colour and pattern at nouns, on more scenes of two. By the second judge one
thing was there in its colour for 0.90 of scoring captions and with its pattern for 0.60, both of two for 0.47, in their
colours for 0.18 (run 3, on 112 development scenes: 0.81, 0.35, 0.29, 0.04). But what things are went from the nouns to
the filling behind the end mark, which got 0.42 of the attention inside a thing, the noun 0.02 (run 3: 0.27 and 0.33):
a noun's map pointed at its thing in 0.20 for 0.59, and its AUROC was 0.53 for 0.81. A model that is made to be looked
into needs its maps, so these weights do not ship. What came of it is the stage `binding`: the encoder alone learns to
tell at nouns, all other states are held, and it is frozen again before the UNet reads it. In 600 steps it tells all,
and the same reader finds the colours of both nouns in 1.00.

Run 5 was begun twice. Asked for colour and pattern alone, nouns forgot what they are: a linear reader of the category
fell from 1.00 to 0.60 at the noun of one thing and to 0.30 at the second of two. Within 900 steps the UNet no longer
looked at them (attention inside a thing 0.15, outside it 0.13; AUROC 0.54 on 64 development scenes), as in run 4. So
`binding` asks for the category, too, and holds nouns a little (the reader then finds it in 1.00), and three of four
samples have nothing to read behind the end mark. By the end nouns had gained attention from the filling: inside a thing
0.32 to 0.37, and 0.27 to 0.17. On scoring captions, second judge: one thing in its colour 0.87 (run 3 on 112
development scenes: 0.81), with its pattern 0.57 (0.35), both of two 0.39 (0.29), in their colours 0.13 (0.04). The
nouns' AUROC stays as it was (0.80, 0.81 before); their peaks lie inside the thing in 0.50 for 0.60, which is worse. Run
4 drew two things more often; whether for its free encoder or its 100 steps more is not known.

| lever | gave |
| --- | --- |
| bf16 autocast | convolutions 2.0 to 2.3 times as fast as fp32 |
| attention in pieces that stay in cache | half the time of the fused kernel, and of its backward |
| pictures at half their side first | 100 samples a second for 30, on two cores |
| things weigh 4 times as much as their setting | from step 12 000 on; by eye whole shapes within 2 500 steps |
| full weight where there is much noise, half of the timesteps from anywhere | from step 15 600 on; see run 2 |
| two processes of one thread for one of two | UNet, batches of 64, twice: 52 and 52 samples a second for 49 and 51 |
| torch.compile | 32 samples a second for 31, after two minutes of compiling: left out |
| Muon for AdamW, 150 s each at half side | 300 steps for 450, an error of 0.667 for 0.611: left out |
| one thing in every second scene (one in four as they come) | run 3, together with the next |
| half of the timesteps from a logit-normal about 0.73 of the noise (before: about 0.5) | run 3 |
| two things in 0.55 of what is shown, one in 0.33 (before: 0.38 and 0.5) | run 4, together with the next |
| the text encoder learns along with the UNet | run 4: two of two for one, but maps of nouns are lost: left out |
| stage `binding`, 2.4 minutes | its words at nouns for 1.00 of them, other states move by 0.020 of a variance of 1 |
| nouns tell their category as well | run 5: AUROC 0.79 after 500 steps, where it was 0.54 after 900 without |
| filling of the empty caption for three of four samples | run 5, together with the last and with two things in 0.55 |
| the judge's things weigh the square root of their area; its rate ends at 0 | its second run: category 0.83 to 0.97 |
| VAE widths (16, 32, 96) for (32, 64, 128) | 48 crops a second for 14; how much quality it costs is not known |
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

from innerlight.backbones import WEIGHTS, Backbone, device_named
from innerlight.backbones.building import open_tokenizer
from innerlight.embedded.binding import BindingStage, bind
from innerlight.embedded.data import draw_shards, open_scenes
from innerlight.embedded.judging import JudgeStage
from innerlight.embedded.oracle import LATEST_JUDGE, shipped_judge
from innerlight.embedded.packing import base_of, calibrate, keep_base, told_of_base
from innerlight.embedded.towers import TowersStage, trained_towers
from innerlight.embedded.unet import Latents, TextStates, UNetStage, cache_latents, scale_of, text_states
from innerlight.embedded.vae import POCKET_VAE, VaeStage, round_trip_of, round_trip_through, trained_vae
from innerlight.embedded.vocabulary import learn_tokenizer
from innerlight.tuning.peers import Peers, accompanied
from innerlight.tuning.training import CHECKPOINT, Progress, Schedule, Stage, state_of, train
from innerlight.types import InputError, NotFoundError

SHARDS = 64
APART = 10**9  # numbers of batches of two processes that train together
COARSE_STEPS = 7_500  # of the UNet's, at half size

LATEST = "pocket-2"  # of the models that ship: what a training goes on from
BINDING = Schedule(steps=600, batch=64, rate=1e-3, warmup=50, final=0.0, average=0.99)
ONWARD = {  # from what is packed
    "unet": Schedule(steps=4_700, batch=64, rate=7e-4, warmup=300, final=0.0, sample_steps=500),
    "judge": Schedule(steps=8_000, batch=24, rate=1e-3, final=0.0),
    "binding": BINDING,
}

READ_BY = {"vae": ("unet",), "towers": ("binding", "unet"), "binding": ("unet",)}  # stages that learn from each

SCHEDULES = {
    "vae": Schedule(steps=11_000, batch=16, rate=2e-3),
    "unet": Schedule(steps=21_000, batch=32, rate=7e-4, average=0.999, sample_steps=250, turn=COARSE_STEPS),
    "towers": Schedule(steps=3_000, batch=128, rate=1e-3),
    "judge": Schedule(steps=5_600, batch=24, rate=2e-3),
    "binding": BINDING,
}


def train_stage(
    stage: str,
    folder: Path,
    *,
    seconds: float | None = None,
    threads: int | None = None,
    device: str = "cpu",
    workers: int = 1,
    progress: Progress = lambda done, of: None,
) -> dict[str, Any]:
    """Train `stage` in `folder`, for `seconds` or to its end; says how far it came.

    `workers`: processes that train together, each with `threads`. Behind the stage `base`, which takes the latest of
    the models that ship, the UNet goes on from that one's weights, with its VAE and text encoder, on scenes at full
    side; so does the judge from the latest that ships.
    """
    names = ("data", "base", "tokenizer", *STAGES, "calibration")
    if stage not in names:
        raise NotFoundError(f"stage: expected one of {', '.join(names)}, got {stage!r}")
    place = str(device_named(device))
    if threads:
        torch.set_num_threads(threads)
    if stage == "data":
        draw_shards(folder / "data", SHARDS, progress=progress)
        return {"stage": stage, "scenes": len(open_scenes(folder / "data"))}
    if stage == "base":
        keep_base(WEIGHTS / LATEST, folder)
        return {"stage": stage, "model": LATEST}
    if stage == "tokenizer":
        tokenizer = learn_tokenizer(open_scenes(folder / "data"))
        tokenizer.save_pretrained(folder / "tokenizer")
        return {"stage": stage, "tokens": len(tokenizer)}
    if stage == "calibration":
        return {"stage": stage, **calibrate(folder, progress)["fitted"]}
    schedule, what = _made(stage, folder)
    _refuse_to_change(stage, folder, schedule)
    numbers = sum(one.numel() for one in what.module.parameters())
    with accompanied(workers, numbers, _train_along, stage, folder, threads, place) as peers:
        train(what, schedule, folder / stage, device=place, seconds=seconds, peers=peers, progress=progress)
    state = state_of(folder / stage)
    return {"stage": stage, "step": state.step, "of": schedule.steps, "hours": round(state.seconds / 3600, 2)}


def _refuse_to_change(stage: str, folder: Path, schedule: Schedule) -> None:
    """What a stage has made stays as it is once another has learnt from it."""
    readers = [reader for reader in READ_BY.get(stage, ()) if (folder / reader / CHECKPOINT).exists()]
    if readers and state_of(folder / stage).step < schedule.steps:
        raise InputError(
            f"{' and '.join(readers)} in {folder} learnt from what {stage} makes, which would change behind them; "
            f"train {stage} in another folder"
        )


def _train_along(stage: str, folder: Path, threads: int | None, device: str, peers: Peers) -> None:
    """What another process of several does."""
    if threads:
        torch.set_num_threads(threads)
    schedule, what = _made(stage, folder, peers.number)
    train(what, schedule, folder / stage, device=device, peers=peers)


class _OnScenes(Stage, Protocol):
    first: int


def _made(stage: str, folder: Path, process: int = 0) -> tuple[Schedule, Stage]:
    """A stage whose data are at hand, and how it is trained."""
    base = base_of(folder) if stage in ONWARD else None
    schedule = (SCHEDULES if base is None else ONWARD)[stage]
    what = STAGES[stage](folder) if base is None else STAGES_ONWARD[stage](folder, base)
    # There are fewer batches than samples, so those of the base are left behind.
    what.first = process * APART + told_of_base(folder).get(stage, {}).get("samples", 0)
    what.module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return schedule, what


def _vae(folder: Path) -> _OnScenes:
    return VaeStage(open_scenes(folder / "data"), POCKET_VAE)


def _judge(folder: Path) -> _OnScenes:
    return JudgeStage(open_scenes(folder / "data"), round_trip_of(folder / "vae"))


def _towers(folder: Path) -> _OnScenes:
    return TowersStage(open_scenes(folder / "data"), open_tokenizer(folder / "tokenizer"))


def _binding(folder: Path) -> _OnScenes:
    trained = trained_towers(folder)
    if trained is None:
        raise InputError(
            f"binding goes on from the towers, and none are trained in {folder / 'towers'}; train them first"
        )
    towers, tokenizer = trained
    return BindingStage(open_scenes(folder / "data"), towers.text, tokenizer)


def _unet(folder: Path) -> _OnScenes:
    vae = trained_vae(folder / "vae")
    if vae is None:
        raise InputError(f"the UNet learns on latents, and no VAE is trained in {folder / 'vae'}; train it first")
    trained = trained_towers(folder)
    if trained is None:
        raise InputError(f"the UNet reads captions, and no towers are trained in {folder / 'towers'}; train them first")
    towers, tokenizer = trained
    scale = scale_of(open_scenes(folder / "data"), vae)
    return _unet_stage(folder, vae, scale, text_states(bind(towers.text, folder), tokenizer), COARSE_STEPS)


def _judge_onward(folder: Path, base: Backbone) -> _OnScenes:
    """From the latest judge that ships."""
    stage = JudgeStage(open_scenes(folder / "data"), round_trip_through(base.vae))
    stage.module.load_state_dict(shipped_judge(LATEST_JUDGE).state_dict())
    return stage


def _binding_onward(folder: Path, base: Backbone) -> _OnScenes:
    text = base.texts[0]
    return BindingStage(open_scenes(folder / "data"), text.model, text.tokenizer)


def _unet_onward(folder: Path, base: Backbone) -> _OnScenes:
    text = base.texts[0]
    stage = _unet_stage(
        folder, base.vae, base.vae.config.scaling_factor, text_states(bind(text.model, folder), text.tokenizer)
    )
    stage.module.load_state_dict(base.unet.state_dict())
    return stage


def _unet_stage(folder: Path, vae: Any, scale: float, states: TextStates, coarse_steps: int = 0) -> UNetStage:
    scenes = open_scenes(folder / "data")

    def latents(shrink: int, name: str) -> Latents:
        return cache_latents(scenes, vae, folder / name, shrink, scale, lambda done, of: None)

    coarse = latents(2, "latents-half") if coarse_steps else ()
    return UNetStage(
        scenes, latents(1, "latents"), coarse, states, lambda latents: vae.decode(latents / scale).sample,
        coarse_steps=coarse_steps,
    )  # fmt: skip


STAGES: dict[str, Callable[[Path], _OnScenes]] = {
    "vae": _vae, "towers": _towers, "binding": _binding, "unet": _unet, "judge": _judge,
}  # fmt: skip
STAGES_ONWARD: dict[str, Callable[[Path, Backbone], _OnScenes]] = {
    "binding": _binding_onward, "unet": _unet_onward, "judge": _judge_onward,
}  # fmt: skip
