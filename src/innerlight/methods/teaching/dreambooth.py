"""DreamBooth (Ruiz et al. 2022, arXiv:2208.12242): a thing bound to a rare word by tuning all of the UNet.

Pictures that the model itself drew of its class keep the class as it was:

    L = loss(x, "a sks dog") + weight loss(x_prior, "a dog")
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache

from torch import nn

from innerlight.backbones import Backbone, Size
from innerlight.backbones.saving import refuse_unsavable
from innerlight.embedded.concepts import concept, likeness, plain_names, right
from innerlight.files import Source, read_pictures
from innerlight.methods._registry import Claim, method
from innerlight.methods.teaching._claims import CAPTION, keeping, measure
from innerlight.sampling import Run
from innerlight.tuning.denoising import Shots
from innerlight.tuning.lessons import Folder
from innerlight.tuning.subjects import NAME, rare_name, subject_parts
from innerlight.tuning.taught import Taught, teach_weights

STEPS, RATE = 800, 5e-6  # of the released script with prior preservation, for Stable Diffusion
RATE_WITH_TEXTS = 2e-6
ALONE = 400  # steps, without
PRIOR = 64  # pictures of a class, in its claims
WITHOUT = "without prior preservation"
LESS = 0.05  # of identity that prior preservation may cost


@dataclass(frozen=True)
class DreamboothConfig:
    """The released script's values."""

    steps: int | None = None  # None: the model's own, else 800, or 400 without the class
    batch: int = 4  # pictures of the thing a step, and as many of its class
    rate: float | None = None  # None: the model's own, else 5e-6, or 2e-6 with text encoders
    decay: float = 0.01  # of weights
    weight: float = 1.0  # of the loss on the class; 0: no prior preservation
    prior: int = 100  # pictures of the class, drawn before anything is learned
    mirror: bool = False  # also learn from mirror images; not for things that have a left and a right
    texts: bool = False  # also tune text encoders


@cache
def _arms(backbone: Backbone, seed: int) -> dict[str, dict[str, float]]:
    """With prior preservation and without: the concept by its name, its class, and what else the model knows."""
    asked = concept(seed, backbone.size[0], plain_names(backbone))
    own = {"report": 0, "seed": seed, "run": Run(progress=False)}
    models = {CAPTION: (backbone, asked.words)}
    for arm, weight in (("method", 1.0), (WITHOUT, 0.0)):
        taught = dreambooth(
            backbone, asked.shots, NAME, asked.like, DreamboothConfig(batch=8, weight=weight, prior=PRIOR), **own
        )
        models[arm] = taught.backbone, f"a {taught.name}"
    return {
        arm: asked.judged(model, prompt, seed)
        | {"class": -asked.leaked(model, seed), "others": right(model, seed, but=asked.like)}
        for arm, (model, prompt) in models.items()
    }


CLAIMS = (
    *keeping("dreambooth", (CAPTION,), _arms),
    Claim(
        "dreambooth.price", f"prior preservation costs at most {LESS:g} of how often it is drawn again", (WITHOUT,),
        measure("identity", _arms), -LESS, scenes=20,
    ),
    Claim(
        "dreambooth.leak", "prior preservation keeps the thing out of pictures of its class (share of them, less)",
        (WITHOUT,), measure("class", _arms), scenes=20,
    ),
    Claim(
        "dreambooth.forgetting", "with prior preservation more of what is asked of other classes is still drawn",
        (WITHOUT,), measure("others", _arms), scenes=20,
    ),
)  # fmt: skip


@method(family="teaching", paper="arXiv:2208.12242", claims=CLAIMS)
def dreambooth(
    backbone: Backbone,
    pictures: Source | Iterable[Source],
    name: str = NAME,
    like: str = "",
    config: DreamboothConfig = DreamboothConfig(),
    *,
    size: Size | None = None,
    seed: int = 0,
    folder: Folder | None = None,
    report: int = 2,
    run: Run | None = None,
) -> Taught:
    """A model of its own in which `name` before the word for its class ("sks dog") is what the pictures show.

    `name` is a rare word, not a new one. In `folder` the run is kept as it goes, and gone on with if it was stopped.
    `report`: pictures of each kind that are drawn at the end, to see what was learned; 0 for none.
    """
    refuse_unsavable(backbone)  # before anything is learned
    images = read_pictures(pictures)
    shots = Shots.of(backbone, images, size, mirrored=config.mirror)
    name = rare_name(backbone, name)
    parts = subject_parts(
        backbone, shots, name, like, batch=config.batch, weight=config.weight, prior=config.prior, seed=seed,
        folder=folder, run=run or Run(),
    )  # fmt: skip
    tuned = backbone.copy(texts=config.texts)
    networks = {name: network for name, network in tuned.networks.items() if network is not backbone.networks[name]}
    learning = nn.ModuleDict(networks).float().requires_grad_(True)  # half precision cannot hold steps this small
    known = backbone.calibration
    steps = (
        int(known.get("dreambooth_steps", STEPS if config.weight else ALONE)) if config.steps is None else config.steps
    )
    usual = RATE_WITH_TEXTS if config.texts else RATE
    rate = float(known.get("dreambooth_rate", usual)) if config.rate is None else config.rate
    recipe = {"method": "dreambooth", "config": asdict(config) | {"steps": steps, "rate": rate}}
    return teach_weights(
        backbone, tuned, learning, name, like, images, shots.size, parts, kind="model", texts=config.texts,
        steps=steps, rate=rate, decay=config.decay, recipe=recipe, seed=seed, folder=folder, report=report,
        judged=likeness(backbone, like), run=run,
    )  # fmt: skip
