"""What recognition costs beside the algorithms as they were released, on the same weights and in one run.

`python -m innerlight.bench.recognition_costs ARM` prints JSON: the peak in bytes of DiffSeg behind the network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from innerlight.backbones import Backbone, Context, load
from innerlight.bench import released
from innerlight.bench.costs import forget_peak, peak
from innerlight.bench.editing_costs import undecoded, watched
from innerlight.embedded.recognition import drawing
from innerlight.maps import anchor_cells, combine_levels, merge, segments_of
from innerlight.matching import Entry, Index, Store, search_approximately
from innerlight.methods import get
from innerlight.methods.correspondence import embedding_correspondence as points
from innerlight.methods.indexing import peak as highest
from innerlight.methods.segmentation.emerdiff import BAND, EmerdiffConfig, coarse_masks, differences
from innerlight.sampling import appearance, invert, probe, reconstruct
from innerlight.sampling.appearance import sites_of
from innerlight.taps import Everything, HeadMean, Read, tapped
from innerlight.taps.sites import Grid
from innerlight.types import InputError
from innerlight.world import render, sample

SIDE = 64  # cells of the latent at which DiffSeg is measured: 4096 rows
THRESHOLD = 0.5
PASSES = 950  # of EmerDiff as described: 50 to invert, 15 steps of 60 moved runs
CLUSTERS = 30
STEPS, RESTARTS, CROPS = 129, 5, 20  # of a point's prompts as released
TOGETHER = 4  # points that share passes
PICTURES, WIDE, PATCHES, RERANKED = 100_000, 320, 256, 100
ARMS = ("ours", "released", "nothing")


# DiffSeg behind the network


def levels_of(backbone: Backbone, reducer: Any) -> dict[Grid, Tensor]:
    """Self-attention of a drawn scene at 64 x 64 latents, by grid: what a reducer keeps, summed over layers."""
    size = SIDE * backbone.shrink
    latents = backbone.encode(render(sample(60_000), size).picture, (size, size))
    read = Read("*.self", "probabilities", rows="cond", reduce=reducer, keep="sum", pool="grid")
    with torch.no_grad():
        return {grid: values[0] for grid, values in probe(backbone, latents, 300, read, noise=None)[read].items()}


def ours(levels: Mapping[Grid, Tensor]) -> Tensor:
    """Segments (h, w) at the size of the picture of maps summed over heads inside the pass."""
    rows = combine_levels(levels, (SIDE, SIDE))
    proposals = merge(rows, anchor_cells((SIDE, SIDE), (SIDE // 4, SIDE // 4)), THRESHOLD)
    return torch.from_numpy(segments_of(proposals.unflatten(1, (SIDE, SIDE)), (4 * SIDE, 4 * SIDE))[0].astype("int64"))


def diffseg_seconds(backbone: Backbone, rounds: int) -> dict[str, float]:
    """The fastest of some rounds of each."""
    means, heads = levels_of(backbone, HeadMean()), levels_of(backbone, Everything())
    arms: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: ours(means),
        "released": lambda: released.diffseg(heads, (SIDE, SIDE), (4 * SIDE, 4 * SIDE), THRESHOLD),
        "released, in float32": lambda: released.diffseg(
            heads, (SIDE, SIDE), (4 * SIDE, 4 * SIDE), THRESHOLD, compared=torch.float32
        ),
    }
    return {arm: min(_seconds(work) for _ in range(rounds)) for arm, work in arms.items()}


def diffseg_peak(arm: str) -> int:
    """Of memory, in bytes, above the same process that has run the network and kept no map."""
    return _peak(arm) - _peak("nothing")


def _peak(arm: str) -> int:
    command = [sys.executable, "-m", "innerlight.bench.recognition_costs", arm]
    return int(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["peak"])


# EmerDiff


def emerdiff_ratios(backbone: Backbone, rounds: int) -> dict[str, float]:
    """Time of its passes, exact and fast, over that of 950 plain rows, in passes of as many rows as it has in most; and
    exact over 950 passes of one row. Encoding and decoding are left out.
    """
    picture = Image.fromarray(render(sample(60_000), backbone.size[0]).picture)
    latents = backbone.encode(picture)
    context = backbone.embed("")
    found: dict[str, list[float]] = {"exact": [], "fast": []}
    rows, plain, alone = 1, [], []
    for _ in range(rounds):
        for arm in found:
            config = EmerdiffConfig(clusters=CLUSTERS, strength=1.0, fast=arm == "fast")
            masks = coarse_masks(backbone, picture, config)
            with watched(backbone) as passes, undecoded(backbone):
                differences(backbone, picture, masks, config)
            found[arm].append(passes.seconds)
            rows = max(passes.rows)
        many, told = latents.expand(rows, -1, -1, -1), Context.join([context] * rows)
        with torch.no_grad():
            alone += [_seconds(lambda: backbone.denoise(latents, 281, context)) for _ in range(20)]
            plain += [_seconds(lambda many=many, told=told: backbone.denoise(many, 281, told)) / rows for _ in range(3)]
    ratios = {arm: min(seconds) / (PASSES * min(plain)) for arm, seconds in found.items()}
    return ratios | {"exact, over passes of one row": min(found["exact"]) / (PASSES * min(alone))}


def fast_miou(backbone: Backbone, scenes: Sequence[int]) -> dict[str, float]:
    """Mean IoU of segments, each called by what most of it is, exact and fast."""
    found: dict[str, list[float]] = {"exact": [], "fast": []}
    for seed in scenes:
        drawn = render(sample(seed), backbone.size[0])
        for arm, own in found.items():
            made = get("emerdiff").function(backbone, drawn.picture, EmerdiffConfig(fast=arm == "fast"), seed=seed)
            own.append(drawing(drawn, made.labels[0].labels, BAND * backbone.shrink).miou)
    return {arm: sum(own) / len(own) for arm, own in found.items()}


# Prompts for points


def point_arithmetic(backbone: Backbone) -> dict[str, float]:
    """Multiplications and additions that one point takes: as released, each prompt by itself through the whole network
    and an encoding for every crop; and ours, a batch of points.
    """
    pixels = torch.zeros(3, *backbone.size)[None]
    encoding = _operations(lambda: backbone.encode_values(pixels))
    config = points.EmbeddingCorrespondenceConfig()
    parts = {
        (kind, gradient): _operations(
            lambda kind=kind, gradient=gradient: _prompt_pass(backbone, kind, config, gradient)
        )
        for kind in ("whole", "early")
        for gradient in (True, False)
    }
    told = {
        arm: RESTARTS * (STEPS * parts[kind, True] + CROPS * parts[kind, False])
        for arm, kind in (("released", "whole"), ("ours", "early"))
    }
    shared = {"released": RESTARTS * (STEPS + CROPS), "ours": (STEPS + CROPS) / TOGETHER}
    return {arm: told[arm] + shared[arm] * encoding for arm in told}


def _prompt_pass(backbone: Backbone, kind: str, config: Any, gradient: bool) -> None:
    """One prompt through the network, and back to itself."""
    sites = points.point_sites(backbone)
    read = Read(sites, "probabilities", gradient=gradient)
    latents = torch.zeros(1, backbone.unet.config.in_channels, *backbone.latent_size())
    context = backbone.embed("")
    states = context.states.clone().requires_grad_(gradient)
    with torch.set_grad_enabled(gradient), tapped(backbone.sites, read, stop=kind == "early") as seen:
        backbone.denoise(latents, config.timestep, context.with_states(states))
    if gradient:
        torch.stack([values[..., 1].square().mean() for values in seen[read].values()]).sum().backward()


def point_seconds(backbone: Backbone) -> dict[str, float]:
    """Wall time a point, from a tenth of the steps: prompt by prompt through the whole network, and as we do."""
    picture = render(sample(60_000), backbone.size[0]).picture
    shares = torch.rand(TOGETHER, 2, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    few = points.EmbeddingCorrespondenceConfig(steps=STEPS // 10, crops=CROPS // 10)

    def as_we_do() -> None:
        generator = torch.Generator().manual_seed(0)
        states = points.prompts_for_points(backbone, picture, shares, few, generator)
        points.locate(backbone, picture, states, few, generator)

    def as_released() -> None:
        config = points.EmbeddingCorrespondenceConfig(steps=few.steps, crops=few.crops, restarts=1)
        with _to_the_end():
            for number in range(RESTARTS):
                generator = torch.Generator().manual_seed(number)
                states = points.prompts_for_points(backbone, picture, shares[:1], config, generator)
                points.locate(backbone, picture, states, config, generator)

    as_we_do()  # the first does not count
    return {"ours": _seconds(as_we_do) / TOGETHER, "released": _seconds(as_released)}


@contextmanager
def _to_the_end() -> Iterator[None]:
    """Passes go on behind the last site that is read."""
    plain = points.tapped
    points.tapped = lambda sites, *items, stop: plain(sites, *items)  # type: ignore[assignment]
    try:
        yield
    finally:
        points.tapped = plain


# PDM


def inverted_likeness(backbone: Backbone, seed: int, steps: int = 50) -> dict[str, float]:
    """The mean cosine, over cells, of queries and keys, and of the queries that ask the prompt, of one pass over the
    clean latent and of the last step of a reconstruction, after an inversion in as many steps; all told what is there.
    """
    scene = sample(seed)
    picture, name = render(scene, backbone.size[0]).picture, scene.things[0].look.category
    once = appearance(backbone, Image.fromarray(picture), 1, prompt=name)
    found = invert(backbone, picture, name, steps=steps)
    reads = [Read(site.name, "heads") for site in sites_of(backbone, 1)]
    with tapped(backbone.sites, *reads) as seen:
        reconstruct(backbone, found, guidance=1.0)
    own, asking = (next(iter(seen[read].values())) for read in reads)
    compared = {"queries": (once.queries, own.q), "keys": (once.keys, own.k), "text": (once.words, asking.q)}
    return {
        name: float(F.cosine_similarity(one, there[0].transpose(0, 1).flatten(1).float(), dim=1).mean())
        for name, (one, there) in compared.items()
    }


def pdm_passes(backbone: Backbone, steps: int = 50) -> dict[str, int]:
    """Passes of the network for the features of one picture: ours, and through an inversion, there and back."""
    picture = Image.fromarray(render(sample(60_000), backbone.size[0]).picture)
    with watched(backbone) as ours:
        appearance(backbone, picture, 1)
    with watched(backbone) as released:
        invert(backbone, picture, steps=steps, guidance=1.0)  # there, and back to see how well
    return {"ours": ours.rows.total(), "released": released.rows.total()}


# Searching


def search_seconds(rounds: int) -> dict[str, float]:
    """The exact best hundred of 100 000 pictures, and ranking a hundred again by the patches of a store on disk; on one
    core.
    """
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(PICTURES, WIDE, generator=generator).half().float()
    index = Index(Path(), {}, (), (), {"look": vectors})
    query = {"look": torch.randn(WIDE, generator=generator)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            with Store.open(folder, {}) as store:
                for number in range(RERANKED):
                    patches = torch.randn(PATCHES, WIDE, generator=generator)
                    store.add(str(number), Entry({"look": patches.mean(0)}, {"look": patches}, (16, 16), (512, 512)))
            opened = Index.open(folder)
            arms: dict[str, Callable[[], Any]] = {
                "search": lambda: index.search(query, RERANKED),
                "rerank": lambda: [
                    highest(opened.entry(number).patches["look"] @ query["look"]) for number in range(RERANKED)
                ],
            }
            return {arm: min(_seconds(work) for _ in range(rounds)) for arm, work in arms.items()}
    finally:
        torch.set_num_threads(threads)


def approximate_recall(pictures: int = 20_000, queries: int = 100) -> list[float]:
    """The share of the exact best ten that approximate search has; vectors lie in heaps, as those of pictures do."""
    generator = torch.Generator().manual_seed(0)
    heaps = torch.randn(pictures // 100, WIDE, generator=generator)
    owners = torch.randint(len(heaps), (pictures + queries,), generator=generator)
    every = heaps[owners] + 0.7 * torch.randn(pictures + queries, WIDE, generator=generator)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder), {}, ("",) * pictures, ({},) * pictures, {"look": every[:pictures].half().float()})
        for vector in every[pictures:]:
            exact, nearly = (
                set(search(index, {"look": vector}, 10)[0].tolist()) for search in (Index.search, search_approximately)
            )
            found.append(len(exact & nearly) / 10)
    return found


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _operations(work: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def main(arm: str) -> None:
    """Measure one arm of DiffSeg's memory and print it."""
    if arm not in ARMS:
        raise InputError(f"arm: expected one of {', '.join(ARMS)}, got {arm!r}")
    backbone = load()
    levels = levels_of(backbone, HeadMean() if arm != "released" else Everything())
    if arm == "nothing":
        levels.clear()
    forget_peak()
    if arm == "ours":
        ours(levels)
    elif arm == "released":
        released.diffseg(levels, (SIDE, SIDE), (4 * SIDE, 4 * SIDE), THRESHOLD)
    print(json.dumps({"peak": peak()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
