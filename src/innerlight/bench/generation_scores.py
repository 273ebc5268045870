"""What the embedded model draws and knows: pictures judged against their captions, maps and features against truth.

One sample a scoring caption, the shipped defaults, no rejection. The judge's maps are read region by region: a word
is right if the judge sees its category in one region whose area is at least a share of what the world gives that
thing, and the majority of that region has the colour or pattern that the caption names.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.bench.evidence import Row, interval, measured
from innerlight.embedded.data import COLOUR_NAMES, POSES
from innerlight.embedded.judge import Judge
from innerlight.embedded.oracle import Region, regions_of
from innerlight.embedded.recognition import pair
from innerlight.embedded.rivals import patches
from innerlight.embedded.vae import to_tensor
from innerlight.matching import Features, nearest
from innerlight.metrics import auroc, pointing
from innerlight.sampling import Ddim, generate, invert, probe
from innerlight.sampling.generate import default_steps, guidance_of
from innerlight.taps import HeadMean, Read
from innerlight.world import caption, render, sample, truth
from innerlight.world.draw import Render
from innerlight.world.palette import PATTERNS
from innerlight.world.relations import PLANAR
from innerlight.world.scene import SETTINGS

SCORING = 100_000
COMMAND = "innerlight embedded score"
PACKAGES = ("torch", "diffusers", "numpy")
LEAST_AREA = 0.05  # of the picture, of things whose maps are scored

BATCH = 16
MIDDLE = (0.4, 0.5, 0.6)  # noise levels at which maps are read
GRID = 3  # places are ninths of the picture


@dataclass(frozen=True)
class Judged:
    """One sample beside the scene whose caption it was drawn from."""

    source: Render
    said: dict[tuple[int | None, str], str]  # (thing, role): the word of the caption
    regions: list[Region | None]  # of each thing of the source, if it is there
    setting: str
    maps: dict[str, NDArray[np.integer]]
    features: Tensor

    def right(self, thing: int, role: str) -> bool:
        """Does a thing show the colour or pattern that was asked for?"""
        region, look = self.regions[thing], self.source.scene.things[thing].look
        if region is None:
            return False
        if role == "colour":
            return COLOUR_NAMES[region.colour] == look.colour if region.colour >= 0 else False
        return PATTERNS[region.pattern] == look.pattern if region.pattern >= 0 else False


def generation_rows(backbone: Backbone, judge: Judge, scenes: int) -> list[Row]:
    """What is drawn of one, two and three things, settings and relations; what no sample could be asked has no row."""
    counts = {1: scenes, 2: scenes, 3: max(scenes // 4, 8)}
    judged = {things: list(_samples(backbone, judge, things, number)) for things, number in counts.items()}
    one, two, three = judged[1], judged[2], judged[3]
    present = [float(sample_.regions[0] is not None) for sample_ in one]
    both, all_three = (
        [float(all(region is not None for region in sample_.regions)) for sample_ in many] for many in (two, three)
    )
    settings = [float(s.setting == s.source.scene.setting) for s in (*one, *two)]
    measures = [
        ("one_category", present, 0.90, ""),
        ("one_colour", _attributes(one, ("colour",)), 0.85, "category and colour"),
        ("one_all", _attributes(one, ("colour", "pattern")), 0.65, "category, colour, pattern"),
        ("two_present", both, 0.70, ""),
        ("two_bound", _attributes(two, ("colour",)), 0.45, "both present, in their colours"),
        ("three_present", all_three, None, ""),
        ("setting", settings, 0.97, ""),
        ("relation", _relations(two), 0.75, "of pairs whose both things are there"),
    ]
    rows = [_row(f"generate.{id}", values, limit, backbone, note) for id, values, limit, note in measures if values]
    return [*rows, _diversity(judge, one, backbone)]


def map_rows(backbone: Backbone, scenes: int) -> list[Row]:
    """Where nouns point in drawn scenes: cross-attention at the semantic role, middle noise levels."""
    read = Read("semantic.text", "probabilities", reduce=HeadMean())
    inside, area = [], []
    for seed in range(SCORING, SCORING + scenes):
        scene = sample(seed)
        told, drawn = caption(scene), render(scene, backbone.size[0])
        latents = backbone.encode([drawn.picture])
        nouns = {span.thing: told.text[span.start : span.end] for span in told.spans if span.role == "noun"}
        owners = truth.instances(drawn)
        masks = {thing: owners == thing + 1 for thing in nouns if thing is not None}
        masks = {thing: mask for thing, mask in masks.items() if mask.mean() >= LEAST_AREA}
        if not masks:
            continue
        times = [int(share * len(backbone.levels)) for share in MIDDLE]
        seen = [probe(backbone, latents, t, read, prompts=told.text, noise=seed) for t in times]
        for thing, mask in masks.items():
            maps = [one.word(read, nouns[thing]).at_image_size() for one in seen]
            mean = np.mean(maps, axis=0)
            inside.append(pointing(mean, mask))
            area.append(auroc(mean.ravel(), mask.ravel()))
    note = f"nouns in drawn scenes, at {', '.join(f'{share:.0%}' for share in MIDDLE)} of the noise"
    return [
        _row("maps.pointing", inside, 0.70, backbone, note),
        _row("maps.auroc", area, 0.85, backbone, note),
    ]


def match_rows(backbone: Backbone, pairs: int) -> list[Row]:
    """PCK@0.1 of keypoints between two scenes of one category, by the nearest match feature; and above baselines."""
    read, t = Read("match"), int(0.26 * len(backbone.levels))
    right: dict[str, list[float]] = {"features": [], "RGB patches": [], "VAE latents": []}
    for number in range(pairs):
        both = pair(SCORING + number, "within", backbone.size[0])
        if both is None:
            continue
        latents = backbone.encode([both.source.picture, both.target.picture])
        maps = {
            "features": list(probe(backbone, latents, t, read, draws=4).values(read)),
            "VAE latents": list(latents),
            "RGB patches": [patches(one.picture, 2).values for one in (both.source, both.target)],
        }
        for arm, values in maps.items():
            here, there = (Features(one, backbone.size) for one in values)
            found, _ = nearest(here, there, torch.from_numpy(both.points).float())
            right[arm].append(float(both.hits(found.numpy()).mean()))
    rows = [_row("features.match_pck", right["features"], 0.5, backbone, "mean over pairs, t = 0.26 T, 4 noises")]
    own = np.array(right.pop("features"))
    for arm, values in right.items():
        gains = own - np.array(values)
        low, high = interval(gains)
        rows.append(
            measured(
                f"features.match_over_{arm.lower().replace(' ', '_')}", float(gains.mean()), 0.0, ">", n=len(own),
                 command=COMMAND, low=low, high=high, baseline=f"nearest of {arm}", model=backbone.hash,
                seeds=f"from {SCORING}", packages=PACKAGES, note=f"{own.mean():.3f} against {np.mean(values):.3f}",
            )
        )  # fmt: skip
    return rows


def clusters_row(backbone: Backbone, scenes: int) -> Row:
    """k-means on semantic features over k-means on RGB and position, each with the true number of segments."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    from innerlight.bench.world_scores import COLOUR_WEIGHTS, _k_means, _segments_iou

    read = Read("semantic.text", "heads")
    gains, ours = [], []
    for seed in range(SCORING, SCORING + scenes):
        drawn = render(sample(seed), backbone.size[0])
        latents = backbone.encode([drawn.picture])
        seen = probe(backbone, latents, 1, read, prompts="")
        site, heads = next(iter(seen[read].items()))
        grid = backbone.sites[site].grid(seen.latent)
        queries = heads.q[0].transpose(0, 1).flatten(1).float().numpy()  # (cells, heads * d)
        segments = len(np.unique(truth.instances(drawn)))
        with threadpool_limits(1):
            labels = KMeans(segments, n_init="auto", random_state=0).fit_predict(queries).reshape(grid)
        factor = drawn.picture.shape[0] // grid[0]
        true = truth.instances(drawn)
        own = _segments_iou(labels.repeat(factor, 0).repeat(factor, 1), true)
        base = max(_segments_iou(_k_means(drawn, weight), true) for weight in COLOUR_WEIGHTS)
        ours.append(own)
        gains.append(own - base)
    low, high = interval(np.array(gains))
    return measured(
        "features.kmeans_miou", float(np.mean(gains)), 0.0, ">", n=len(gains), command=COMMAND, low=low, high=high,
        baseline="k-means on RGB and position, the best of its colour weights for each scene", model=backbone.hash,
        seeds=f"{SCORING}..{SCORING + scenes - 1}", packages=PACKAGES,
        note=f"queries of the first text attention at the semantic role, t = 1; mean IoU {np.mean(ours):.3f}",
    )  # fmt: skip


