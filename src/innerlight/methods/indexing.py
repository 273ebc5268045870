"""A folder of pictures as an index, and a thing found in it: PDM (arXiv:2405.18025), with what it needs of each picture
extracted once.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.files import Source, list_pictures, read_picture
from innerlight.maps import WordMap
from innerlight.matching import Entry, Index, Ranking, Store, search_approximately
from innerlight.methods.retrieval.pdm import PdmConfig
from innerlight.sampling import Appearance, Run, appearance
from innerlight.sampling.appearance import positions_of, shown_in
from innerlight.types import InnerlightError, InputError

RERANKED = 100  # pictures whose patches are looked at
PEAK = 0.1  # share of a picture's patches, the highest, whose mean ranks it again


@dataclass(frozen=True)
class IndexConfig:
    """What is kept of each picture."""

    timestep: int = 1  # the label of a pass over the clean latent, of 1000
    site: int = 1  # which self-attention of the finest level
    side: int = 16  # patches along the shorter side that are kept, at most


@dataclass(frozen=True)
class Indexed:
    """What an index took in."""

    added: int
    total: int
    failed: dict[str, str]  # pictures that could not be read, and why


def index(
    backbone: Backbone,
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    config: IndexConfig = IndexConfig(),
    *,
    recursive: bool = True,
    size: Size | None = None,
    run: Run | None = None,
) -> Indexed:
    """Extract what is searched from every picture of a folder that the store does not have yet. May be stopped at any
    moment and goes on where it was. A picture that cannot be read is named and left out.
    """
    place = Path(folder)
    paths = {path.relative_to(place).as_posix(): path for path in list_pictures(place, recursive=recursive)}
    settings = {"model": backbone.hash, "folder": str(place.resolve()), "size": list(size) if size else None}
    added, failed = 0, {}
    with Store.open(store, {**settings, **asdict(config)}) as kept:
        waiting = kept.pending(paths)
        with (run or Run()).bar("index", len(waiting)) as advance:
            for key in waiting:
                try:
                    picture = read_picture(paths[key])
                except InnerlightError as error:
                    failed[key] = str(error)
                else:
                    seen = appearance(backbone, picture, config.timestep, ordinal=config.site, size=size)
                    kept.add(key, entry_of(seen, config.side))
                    added += 1
                advance()
    return Indexed(added, len(paths) - len(waiting) + added, failed)


def entry_of(seen: Appearance, side: int) -> Entry:
    """A picture's mean look and meaning, and both of its patches, at most `side` along the shorter side."""
    kinds = {"look": seen.look, "meaning": seen.meaning}
    shrink = max(1, min(seen.grid) // side)
    grid = (seen.grid[0] // shrink, seen.grid[1] // shrink)
    patches = {
        kind: F.adaptive_avg_pool2d(values.T.unflatten(1, seen.grid), grid).flatten(1).T
        for kind, values in kinds.items()
    }
    return Entry({kind: values.mean(0) for kind, values in kinds.items()}, patches, grid, seen.image_size)


def find(
    backbone: Backbone,
    reference: Source,
    store: str | os.PathLike[str],
    *,
    mask: NDArray[np.bool_] | None = None,
    word: str | None = None,
    count: int = 24,
    threshold: float = 0.7,
    approximate: bool = False,
    run: Run | None = None,
) -> tuple[Ranking, list[str]]:
    """The pictures of an index that show what the `mask` of the reference shows, or its `word`, with their names.

    All pictures are compared by one vector, which gives PDM's own score; the best hundred are ranked again by where
    their patches show it best. `approximate` looks not at every picture, which needs the extra `search`.
    """
    opened = Index.open(store)
    if opened.settings.get("model") != backbone.hash:
        raise InputError(
            f"the index at {store} was made with model {opened.settings.get('model')!r}, not {backbone.hash!r}; "
            "open that model, or index again"
        )
    own = read_picture(reference)
    query, inside = query_of(backbone, own, opened.settings, mask, word)
    search = search_approximately if approximate else Index.search
    numbers, _ = search(opened, query, RERANKED)
    images, names, maps, scores = [], [], [], []
    with (run or Run()).bar("find", len(numbers)) as advance:
        for number in numbers.tolist():
            entry = opened.entry(number)
            values = torch.stack([entry.patches[kind] @ vector for kind, vector in query.items()]).mean(0)
            scores.append(peak(values))
            names.append(opened.keys[number])
            maps.append(WordMap(word or "", values.view(entry.grid).cpu().numpy(), entry.image_size))
            advance()
    best = np.argsort(-np.array(scores), kind="stable")[:count]
    images = [read_picture(Path(str(opened.settings["folder"])) / names[k]) for k in best]
    recipe = {"model": backbone.name, "model_hash": backbone.hash, "method": "find", "word": word, "index": str(store)}
    ranking = Ranking(
        own, inside, images, np.array([scores[k] for k in best]), [maps[k] for k in best], threshold, recipe
    )
    return ranking, [names[k] for k in best]


def query_of(
    backbone: Backbone, picture: Any, settings: Any, mask: NDArray[np.bool_] | None, word: str | None
) -> tuple[dict[str, Tensor], NDArray[np.bool_]]:
    """What is searched for, by kind, and the reference's mask at its size."""
    t, ordinal = int(settings["timestep"]), int(settings["site"])
    shown = appearance(backbone, picture, t, ordinal=ordinal)  # as the index was made: under no prompt
    if not word:
        inside, given = shown_in(shown, picture, mask, None, 0)
        return {"look": shown.look[inside].mean(0)}, given
    told, tokens = appearance(backbone, picture, t, prompt=word, ordinal=ordinal), positions_of(backbone, word, word)
    inside, given = shown_in(told, picture, mask, tokens, PdmConfig().words)
    meaning = F.normalize(told.prompt[tokens], dim=1).mean(0)
    return {"look": shown.look[inside].mean(0), "meaning": meaning}, given


def peak(values: Tensor) -> float:
    """The mean of the highest of a picture's values."""
    return float(values.flatten().topk(max(1, round(PEAK * values.numel()))).values.mean())
