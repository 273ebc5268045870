"""PDM as released (Samuel et al. 2024, arXiv:2405.18025): each pixel of a thing votes for those most like it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.files import Source, read_pictures
from innerlight.maps import WordMap, resize
from innerlight.matching import Features, Ranking, nearest_cells
from innerlight.methods._registry import method
from innerlight.methods.retrieval._claims import claims_of
from innerlight.sampling import Appearance, Run, appearance, noisy_features
from innerlight.sampling.appearance import cells_of_mask, one_mask
from innerlight.types import InputError


@dataclass(frozen=True)
class PdmVotingConfig:
    """The released code's values."""

    timestep: int = 1  # of the attention that is read, of 1000
    site: int = 1  # which self-attention of the finest level; its demonstration has another
    prompt: str = "A photo"  # of both pictures
    nearest: float = 1 / 41  # share of a target's cells that each pixel votes for; 100 of 4096
    feature_timestep: int = 261  # of the features that say which pixel is which, of 1000
    feature_draws: int = 2  # noises that those are averaged over
    threshold: float | None = None  # of the most votes a cell has; None: the model's own, else 0.5


@dataclass(frozen=True, eq=False)
class _Picture:
    attention: Appearance
    features: Features  # on the attention's grid


@method(family="retrieval", paper="arXiv:2405.18025", claims=claims_of("pdm_voting"))
def pdm_voting(
    backbone: Backbone,
    reference: Source,
    targets: Source | Iterable[Source],
    config: PdmVotingConfig = PdmVotingConfig(),
    *,
    mask: NDArray[np.bool_] | None = None,
    word: str | None = None,
    size: Size | None = None,
    seed: int = 0,
    run: Run | None = None,
) -> Ranking:
    """Targets by how surely they show what the `mask` of the reference shows. It knows no words: `word` is only the
    name that maps bear.
    """
    if mask is None:
        raise InputError("pdm_voting needs the reference's mask=; pdm also takes a word=")
    if not 0 <= config.nearest <= 1:
        raise InputError(f"nearest: expected a share of cells, 0..1, got {config.nearest}; 1/41 is the authors'")
    (own,), pictures = read_pictures(reference), read_pictures(targets)
    given = one_mask(mask, own)
    maps, scores = [], []
    with (run or Run()).bar("pdm_voting", 1 + len(pictures)) as advance:
        shown = _seen(backbone, own, config, size, seed)
        inside = cells_of_mask(given, shown.attention.grid)
        advance()
        for picture in pictures:
            other = _seen(backbone, picture, config, size, seed + config.feature_draws)
            heat = votes(shown.attention, inside, other.attention, config.nearest)
            maps.append(WordMap(word or "", heat.cpu().numpy(), (picture.height, picture.width)))
            scores.append(sureness(shown, inside, other))
            advance()
    threshold = config.threshold
    if threshold is None:
        threshold = float(backbone.calibration.get("pdm_voting_threshold", 0.5))
    recipe = {
        "model": backbone.name, "model_hash": backbone.hash, "seed": seed,
        "size": list(map(int, size)) if size else None, "method": "pdm_voting", "word": word,
        "config": asdict(config) | {"threshold": threshold},
    }  # fmt: skip
    return Ranking(own, given, pictures, np.array(scores), maps, threshold, recipe)


def votes(reference: Appearance, inside: Tensor, target: Appearance, share: float) -> Tensor:
    """(h, w) of the target's grid: the votes of the reference's cells `inside`, each for the `share` of cells most like
    it, as a share of the most that a cell has; the mean of those by queries and by keys.
    """
    cells = len(target.queries)
    count = max(1, round(share * cells))
    heats = []
    for own, others in ((reference.queries, target.queries), (reference.keys, target.keys)):
        alike = F.normalize(own[inside], dim=1) @ F.normalize(others, dim=1).T  # (pixels, cells)
        chosen = alike.topk(count, dim=1).indices.flatten()
        counts = torch.bincount(chosen, minlength=cells).float()
        heats.append(counts / counts.max())
    return torch.stack(heats).mean(0).view(target.grid)


def sureness(reference: _Picture, inside: Tensor, target: _Picture) -> float:
    """How alike each pixel of the thing is to its match, in the features that match and in what attention asks and
    answers: the mean product of cosines.
    """
    matched, alike = nearest_cells(reference.features, target.features)
    own, other = reference.attention, target.attention
    products = [
        alike[inside] * F.cosine_similarity(a[inside], b[matched[inside]], dim=1)
        for a, b in ((own.queries, other.queries), (own.keys, other.keys))
    ]
    return float(torch.stack(products).mean())


def _seen(backbone: Backbone, picture: Image.Image, config: PdmVotingConfig, size: Size | None, seed: int) -> _Picture:
    found = appearance(backbone, picture, config.timestep, prompt=config.prompt, ordinal=config.site, size=size)
    features = noisy_features(
        backbone, picture, config.feature_timestep, "match", draws=config.feature_draws, prompt=config.prompt,
        size=size, seed=seed,
    )  # fmt: skip
    return _Picture(found, replace(features, values=resize(features.values, found.grid)))