def inversion_rows(backbone: Backbone, scenes: int) -> list[Row]:
    """How far below the VAE's own error pictures come back, with their captions, without guidance."""
    rows = []
    for id, refinements, limit in (("inversion.caption", 0, 3.0), ("inversion.fixed_point", 4, 1.0)):
        lost, psnr = [], []
        for start in range(SCORING, SCORING + scenes, BATCH):
            seeds = range(start, min(start + BATCH, SCORING + scenes))
            drawn = [render(sample(seed), backbone.size[0]).picture for seed in seeds]
            texts = [caption(sample(seed)).text for seed in seeds]
            found = invert(backbone, drawn, texts, steps=50, refinements=refinements)
            lost += [floor - own for floor, own in zip(found.floor, found.psnr, strict=True)]
            psnr += found.psnr
        low, high = interval(np.array(lost))
        rows.append(
            measured(
                id, float(np.mean(lost)), limit, "<=", n=len(lost), command=COMMAND, low=low, high=high,
                seeds=f"{SCORING}..{SCORING + scenes - 1}", model=backbone.hash, packages=PACKAGES,
                note=f"dB below the VAE's floor; PSNR {np.mean(psnr):.1f} dB; 50 steps, {refinements} refinements",
            )
        )  # fmt: skip
    return rows


