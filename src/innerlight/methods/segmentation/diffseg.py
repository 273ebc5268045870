"""DiffSeg (Tian et al. 2023, arXiv:2308.12469): a picture in segments, by merging rows of its self-attention."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.embedded.recognition import best_segments
from innerlight.embedded.rivals import colour_segments
from innerlight.files import Source, read_pictures
from innerlight.maps import Segments, anchor_cells, combine_levels, k_means, merge, resize, segments_of
from innerlight.methods._registry import Claim, method
from innerlight.metrics import adjusted_rand
from innerlight.prompts import tokens_of_word
from innerlight.sampling import Run, probe
from innerlight.taps import HeadMean, Read
from innerlight.types import InputError, LabelMap, Span
from innerlight.world import render, sample, truth
from innerlight.world.draw import Render

THRESHOLD = 1.1  # the authors', on COCO-Stuff; 0.9 on Cityscapes
A, AND = "a ", " and "  # around names, where they are told to the network


@dataclass(frozen=True)
class DiffsegConfig:
    """The authors' values."""

    timestep: int = 300  # the label of a pass over the clean latent, of 1000
    threshold: float | None = None  # how far apart rows may be to be merged; None: the model's own, else 1.1
    passes: int = 3  # of merging
    anchors: int | None = None  # along a side; None: a quarter of the latent's cells
    weights: Literal["released", "paper"] = "released"  # of levels: by side; the paper's also by their layers
    kmeans: bool = False  # the proposals as the start of k-means; off in the benchmark, on in the demonstration


@cache
def _arms(backbone: Backbone, seed: int) -> tuple[Render, dict[str, NDArray[np.integer]]] | None:
    """A drawn scene in segments; the rivals are told how many there are."""
    drawn = render(sample(seed), backbone.size[0])
    count = len(np.unique(truth.instances(drawn)))
    if count < 2:
        return None
    latents = backbone.encode(drawn.picture)
    labels, _ = k_means(attention(backbone, latents, DiffsegConfig()), count)
    grid = (latents.shape[-2], latents.shape[-1])
    return drawn, {
        "method": diffseg(backbone, drawn.picture).labels[0].labels,
        "k-means on the same rows": segments_of(F.one_hot(labels).T.float().unflatten(1, grid), backbone.size)[0],
        "k-means on colours and places": colour_segments(drawn.picture, count, COLOUR_WEIGHT),
    }


def _score(
    measure: Callable[[Render, NDArray[np.integer]], float],
) -> Callable[[Backbone, int], dict[str, float] | None]:
    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        arms = _arms(backbone, seed)
        return {arm: measure(arms[0], labels) for arm, labels in arms[1].items()} if arms else None

    return score


COLOUR_WEIGHT = 2.0  # of colours against places, in the rival; the best of those tried on the world
RIVALS = ("k-means on the same rows", "k-means on colours and places")
CLAIMS = (
    Claim(
        "diffseg.miou",
        "setting and things come apart (mean IoU, each with a segment of its own, matched within the picture)",
        RIVALS, _score(best_segments),
    ),
    Claim(
        "diffseg.ari", "setting and things come apart (adjusted Rand index)", RIVALS,
        _score(lambda drawn, labels: adjusted_rand(truth.instances(drawn), labels)),
    ),
)  # fmt: skip


