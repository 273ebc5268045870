"""PDM (Samuel et al. 2024, arXiv:2405.18025): this very thing in other pictures, by attention's queries and keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.files import Source, read_pictures
from innerlight.maps import WordMap
from innerlight.matching import Ranking
from innerlight.methods._registry import method
from innerlight.methods.retrieval._claims import claims_of
from innerlight.sampling import Appearance, Run, appearance
from innerlight.sampling.appearance import positions_of, shown_in


@dataclass(frozen=True)
class PdmConfig:
    """The paper's values, where it has them."""

    timestep: int = 1  # the label of a pass over the clean latent, of 1000; the paper: the first of an inversion
    site: int = 1  # which self-attention of the finest level
    words: float = 0.7  # where the reference shows a word: above this, of its map from lowest to highest
    threshold: float | None = None  # where a target shows the thing, of the same; None: the model's own, else 0.7


@method(family="retrieval", paper="arXiv:2405.18025", claims=claims_of("pdm"))
def pdm(
    backbone: Backbone,
    reference: Source,
    targets: Source | Iterable[Source],
    config: PdmConfig = PdmConfig(),
    *,
    mask: NDArray[np.bool_] | None = None,
    word: str | None = None,
    size: Size | None = None,
    seed: int = 0,
    run: Run | None = None,
) -> Ranking:
    """Targets by how surely they show what the `mask` of the reference shows, or its `word`. With a word, what a thing
    is counts as much as how it looks. Nothing is drawn at random: `seed` changes nothing.
    """
    (own,), pictures = read_pictures(reference), read_pictures(targets)
    prompt = word or ""
    tokens = positions_of(backbone, prompt, word) if word else None
    maps = []
    with (run or Run()).bar("pdm", 1 + len(pictures)) as advance:

        def seen(picture: Image.Image) -> Appearance:
            found = appearance(backbone, picture, config.timestep, prompt=prompt, ordinal=config.site, size=size)
            advance()
            return found

        shown = seen(own)
        inside, given = shown_in(shown, own, mask, tokens, config.words)
        for picture in pictures:
            values = similarity(shown, inside, seen(picture), tokens)
            maps.append(WordMap(word or "", values.cpu().numpy(), (picture.height, picture.width)))
    threshold = config.threshold
    if threshold is None:
        threshold = float(backbone.calibration.get("pdm_threshold", 0.7))
    recipe = {
        "model": backbone.name, "model_hash": backbone.hash, "seed": seed,
        "size": list(map(int, size)) if size else None, "method": "pdm", "word": word,
        "config": asdict(config) | {"threshold": threshold},
    }  # fmt: skip
    scores = np.array([one.values.mean() for one in maps])
    return Ranking(own, given, pictures, scores, maps, threshold, recipe)


def similarity(reference: Appearance, inside: Tensor, target: Appearance, tokens: Tensor | None) -> Tensor:
    """(h, w) of the target's grid: half how alike it looks to the reference's cells `inside`, half how much it is what
    `tokens` name; without tokens the look alone. Both are cosines.
    """
    # the mean of products with each cell is the product with their mean
    look = target.look @ reference.look[inside].mean(0)
    if tokens is None:
        return look.view(target.grid)
    meaning = target.meaning @ F.normalize(target.prompt[tokens], dim=1).mean(0)
    return ((look + meaning) / 2).view(target.grid)
