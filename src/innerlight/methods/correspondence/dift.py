"""DIFT (Tang et al. 2023, arXiv:2306.03881): match points by the features of one noisy pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from innerlight.backbones import Backbone, Size
from innerlight.embedded.recognition import ALPHA, CLOSE, Pair, own_or_twin, pair
from innerlight.embedded.rivals import patches
from innerlight.files import Source, read_pictures
from innerlight.matching import Features, Finder, Matches, joined, mutual, nearest
from innerlight.matching.features import points_of
from innerlight.methods._registry import Claim, method
from innerlight.sampling import Run, noisy_features
from innerlight.types import InputError

TIMESTEP = 261  # of 1000; the authors', for semantic matching


@dataclass(frozen=True)
class DiftConfig:
    """The authors' values."""

    timestep: int | None = None  # how noisy, of 1000; None: the model's own, else 261
    site: str = "match"  # the decoder feature whose grid is half the latent's
    draws: int = 8  # noises that features are averaged over


@cache
def _asked(
    backbone: Backbone, seed: int, kind: Literal["within", "across"]
) -> tuple[Pair, NDArray[np.floating]] | None:
    """Two things and where the method finds the points of one in the other."""
    asked = pair(seed, kind, backbone.size[0])
    if asked is None:
        return None
    return asked, dift(backbone, asked.source.picture, asked.target.picture, asked.points, seed=seed).found[0]


def _score(
    kind: Literal["within", "across"], alpha: float = ALPHA
) -> Callable[[Backbone, int], dict[str, float] | None]:
    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        tried = _asked(backbone, seed, kind)
        if tried is None:
            return None
        asked, found = tried
        here, there = asked.source.picture, asked.target.picture
        own, other = (Features(one, backbone.size) for one in backbone.encode([here, there]))
        xy = torch.from_numpy(asked.points).float()
        arms = {
            "method": found,
            "the same place": asked.points,
            "RGB patches": nearest(patches(here), patches(there), xy)[0].numpy(),
            "VAE latents": nearest(own, other, xy)[0].numpy(force=True),
        }
        return {arm: float(asked.hits(places, alpha=alpha).mean()) for arm, places in arms.items()}

    return score


def _score_twins(backbone: Backbone, seed: int) -> dict[str, float] | None:
    tried = _asked(backbone, seed, "within")
    return own_or_twin(*tried) if tried else None


RIVALS = ("the same place", "RGB patches", "VAE latents")
WITHIN = "keypoints of a thing are found in another of its category"
ACROSS = "keypoints of an animal are found in one of another kind"
SCORED = "(PCK@{:g} of the longer side of the target's box, mean over pairs)"
CLAIMS = (
    Claim("dift.pck", f"{WITHIN} {SCORED.format(ALPHA)}", RIVALS, _score("within"), scenes=220),
    Claim("dift.pck_close", f"{WITHIN} {SCORED.format(CLOSE)}", RIVALS, _score("within", CLOSE), scenes=220),
    Claim("dift.pck_across", f"{ACROSS} {SCORED.format(ALPHA)}", RIVALS, _score("across"), scenes=220),
    Claim("dift.pck_across_close", f"{ACROSS} {SCORED.format(CLOSE)}", RIVALS, _score("across", CLOSE), scenes=220),
    Claim(
        "dift.twins", "of points that have a twin more land at their own place than at the twin's", ("its twin",),
        _score_twins, scenes=300,
    ),
)  # fmt: skip


@method(family="correspondence", paper="arXiv:2306.03881", claims=CLAIMS)
def dift(
    backbone: Backbone,
    source: Source,
    targets: Source | Iterable[Source],
    points: ArrayLike | None = None,
    config: DiftConfig = DiftConfig(),
    *,
    prompt: str = "",
    size: Size | None = None,
    seed: int = 0,
    run: Run | None = None,
) -> Matches:
    """Where points (n, 2) of the source are in the targets. Without points, of one target: the middles of all cells
    that are each other's nearest. `prompt` says what the pictures show, such as "a photo of a cat".
    """
    pictures = read_pictures(targets)
    if points is None and len(pictures) != 1:
        raise InputError(f"points: needed for {len(pictures)} targets; only with one target can they be left out")
    look = finder(backbone, source, points, config, prompt=prompt, size=size, seed=seed)
    with (run or Run()).bar("dift", len(pictures)) as advance:
        found = []
        for picture in pictures:
            found.append(look(picture))
            advance()
    return joined(found)


def finder(
    backbone: Backbone,
    source: Source,
    points: ArrayLike | None,
    config: DiftConfig,
    *,
    prompt: str = "",
    size: Size | None = None,
    seed: int = 0,
) -> Finder:
    """What matches one target after another, with the source's features extracted once."""
    (shown,) = read_pictures(source)
    given = None if points is None else points_of(points, (shown.height, shown.width))
    own = features(backbone, shown, config, prompt=prompt, size=size, seed=seed)
    recipe = {
        "model": backbone.name, "model_hash": backbone.hash, "seed": seed,
        "size": list(map(int, size)) if size else None, "method": "dift", "prompt": prompt,
        "config": asdict(config) | {"timestep": timestep_of(backbone, config)},
    }  # fmt: skip

    def look(target: Source) -> Matches:
        (picture,) = read_pictures(target)
        other = features(backbone, picture, config, prompt=prompt, size=size, seed=seed + config.draws)
        xy = own.centres()[mutual(own, other)[:, 0]].cpu() if given is None else given
        places, scores = nearest(own, other, xy)
        return Matches(
            shown, [picture], xy.numpy(), places.numpy(force=True)[None], scores.numpy(force=True)[None], recipe
        )

    return look


def features(
    backbone: Backbone, image: Image.Image, config: DiftConfig, *, prompt: str = "", size: Size | None = None, seed: int
) -> Features:
    """What is compared: one decoder feature, averaged over noises."""
    t = timestep_of(backbone, config)
    return noisy_features(backbone, image, t, config.site, draws=config.draws, prompt=prompt, size=size, seed=seed)


def timestep_of(backbone: Backbone, config: DiftConfig) -> int:
    """How noisy: as set, or as the model's calibration says, or the authors'."""
    if config.timestep is not None:
        return config.timestep
    return int(backbone.calibration.get("dift_timestep", TIMESTEP))