@method(family="segmentation", paper="arXiv:2308.12469", claims=CLAIMS)
def diffseg(
    backbone: Backbone,
    images: Source | Iterable[Source],
    config: DiffsegConfig = DiffsegConfig(),
    *,
    names: str | Sequence[str] | None = None,
    size: Size | None = None,
    seed: int = 0,
    run: Run | None = None,
) -> Segments:
    """Pictures in as many segments as their attention has. With `names` each is given the one that it attends to most.

    Nothing is drawn at random but the start of k-means, which is at the proposals: `seed` changes nothing.
    """
    pictures = read_pictures(images)
    names = [names] if isinstance(names, str) else names
    threshold = config.threshold
    if threshold is None:
        threshold = float(backbone.calibration.get("diffseg_threshold", THRESHOLD))
    labels, scores = [], []
    with (run or Run()).bar("diffseg", len(pictures)) as advance:
        for picture in pictures:
            latents = backbone.encode(picture, size)
            latent = (latents.shape[-2], latents.shape[-1])
            rows = attention(backbone, latents, config)
            along = [max(1, side // 4) if config.anchors is None else config.anchors for side in latent]
            proposals = merge(rows, anchor_cells(latent, (along[0], along[1])), threshold, config.passes)
            proposals = k_means(rows, proposals)[1] if config.kmeans else proposals
            found, sure = segments_of(proposals.unflatten(1, latent), (picture.height, picture.width))
            told = _named(backbone, latents, found, names, config.timestep) if names else {}
            labels.append(LabelMap(found, told))
            scores.append(sure)
            advance()
    recipe = {
        "model": backbone.name, "model_hash": backbone.hash, "seed": seed,
        "size": list(map(int, size)) if size else None, "method": "diffseg", "names": list(names) if names else None,
        "config": asdict(config) | {"threshold": threshold},
    }  # fmt: skip
    return Segments(pictures, labels, scores, recipe)


def attention(backbone: Backbone, latents: Tensor, config: DiffsegConfig) -> Tensor:
    """(cells, cells) at the latent's grid: where each cell looks, over all levels; rows sum to 1."""
    read = Read("*.self", "probabilities", rows="cond", reduce=HeadMean(), keep="sum", pool="grid")
    with torch.no_grad():
        seen = probe(backbone, latents, config.timestep, read, noise=None)
    levels = {grid: values[0] for grid, values in seen[read].items()}
    weights = None
    if config.weights == "paper":  # in proportion to the side, layer by layer
        sides = [site.grid(seen.latent) for site in backbone.sites.select("*.self")]
        weights = {grid: sides.count(grid) * (grid[0] * grid[1]) ** 0.5 for grid in levels}
    elif config.weights != "released":
        raise InputError(f"weights: expected released or paper, got {config.weights!r}")
    return combine_levels(levels, seen.latent, weights)


def _named(
    backbone: Backbone, latents: Tensor, labels: NDArray[np.integer], names: Sequence[str], t: int
) -> dict[int, str]:
    """For each segment the name with the most text attention inside: levels weigh the same, each map has length 1."""
    read = Read("*.text", "probabilities", rows="cond", reduce=HeadMean(), keep="sum", pool="grid")
    regions = torch.from_numpy(labels.astype(np.int64))
    votes = torch.zeros(len(names), int(regions.max()) + 1)
    for group in _prompts(backbone, names):
        with torch.no_grad():
            seen = probe(backbone, latents, t, read, prompts=_told(names, group), noise=None)
        tokens = seen.context.tokens[0][0]
        for grid, values in seen[read].items():
            for number, stretch in zip(group, _stretches(names, group), strict=True):
                word = values[0][:, list(tokens_of_word(tokens, stretch))].mean(1).view(grid)
                fine = resize(word, (regions.shape[0], regions.shape[1])).cpu()
                fine = fine / fine.norm()
                votes[number] += torch.bincount(regions.flatten().long(), fine.flatten(), len(votes[0]))
    return {label: names[int(best)] for label, best in enumerate(votes.argmax(0))}


def _prompts(backbone: Backbone, names: Sequence[str]) -> list[list[int]]:
    """Numbers of names, as many in a prompt as it has room for."""
    groups: list[list[int]] = [[]]
    for number in range(len(names)):
        longer = _told(names, [*groups[-1], number])
        if groups[-1] and backbone.embed(longer).tokens[0][0].fits < len(longer):
            groups.append([])
        groups[-1].append(number)
    return groups


def _told(names: Sequence[str], group: Sequence[int]) -> str:
    return AND.join(A + names[number] for number in group)


def _stretches(names: Sequence[str], group: Sequence[int]) -> list[Span]:
    """Where each name stands in that: "bear" is also in "polar bear"."""
    found, start = [], len(A)
    for number in group:
        found.append(Span(start, start + len(names[number]), None, "noun"))
        start += len(names[number]) + len(AND) + len(A)
    return found