def cost_row(backbone: Backbone, rounds: int = 5) -> Row:
    """A whole generation over its own parts."""
    steps, guidance = default_steps(backbone, None), guidance_of(backbone, None)
    picture = render(sample(SCORING), backbone.size[0]).picture
    context = backbone.embed(["", "a cat"])
    latents = torch.randn(2, 4, *backbone.sites.latent)

    def parts() -> None:
        with torch.no_grad():
            for t in Ddim(backbone.levels, steps).timesteps:
                backbone.denoise(latents, t, context)
            backbone.decode(backbone.encode([picture]))

    def whole() -> None:
        generate(backbone, "a cat", steps=steps, guidance=guidance)

    whole()
    pairs = [(_seconds(parts), _seconds(whole)) for _ in range(rounds)]
    ratio = statistics.median(own / plain for plain, own in pairs)
    return measured(
        "generate.cost", ratio, 1.15, "<=", kind="cost", n=rounds, command=COMMAND, model=backbone.hash,
        packages=PACKAGES, note=f"{statistics.median(own for _, own in pairs):.2f} s a picture, {steps} steps",
    )  # fmt: skip


def _samples(backbone: Backbone, judge: Judge, things: int, number: int) -> Iterator[Judged]:
    for start in range(SCORING, SCORING + number, BATCH):
        seeds = range(start, min(start + BATCH, SCORING + number))
        scenes = [sample(seed, count=things) for seed in seeds]
        say = [(thing, role) for thing in range(things) for role in ("colour", "pattern")] + [(None, "setting")]
        told = [caption(scene, say=say) for scene in scenes]
        made = generate(backbone, [one.text for one in told], seed=list(seeds))
        pictures = to_tensor(np.stack([np.asarray(image) for image in made.images]))
        with torch.no_grad():
            reading = judge(pictures)
        maps = {name: values.argmax(1).numpy() for name, values in reading.maps.items()}
        for k, (scene, one) in enumerate(zip(scenes, told, strict=True)):
            source = render(scene, backbone.size[0])
            own = {name: values[k] for name, values in maps.items()}
            yield Judged(
                source,
                {(span.thing, span.role): one.text[span.start : span.end] for span in one.spans},
                regions_of(source, own),
                SETTINGS[int(reading.setting[k].argmax())],
                own,
                reading.features[k],
            )


