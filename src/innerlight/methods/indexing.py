"""A folder of pictures as an index, and a thing found in it: PDM (arXiv:2405.18025), with what it needs of each picture
extracted once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.files import Source, WriteError, list_pictures, read_picture
from innerlight.maps import WordMap
from innerlight.matching import Entry, Index, Ranking, Stamp, Store, search_approximately
from innerlight.methods.retrieval.pdm import PdmConfig
from innerlight.sampling import Appearance, Run, appearance
from innerlight.sampling.appearance import positions_of, shown_in, sites_of
from innerlight.types import CancelledError, InnerlightError, InputError

RERANKED = 100  # pictures whose patches are looked at
LONGEST = 8  # times its shorter side; a longer picture is left out: the cost grows with the square
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
    failed: dict[str, str]  # pictures that could not be taken in, and why
    gone: list[str] = field(default_factory=list)  # pictures that are in the folder no more, nor in the index


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
    """Extract what is searched from every picture of a folder that the store does not have yet, or had otherwise. May
    be stopped at any moment and goes on where it was. A picture that cannot be taken in is named and left out, one that
    is gone is dropped.
    """
    _refuse_impossible(backbone, config, size)
    place = Path(folder)
    paths = {path.relative_to(place).as_posix(): path for path in list_pictures(place, recursive=recursive)}
    settings = {"model": backbone.hash, "folder": str(place.resolve()), "size": list(size) if size else None}
    added, failed = 0, {}
    with Store.open(store, {**settings, **asdict(config)}) as kept:
        gone = _forget_changed(kept, place)
        waiting = kept.pending(paths)
        with (run or Run()).bar("index", len(waiting)) as advance:
            for key in waiting:
                try:
                    stamp = stamp_of(paths[key])  # before it is read: a change meanwhile is seen the next time
                    kept.add(key, _extracted(backbone, paths[key], config, size), stamp)
                    added += 1
                except (CancelledError, WriteError):
                    raise
                except (InnerlightError, RuntimeError, MemoryError) as error:
                    failed[key] = str(error)
                advance()
        return Indexed(added, len(kept), failed, gone)


def stamp_of(path: Path) -> Stamp | None:
    """Tells whether a file was changed; none if it is not there."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_size, told.st_mtime_ns


def _refuse_impossible(backbone: Backbone, config: IndexConfig, size: Size | None) -> None:
    """Raise for settings under which no picture could be taken in."""
    backbone.latent_size(size)
    sites_of(backbone, config.site)
    if not 0 <= config.timestep < len(backbone.levels):
        raise InputError(f"timestep: expected 0 to {len(backbone.levels) - 1}, got {config.timestep}")
    if config.side < 1:
        raise InputError(f"side: expected 1 or more patches, got {config.side}")


def _forget_changed(kept: Store, place: Path) -> list[str]:
    """Take pictures out of the store that are not as they were; the names of those that are gone."""
    gone = []
    for key, stamp in kept.stamps.items():
        now = stamp_of(place / key)
        if now is None or now != stamp:
            kept.forget(key)
        if now is None:
            gone.append(key)
    return gone


def _extracted(backbone: Backbone, path: Path, config: IndexConfig, size: Size | None) -> Entry:
    picture = read_picture(path)
    if size is None and max(picture.size) > LONGEST * min(picture.size):
        raise InputError(
            f"{path} is {picture.height} x {picture.width} (height x width), longer than {LONGEST} times its shorter "
            "side; cut it, or index at one size"
        )
    seen = appearance(backbone, picture, config.timestep, ordinal=config.site, size=size)
    return entry_of(seen, config.side)


