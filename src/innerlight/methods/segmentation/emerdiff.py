"""EmerDiff (Namekata et al. 2024, arXiv:2401.11739): pixels belong to the cell whose features move them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.embedded.recognition import Drawing, drawing
from innerlight.embedded.rivals import colour_segments
from innerlight.files import Source, read_pictures
from innerlight.maps import Segments, gaussian_blur, k_means, segments_of
from innerlight.methods._registry import Claim, method
from innerlight.sampling import Guidance, Inversion, Row, Run, Step, invert, probe, run_steps
from innerlight.taps import Heads, Read, Site, View, Write, tapped
from innerlight.types import InputError, LabelMap
from innerlight.world import render, sample, truth

REFERENCE = "reference"
STRENGTH = 10.0  # the authors', of Stable Diffusion


@dataclass(frozen=True)
class EmerdiffConfig:
    """The authors' values."""

    steps: int = 50
    inversion: str = "edit_friendly"  # or ddim
    timestep: int = 281  # at which features are moved, of 1000; 281 to 481 do as well
    feature_timestep: int = 1  # the label of a pass over the clean latent, at which cells are compared
    clusters: int = 30  # of cells
    strength: float | None = None  # by how much features are moved, up and down; None: the model's own, else 10
    smoothing: float = 0.5  # of what has moved, in cells; not stated by the authors
    fast: bool = False  # decode the estimate after one step, not the end of the run: an approximation
    together: int = 20  # moved runs in one pass


MEASURED = EmerdiffConfig(together=10)  # two cores are quickest with so many runs in a pass


@cache
def _arms(backbone: Backbone, seed: int) -> dict[str, Drawing] | None:
    """A drawn scene in as many segments by the method, by its own coarse masks made larger, and by colours."""
    drawn = render(sample(seed), backbone.size[0])
    if len(np.unique(truth.instances(drawn))) < 2:
        return None
    picture = Image.fromarray(drawn.picture)
    masks = coarse_masks(backbone, picture, MEASURED, seed=seed)
    arms = {
        "method": emerdiff(backbone, picture, MEASURED, seed=seed).labels[0].labels,
        "its coarse masks": segments_of(masks.float(), drawn.picture.shape[:2])[0],
        "k-means on colours and places": colour_segments(drawn.picture, len(masks), COLOUR_WEIGHT),
    }
    return {arm: drawing(drawn, labels, BAND * backbone.shrink) for arm, labels in arms.items()}


def _score(measure: str) -> Callable[[Backbone, int], dict[str, float] | None]:
    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        arms = _arms(backbone, seed)
        return {arm: float(getattr(own, measure)) for arm, own in arms.items()} if arms else None

    return score


BAND = 4  # cells of the latent on either side of a true edge
COLOUR_WEIGHT = 2.0  # of colours against places, in the rival
CLAIMS = tuple(
    Claim(
        f"emerdiff.{measure}",
        f"segments, each called by what most of it is, draw setting and things ({says})",
        ("its coarse masks", "k-means on colours and places"),
        _score(measure),
    )
    for measure, says in (
        ("miou", "mean IoU"),
        ("boundary_iou", "boundary IoU of things"),
        ("band_miou", "mean IoU near true edges"),
    )
)


@method(family="segmentation", paper="arXiv:2401.11739", claims=CLAIMS)
def emerdiff(
    backbone: Backbone,
    images: Source | Iterable[Source],
    config: EmerdiffConfig = EmerdiffConfig(),
    *,
    size: Size | None = None,
    seed: int = 0,
    run: Run | None = None,
) -> Segments:
    """Pictures in segments as fine as their pixels: k-means of coarse cells says what there is, and what follows the
    features of each cluster says where it is.
    """
    _check(config)
    pictures = read_pictures(images)
    told = run or Run()
    quiet = Run(progress=False, cancel=told.cancel)
    labels, scores = [], []
    with told.bar("emerdiff", len(pictures)) as advance:
        for number, picture in enumerate(pictures):
            masks = coarse_masks(backbone, picture, config, size=size, seed=seed + number)
            moved = differences(backbone, picture, masks, config, size=size, seed=seed + number, run=quiet)
            found, sure = segments_of(moved, (picture.height, picture.width))
            labels.append(LabelMap(found, {}))
            scores.append(sure)
            advance()
    recipe = {
        "model": backbone.name, "model_hash": backbone.hash, "seed": seed,
        "size": list(map(int, size)) if size else None, "method": "emerdiff",
        "config": asdict(config) | {"strength": strength_of(backbone, config)},
    }  # fmt: skip
    return Segments(pictures, labels, scores, recipe)


def coarse_masks(
    backbone: Backbone, image: Image.Image, config: EmerdiffConfig, *, size: Size | None = None, seed: int = 0
) -> Tensor:
    """(k, rows, columns) of the semantic grid, bool: the clusters of cells, which share the grid out."""
    first = _text_sites(backbone)[0]
    latents = backbone.encode(image, size)
    read = Read(first.name, "heads", rows="cond")
    with torch.no_grad():
        seen = probe(backbone, latents, config.feature_timestep, read, noise=None)
    (heads,) = seen[read].values()
    queries = heads.q[0].transpose(0, 1).flatten(1)  # (cells, heads d)
    found, _ = k_means(queries.float(), config.clusters, seed)
    return F.one_hot(found, config.clusters).bool().T.unflatten(1, first.grid(seen.latent))