def _attributes(judged: Sequence[Judged], roles: Sequence[str]) -> list[float]:
    """Are all things there, with what the captions say of them? Captions that say none of it are not asked."""
    found = []
    for one in judged:
        said = [(thing, role) for thing in range(len(one.regions)) for role in roles if (thing, role) in one.said]
        if len({thing for thing, _ in said}) == len(one.regions) and {role for _, role in said} == set(roles):
            found.append(float(all(one.right(thing, role) for thing, role in said)))
    return found


def _relations(judged: Sequence[Judged]) -> list[float]:
    found = []
    for one in judged:
        for relation in one.source.scene.relations:
            pair = one.regions[relation.subject], one.regions[relation.object]
            if relation.name not in PLANAR or pair[0] is None or pair[1] is None:
                continue
            if not any(role == "relation" for _, role in one.said):
                continue
            (x, y), (other_x, other_y) = pair[0].centre, pair[1].centre
            holds = {"left of": x < other_x, "right of": x > other_x, "above": y < other_y, "below": y > other_y}
            found.append(float(holds[relation.name]))
    return found


def _diversity(judge: Judge, judged: Sequence[Judged], backbone: Backbone) -> Row:
    """Entropy of place, size and pose of what is drawn, over that of the scenes the captions came from."""
    drawn = [one for one in judged if one.regions[0] is not None]
    if len(drawn) < 2:
        return _row("generate.diversity", [0.0] * max(len(drawn), 1), 0.8, backbone, "fewer than two things were drawn")
    ours = [_facts(judge, one.regions[0].mask, one.features) for one in drawn if one.regions[0] is not None]
    theirs = []
    for one in drawn:
        owners = truth.instances(one.source)[1::2, 1::2] == 1
        with torch.no_grad():
            features = judge(to_tensor(one.source.picture[None])).features[0]
        theirs.append(_facts(judge, owners, features))
    shares = []
    for column in range(3):
        own, world = (_entropy([fact[column] for fact in facts]) for facts in (ours, theirs))
        shares.append(own / world if world else 1.0)
    note = "place {:.2f}, size {:.2f}, pose {:.2f}".format(*shares) + f" of the world's entropy, {len(drawn)} things"
    value = float(np.mean(np.minimum(shares, 1)))  # more spread than the world in one does not make up for another
    return measured(
        "generate.diversity", value, 0.8, ">=", n=len(drawn), command=COMMAND, seeds=f"from {SCORING}",
        model=backbone.hash, packages=PACKAGES, note=note,
    )  # fmt: skip


def _facts(judge: Judge, mask: NDArray[np.bool_], features: Tensor) -> tuple[int, int, int]:
    """Place (a ninth of the picture), size (octaves of area), pose."""
    if not mask.any():
        return 0, 0, 0
    rows, columns = np.nonzero(mask)
    place = int(rows.mean() * GRID // mask.shape[0]) * GRID + int(columns.mean() * GRID // mask.shape[1])
    with torch.no_grad():
        pose = judge.describe_things(features[None], torch.from_numpy(mask)[None])[0].argmax()
    assert pose < len(POSES)
    return place, int(np.log2(mask.sum())), int(pose)


def _entropy(values: Sequence[int]) -> float:
    shares = np.bincount(values) / len(values)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _row(id: str, values: Sequence[float], limit: float | None, backbone: Backbone, note: str = "") -> Row:
    low, high = interval(np.array(values))
    return measured(
        id, float(np.mean(values)), limit, ">=", n=len(values), command=COMMAND, low=low, high=high,
        seeds=f"from {SCORING}", model=backbone.hash, packages=PACKAGES, note=note,
    )  # fmt: skip