def entry_of(seen: Appearance, side: int) -> Entry:
    """A picture's mean look and meaning, and both of its patches, at most `side` along the shorter side."""
    kinds = {"look": seen.look, "meaning": seen.meaning}
    shrink = -(-min(seen.grid) // side)  # rounded up
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
    threshold: float | None = None,
    approximate: bool = False,
    run: Run | None = None,
) -> tuple[Ranking, list[str]]:
    """The pictures of an index that show what the `mask` of the reference shows, or its `word`, with their names.

    All pictures are compared by one vector, which without a word gives PDM's own score (with one, PDM sees each picture
    under it; an index sees them under no prompt); the best hundred are ranked again by where their patches show it
    best. `approximate` looks not at every picture, which needs the extra `search`. `threshold`: of the masks; None: the
    model's own. Pictures that are not as they were taken in are left out, which the recipe says by name.
    """
    opened = Index.open(store)
    if opened.settings.get("model") != backbone.hash:
        raise InputError(
            f"the index at {store} was made with model {opened.settings.get('model')!r}, not {backbone.hash!r}; "
            "open that model, or index again"
        )
    own, folder = read_picture(reference), Path(str(opened.settings["folder"]))
    asked, inside = query_of(backbone, own, opened.settings, mask, word)
    query = opened.check(asked)  # from the model's device to the index's
    left_out = dict.fromkeys(opened.lost, f"its file in {store} cannot be read; index again")
    names, maps, scores = [], [], []
    with (run or Run()).bar("find", min(RERANKED, len(opened.keys))) as advance:
        for number in _in_order(opened, query, search_approximately if approximate else Index.search):
            name = opened.keys[number]
            try:
                _refuse_changed(folder / name, opened.stamp(number))
                entry = opened.entry(number)
            except InputError as error:
                left_out[name] = str(error)
                continue
            values = torch.stack([entry.patches[kind] @ vector for kind, vector in query.items()]).mean(0)
            scores.append(peak(values))
            names.append(name)
            maps.append(WordMap(word or "", values.view(entry.grid).cpu().numpy(), entry.image_size))
            advance()
            if len(names) == RERANKED:
                break
    best, images = [], []
    for k in np.argsort(-np.array(scores), kind="stable"):
        if len(best) == count:
            break
        try:
            images.append(read_picture(folder / names[k]))
            best.append(k)
        except InnerlightError as error:
            left_out[names[k]] = str(error)
    if not best:
        raise InputError(f"none of the {len(opened.keys)} pictures of the index at {store} is as it was; index again")
    if threshold is None:
        threshold = float(backbone.calibration.get("pdm_threshold", 0.7))
    recipe = {
        "model": backbone.name, "model_hash": backbone.hash, "method": "find", "word": word, "index": str(store),
        "left_out": left_out,
    }  # fmt: skip
    ranking = Ranking(
        own, inside, images, np.array([scores[k] for k in best]), [maps[k] for k in best], threshold, recipe
    )
    return ranking, [names[k] for k in best]


Search = Callable[[Index, Mapping[str, Tensor], int], tuple[Tensor, Tensor]]


def _in_order(opened: Index, query: Mapping[str, Tensor], search: Search) -> Iterator[int]:
    """Numbers of all pictures, the best first; they are searched for when they are asked for."""
    given: set[int] = set()
    wanted = RERANKED
    while True:
        for number in search(opened, query, wanted)[0].tolist():
            if number not in given:
                given.add(number)
                yield number
        if wanted >= len(opened.keys):
            return
        wanted *= 2


def _refuse_changed(path: Path, stamp: Stamp | None) -> None:
    """Raise if a picture is not as it was when it was taken in."""
    now = stamp_of(path)
    if now is None:
        raise InputError("it is not there any more; index again")
    if stamp is not None and now != stamp:
        raise InputError("it was changed since it was taken in; index again")


def query_of(
    backbone: Backbone, picture: Any, settings: Any, mask: NDArray[np.bool_] | None, word: str | None
) -> tuple[dict[str, Tensor], NDArray[np.bool_]]:
    """What is searched for, by kind, and the reference's mask at its size."""
    t, ordinal, size = int(settings["timestep"]), int(settings["site"]), settings["size"]
    shown = appearance(backbone, picture, t, ordinal=ordinal, size=size)  # as the index was made: under no prompt
    if not word:
        inside, given = shown_in(shown, picture, mask, None, 0)
        return {"look": shown.look[inside].mean(0)}, given
    told = appearance(backbone, picture, t, prompt=word, ordinal=ordinal, size=size)
    tokens = positions_of(backbone, word, word)
    inside, given = shown_in(told, picture, mask, tokens, PdmConfig().words)
    meaning = F.normalize(told.prompt[tokens], dim=1).mean(0)
    return {"look": shown.look[inside].mean(0), "meaning": meaning}, given


def peak(values: Tensor) -> float:
    """The mean of the highest of a picture's values."""
    return float(values.flatten().topk(max(1, round(PEAK * values.numel()))).values.mean())