def differences(
    backbone: Backbone,
    image: Image.Image,
    masks: Tensor,
    config: EmerdiffConfig,
    *,
    size: Size | None = None,
    seed: int = 0,
    run: Run | None = None,
) -> Tensor:
    """(k, height, width): how much each pixel moves with the features of each of the masks (k, rows, columns)."""
    first, told = start_of(backbone, config), run or Run()
    inverted = _inverted(backbone, image, config, first, size, seed, told)
    strength, found = strength_of(backbone, config), []
    for some in masks.split(max(1, config.together // 2)):
        less, more = _moved(backbone, inverted, some, strength, config, first, told)
        found.append((less - more).norm(dim=1))
    cell = (size or backbone.fitting((image.height, image.width)))[0] / masks.shape[1]
    return gaussian_blur(torch.cat(found), config.smoothing * cell)


def strength_of(backbone: Backbone, config: EmerdiffConfig) -> float:
    """By how much features are moved: as set, or as the model's calibration says, or the authors'."""
    if config.strength is not None:
        return config.strength
    return float(backbone.calibration.get("emerdiff_strength", STRENGTH))


def start_of(backbone: Backbone, config: EmerdiffConfig) -> int:
    """The step at which features are moved: the one whose timestep is nearest."""
    if not 0 <= config.timestep < len(backbone.levels):
        raise InputError(f"timestep: expected 0 to {len(backbone.levels) - 1}, got {config.timestep}")
    times = backbone.levels.timesteps(config.steps)
    return min(range(len(times)), key=lambda index: abs(times[index] - config.timestep))


def _inverted(
    backbone: Backbone,
    image: Image.Image,
    config: EmerdiffConfig,
    first: int,
    size: Size | None,
    seed: int,
    run: Run,
) -> Inversion:
    """No further back than needed."""
    own: dict[str, Any] = {"reach": (config.steps - first) / config.steps}
    if config.inversion == "edit_friendly":
        own = {"skip": first / config.steps, "seed": seed}
    return invert(
        backbone, image, "", method=config.inversion, steps=config.steps, guidance=1.0, size=size, run=run, **own
    )


def _moved(
    backbone: Backbone,
    inverted: Inversion,
    masks: Tensor,
    strength: float,
    config: EmerdiffConfig,
    first: int,
    run: Run,
) -> Tensor:
    """(2, k, 3, height, width): pictures, each with the features of one mask moved, one way and the other. All look
    where the reference does: its queries and keys serve every row, so that attention is computed once.
    """
    names = [f"moved{number}" for number in range(2 * len(masks))]
    site = _text_sites(backbone)[1]
    cells = strength * masks.flatten(1)[..., None].to(backbone.device, backbone.dtype)  # (k, cells, 1)
    offsets = torch.cat([-cells, cells])

    def same_looks(view: View) -> Heads:
        reference, own = view[f"{REFERENCE}.cond"], view.own
        return Heads(reference.q, reference.k, own.v, reference.bias, own.scale)

    writes = (
        Write(["*.self", "*.text"], "heads", same_looks, rows="moved*.cond", name="all look where the reference does"),
        Write(
            site.name, "output", lambda view: view.own + offsets, rows="moved*.cond",
            when=lambda moment: moment.step == first, name="a cluster's features are moved",
        ),
    )  # fmt: skip
    rows, columns = (side * backbone.shrink for side in inverted.size)
    context = backbone.embed("", (rows, columns))
    streams = [REFERENCE, *names]
    estimates: list[Tensor] = []

    def watch(step: Step) -> None:
        estimates[:] = [step.clean(name) for name in names]

    with tapped(backbone.sites, *writes):
        latents = run_steps(
            backbone,
            inverted.stepper(backbone.levels),
            {stream: inverted.at(first).to(backbone.device) for stream in streams},
            [Row("cond", context, stream) for stream in streams],
            Guidance(1.0),
            dict.fromkeys(streams, ()),
            run=Run(progress=False, cancel=run.cancel, on_step=watch),
            first=first,
            last=first + 1 if config.fast else None,
        )
    ends = torch.cat(estimates if config.fast else [latents[name] for name in names])
    with torch.no_grad():
        return torch.cat([backbone.decode_values(one) for one in ends.split(1)]).unflatten(0, (2, len(masks)))


def _text_sites(backbone: Backbone) -> tuple[Site, Site]:
    """The first of the semantic level, whose queries are compared, and the third (or last), whose output is moved."""
    found = backbone.sites.role("semantic", "text")
    if len(found) < 2:
        raise InputError(f"{backbone.name} has {len(found)} text attentions at the semantic level; 2 are needed")
    return found[0], found[min(2, len(found) - 1)]


def _check(config: EmerdiffConfig) -> None:
    if config.inversion not in ("edit_friendly", "ddim"):
        raise InputError(f"inversion: expected edit_friendly or ddim, got {config.inversion!r}")
    if config.together < 2 or config.smoothing < 0:
        raise InputError(
            f"expected together of at least 2 and smoothing from 0 on, got {config.together}, {config.smoothing}"
        )
