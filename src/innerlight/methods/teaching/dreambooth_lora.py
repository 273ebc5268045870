"""DreamBooth by a LoRA (Hu et al. 2021, arXiv:2106.09685): the same, in a few numbers beside the weights.

W' = W + (alpha / rank) B A,    in the attention of the UNet, B zero at first
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache

from innerlight.backbones import Backbone, Size
from innerlight.embedded.concepts import Concept, concept, likeness, plain_names, right
from innerlight.files import Source, read_pictures
from innerlight.methods._registry import Claim, method
from innerlight.methods.teaching._claims import CAPTION, keeping
from innerlight.sampling import Run
from innerlight.tuning.adapters import add_lora, lora_of
from innerlight.tuning.denoising import Shots
from innerlight.tuning.lessons import Folder
from innerlight.tuning.subjects import NAME, rare_name, subject_parts
from innerlight.tuning.taught import Taught, teach_weights

STEPS, RATE = 500, 1e-4  # of the released script, for Stable Diffusion
RANKS = (1, 2, 4, 8)  # that are compared
JUDGED = 28  # pictures of each of them
LESS = 0.05  # of likeness that the highest may lose


@dataclass(frozen=True)
class DreamboothLoraConfig:
    """The released script's values."""

    rank: int = 4
    alpha: int | None = None  # how much B A counts, times the rank; None: the rank
    steps: int | None = None  # None: the model's own, else 500
    batch: int = 4  # pictures of the thing a step, and as many of its class
    rate: float | None = None  # None: the model's own, else 1e-4
    decay: float = 0.01  # of A and B
    weight: float = 0.0  # of the loss on what the model draws of the class; 0: no prior preservation
    prior: int = 100  # pictures of the class, drawn before anything is learned
    mirror: bool = False  # also learn from mirror images; not for things that have a left and a right
    texts: bool = False  # also in the attention of text encoders


def _learned(backbone: Backbone, asked: Concept, seed: int, rank: int = DreamboothLoraConfig.rank) -> Taught:
    config = DreamboothLoraConfig(rank=rank, batch=8)
    return dreambooth_lora(
        backbone, asked.shots, NAME, asked.like, config, report=0, seed=seed, run=Run(progress=False)
    )


@cache
def _arms(backbone: Backbone, seed: int) -> dict[str, dict[str, float]]:
    """A concept by its name, and by what could be said before."""
    asked = concept(seed, backbone.size[0], plain_names(backbone))
    taught = _learned(backbone, asked, seed)
    return {
        "method": asked.judged(taught.backbone, f"a {taught.name}", seed),
        CAPTION: asked.judged(backbone, asked.words, seed),
        "the name before it was taught": asked.judged(backbone, f"a {taught.name}", seed),
    }


def _score_ranks(backbone: Backbone, seed: int) -> dict[str, float]:
    """How like the thing what is drawn is, by LoRAs of each rank. Beside it, of each, how often its colour is there,
    how often in pictures of its class, and how often what is asked of other classes is still right.
    """
    asked = concept(seed, backbone.size[0], plain_names(backbone))
    found: dict[str, float] = {}
    for rank in RANKS:
        taught = _learned(backbone, asked, seed, rank)
        seen = asked.judged(taught.backbone, f"a {taught.name}", seed, JUDGED)
        found["method" if rank == RANKS[-1] else f"rank {rank}"] = seen["likeness"]
        found[f"rank {rank}: identity"] = seen["identity"]
        found[f"rank {rank}: leaked"] = asked.leaked(taught.backbone, seed)
        found[f"rank {rank}: others"] = right(taught.backbone, seed, but=asked.like)
    return found


RIVALS = (CAPTION, "the name before it was taught")
CLAIMS = (
    *keeping("dreambooth_lora", RIVALS, _arms),
    Claim(
        "dreambooth_lora.rank",
        f"more is not worse: rank {RANKS[-1]} loses at most {LESS:g} of likeness to each lower rank",
        tuple(f"rank {rank}" for rank in RANKS[:-1]), _score_ranks, -LESS, scenes=8,
    ),
)  # fmt: skip


@method(family="teaching", paper="arXiv:2106.09685", claims=CLAIMS)
def dreambooth_lora(
    backbone: Backbone,
    pictures: Source | Iterable[Source],
    name: str = NAME,
    like: str = "",
    config: DreamboothLoraConfig = DreamboothLoraConfig(),
    *,
    size: Size | None = None,
    seed: int = 0,
    folder: Folder | None = None,
    report: int = 2,
    run: Run | None = None,
) -> Taught:
    """A LoRA with which `name` before the word for its class ("sks dog") is what the pictures show.

    `name` is a rare word, not a new one. In `folder` the run is kept as it goes, and gone on with if it was stopped.
    `report`: pictures of each kind that are drawn at the end, to see what was learned; 0 for none.
    """
    images = read_pictures(pictures)
    shots = Shots.of(backbone, images, size, mirrored=config.mirror)
    name = rare_name(backbone, name)
    parts = subject_parts(
        backbone, shots, name, like, batch=config.batch, weight=config.weight, prior=config.prior, seed=seed,
        folder=folder, run=run or Run(),
    )  # fmt: skip
    tuned = add_lora(backbone, config.rank, alpha=config.alpha, texts=config.texts, seed=seed)
    known = backbone.calibration
    steps = int(known.get("dreambooth_lora_steps", STEPS)) if config.steps is None else config.steps
    rate = float(known.get("dreambooth_lora_rate", RATE)) if config.rate is None else config.rate
    recipe = {"method": "dreambooth_lora", "config": asdict(config) | {"steps": steps, "rate": rate}}
    return teach_weights(
        backbone, tuned, lora_of(tuned), name, like, images, shots.size, parts, kind="lora", texts=config.texts,
        steps=steps, rate=rate, decay=config.decay, recipe=recipe, seed=seed, folder=folder, report=report,
        judged=likeness(backbone, like), run=run,
    )  # fmt: skip
