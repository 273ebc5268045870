"""Settings of methods that belong to a model, fitted on development scenes: what `calibration.json` says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from innerlight.backbones import Backbone
from innerlight.bench.claims import hash_of, journal, judge_hash, owner, settings_of, source_hash
from innerlight.embedded.edits import parsed
from innerlight.embedded.oracle import regions_of
from innerlight.embedded.recognition import best_segments, drawing, hunt, pair
from innerlight.embedded.rivals import attempt_of
from innerlight.methods import get
from innerlight.types import NotFoundError
from innerlight.world import caption, render, sample

DEVELOPMENT = 60_000  # the first seed; those that guidance is fitted on lie before

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Fit:
    """A setting, the values tried, and how well a model with one of them does on a scene (None: it does not count).

    Of values that do equally well the first is taken: the authors' own, where it is among them.
    """

    key: str
    values: tuple[float, ...]
    score: Callable[[Backbone, int], float | None]
    scenes: int


def _points(method: str, most: int | None = None, **settings: Any) -> Callable[[Backbone, int], float | None]:
    def score(backbone: Backbone, seed: int) -> float | None:
        asked = pair(seed, "within", backbone.size[0])
        if asked is None or len(asked.names) < (most or 1):
            return None
        few = asked.only(range(len(asked.names) if most is None else most))
        both = asked.source.picture, asked.target.picture
        found = get(method).function(backbone, *both, few.points, get(method).config(**settings), seed=seed)
        return float(few.hits(found.found[0]).mean())

    return score


def _segments(backbone: Backbone, seed: int) -> float:
    drawn = render(sample(seed), backbone.size[0])
    return best_segments(drawn, get("diffseg").function(backbone, drawn.picture).labels[0].labels)


def _drawn(backbone: Backbone, seed: int) -> float:
    drawn = render(sample(seed), backbone.size[0])
    found = get("emerdiff").function(backbone, drawn.picture, seed=seed).labels[0].labels
    return drawing(drawn, found, 4 * backbone.shrink).miou


def _marked(method: str) -> Callable[[Backbone, int], float | None]:
    def score(backbone: Backbone, seed: int) -> float | None:
        asked = hunt(seed, backbone.size[0])
        if asked is None:
            return None
        shown = [one.picture for one, own in zip(asked.gallery, asked.positives, strict=True) if own]
        only = replace(asked, gallery=asked.gallery[: len(shown)], positives=asked.positives[: len(shown)])
        found = get(method).function(
            backbone, asked.reference.picture, shown, mask=asked.mask, word=asked.category, seed=seed
        )
        return attempt_of(found, only).measures(only)["miou"]

    return score


def _present(backbone: Backbone, seed: int) -> float | None:
    """Of two things the share that is there."""
    scene = sample(seed, count=2)
    if len({thing.look.category for thing in scene.things}) < 2:
        return None
    told = caption(scene, say=[(0, "colour"), (1, "colour")], length="short")
    nouns = tuple(told.text[span.start : span.end] for span in told.spans if span.role == "noun")
    method = get("attend_and_excite")
    made = method.function(backbone, told.text, None, method.config(words=nouns), seed=seed)
    (seen,) = parsed(made.images[0])
    regions = regions_of(render(scene, backbone.size[0]), dict(seen.maps))
    return sum(region is not None for region in regions) / 2


FITS = (
    Fit("dift_timestep", (261, 51, 101, 151, 201, 321, 401, 501), _points("dift"), 80),
    Fit("diffseg_threshold", (1.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), _segments, 60),
    Fit("emerdiff_strength", (10.0, 3.0, 30.0, 100.0), _drawn, 16),
    Fit("pdm_threshold", (0.7, 0.5, 0.6, 0.8, 0.9), _marked("pdm"), 24),
    Fit("pdm_voting_threshold", (0.5, 0.05, 0.1, 0.2, 0.3, 0.7), _marked("pdm_voting"), 24),
    Fit(
        "embedding_correspondence_rate", (0.0023756, 0.01, 0.03, 0.1),
        _points("embedding_correspondence", 3, steps=60, restarts=2), 6,
    ),
    Fit("attend_and_excite_temperature", (100.0, 30.0, 10.0, 3.0), _present, 100),
    Fit("attend_and_excite_scale", (20.0, 5.0, 80.0), _present, 100),
)  # fmt: skip


def fit(
    backbone: Backbone, keys: Sequence[str] = (), *, folder: Path, progress: Progress = lambda done, of: None
) -> dict[str, Any]:
    """The best value of each setting, or of those named, and under "fitted" what each value gave; a setting is fitted
    with those before it in place.

    Scores are kept in `folder`, as those of claims are.
    """
    known = [one.key for one in FITS]
    if unknown := sorted(set(keys) - set(known)):
        raise NotFoundError(f"no setting {unknown[0]!r} is fitted; those are {', '.join(known)}")
    found: dict[str, Any] = {"fitted": {}}
    chosen = [one for one in FITS if not keys or one.key in keys]
    total, done = sum(len(one.values) * one.scenes for one in chosen), 0
    for one in chosen:
        means: dict[float, float] = {}
        for value in one.values:
            tried = replace(backbone, calibration={**backbone.calibration, **found, one.key: value})
            scores = []
            for score in _scores(one, tried, folder):
                scores.append(score)
                done += 1
                progress(done, total)
            means[value] = float(np.mean([score for score in scores if score is not None]))
        found[one.key] = max(means, key=lambda value: means[value])
        told = {"by value": {f"{value:g}": round(mean, 4) for value, mean in means.items()}}
        seeds = f"{DEVELOPMENT}..{DEVELOPMENT + one.scenes - 1}"
        found["fitted"][one.key] = {**told, "seeds": seeds}
    return found


def _scores(one: Fit, tried: Backbone, folder: Path) -> Iterator[float | None]:
    """Of a model with one value, scene by scene."""
    method = owner(one.key)
    settings = {
        "setting": one.key, "model": tried.hash, "judge": judge_hash(), "scores": hash_of(Path(__file__)),
        "method": source_hash(get(method)) if method else "",
        "calibration": settings_of(tried.calibration, (method,) if method else ()),
    }  # fmt: skip
    with journal(folder, f"fit-{one.key}", "fit", settings) as manifest:
        for seed in range(DEVELOPMENT, DEVELOPMENT + one.scenes):
            key = str(seed)
            if not manifest.done(key):
                manifest.record(key, score=one.score(tried, seed))
            yield manifest.result(key)["score"]
