"""What the embedded model and the networks around it get right, on scoring seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from innerlight.backbones import WEIGHTS, Backbone, load
from innerlight.bench.evidence import Row, interval, measure_all, measured
from innerlight.bench.generation_scores import (
    clusters_row,
    cost_row,
    generation_rows,
    inversion_rows,
    map_rows,
    match_rows,
)
from innerlight.embedded.data import FACTS, MAP_STEP, table_of
from innerlight.embedded.judge import Judge
from innerlight.embedded.judging import trained_judge
from innerlight.embedded.oracle import JUDGE, LATEST_JUDGE, shipped_judge
from innerlight.embedded.towers import LENGTH, tokens_of, trained_towers
from innerlight.embedded.vae import RoundTrip, round_trip_of, round_trip_through, to_tensor
from innerlight.types import InputError
from innerlight.world import CATEGORIES, caption, distractors, individual, render, sample, truth
from innerlight.world.draw import Render
from innerlight.world.palette import COLOURS, PATTERNS

SCORING = 100_000
COMMAND = "innerlight embedded score"
PACKAGES = ("torch", "diffusers", "numpy")
LEAST_CELLS = 20  # of 64 x 64, about 0.5 % of a picture: smaller things are not asked about
BATCH = 32
RIVALS = 64  # captions that pictures choose among
GALLERY = 10  # individuals of one class, one of them the same

# Least shares right: on renders, and on renders that went through the VAE.
JUDGE_LIMITS = {"category": (0.98, 0.96), "colour": (0.97, 0.95), "pattern": (0.95, 0.90)}

Progress = Callable[[int, int], None]


def score(path: Path, runs: Path, *, scenes: int = 512, progress: Progress = lambda done, of: None) -> list[Row]:
    """Measure what has been trained in `runs`, of VAE and judge else those that ship, and by the judge that ships the
    packed model; write the rows to `path`. The towers do not ship.
    """
    packed = (WEIGHTS / "pocket" / "model_index.json").exists()
    vae, judge, towers = round_trip_of(runs / "vae"), trained_judge(runs / "judge"), trained_towers(runs)
    vae = vae or (round_trip_through(load().vae) if packed else None)
    judge = judge or (shipped_judge() if JUDGE.exists() else None)
    if vae is None and judge is None and towers is None:
        raise InputError(f"nothing is trained in {runs}, and nothing ships; train first: innerlight embedded train")
    measures: list[Callable[[], list[Row]]] = []
    if vae is not None:
        measures.append(lambda: vae_rows(vae, scenes))
    if judge is not None:
        measures += _of_judge(judge, vae, scenes)
    if towers is not None:
        measures.append(lambda: towers_rows(*towers, scenes))
    if packed:
        measures += _of_model(load(), shipped_judge() if JUDGE.exists() else None, scenes)
    return measure_all(measures, path, progress)


def score_model(
    model: Backbone, path: Path, *, scenes: int = 512, progress: Progress = lambda done, of: None
) -> list[Row]:
    """Measure what a model of the world draws and knows, and the latest judge that ships, which judges it; write the
    rows to `path`.
    """
    judge, round_trip = shipped_judge(LATEST_JUDGE), round_trip_through(model.vae)
    command = f"{COMMAND} --model {model.name}"

    def told(measure: Callable[[], list[Row]]) -> Callable[[], list[Row]]:
        return lambda: [replace(row, command=command) for row in measure()]

    measures = [*_of_judge(judge, round_trip, scenes), *_of_model(model, judge, scenes)]
    return measure_all([told(measure) for measure in measures], path, progress)


def _of_judge(judge: Judge, round_trip: RoundTrip | None, scenes: int) -> list[Callable[[], list[Row]]]:
    return [lambda: judge_rows(judge, round_trip, scenes), lambda: [identity_row(judge, scenes)]]


def _of_model(model: Backbone, judge: Judge | None, scenes: int) -> list[Callable[[], list[Row]]]:
    measures: list[Callable[[], list[Row]]] = [
        lambda: map_rows(model, scenes // 2),
        lambda: [*match_rows(model, scenes // 2), clusters_row(model, scenes // 4)],
        lambda: inversion_rows(model, scenes // 16),
        lambda: [cost_row(model)],
    ]
    return measures if judge is None else [*measures, lambda: generation_rows(model, judge, scenes)]


def towers_rows(towers: Any, tokenizer: Any, scenes: int) -> list[Row]:
    """R@1 of pictures among 64 captions; and of a picture among its caption and seven with something swapped."""
    seeds = range(SCORING, SCORING + scenes - scenes % RIVALS)
    hits, hard = [], []
    for start in seeds[::RIVALS]:
        drawn = [render(sample(seed)) for seed in range(start, start + RIVALS)]
        told = [caption(one.scene, "long") for one in drawn]
        captions, pictures = _towered(towers, tokenizer, [one.text for one in told], drawn)
        hits += ((pictures @ captions.T).argmax(1) == torch.arange(RIVALS)).float().tolist()
        for k in range(0, RIVALS, 8):  # one in eight: each asks the text tower for seven more captions
            swapped = _swapped(told[k].text, start + k)
            if len(swapped) == 7:
                texts, picture = _towered(towers, tokenizer, [told[k].text, *swapped], [drawn[k]])
                hard.append(float((picture @ texts.T).argmax() == 0))
    return [
        _row("towers.retrieval", hits, 0.85, "R@1 of pictures among 64 long captions"),
        _row("towers.hard", hard, None, "R@1 among 8 captions that differ in colours, patterns, things or relations"),
    ]


def _towered(towers: Any, tokenizer: Any, texts: Sequence[str], drawn: Sequence[Render]) -> tuple[Tensor, Tensor]:
    pictures = to_tensor(np.stack([one.picture for one in drawn]))
    with torch.no_grad():
        return towers.read(tokens_of(tokenizer, list(texts), LENGTH)), towers.look(F.avg_pool2d(pictures, 2))


def _swapped(text: str, seed: int) -> list[str]:
    """Seven captions with one word changed for another of its kind."""
    words = text.split(" ")
    kinds = [{*COLOURS}, {*PATTERNS}, {*CATEGORIES}, {"left", "right"}, {"above", "below"}]
    places = [(at, kind) for at, word in enumerate(words) for kind in kinds if word.strip(",.") in kind]
    random, found = np.random.default_rng(seed), set()
    for _ in range(50 if places else 0):
        at, kind = places[random.integers(len(places))]
        own = words[at].strip(",.")
        other = str(random.choice(sorted(kind - {own})))
        found.add(" ".join([*words[:at], words[at].replace(own, other), *words[at + 1 :]]))
    return sorted(found)[:7]


def vae_rows(round_trip: RoundTrip, scenes: int) -> list[Row]:
    """PSNR of each unseen scene, whole and inside its things."""
    whole, inside = [], []
    for drawn, pictures in _batches(scenes):
        error = (round_trip(pictures) - pictures).square().mean(1).numpy() / 4  # of a range of 1
        for one, its in zip(drawn, error, strict=True):
            whole.append(_decibels(its.mean()))
            inside.append(_decibels(its[truth.instances(one) > 0].mean()))
    return [
        _row("vae.psnr", whole, 33.0, "dB, mean over scenes, f = 4, 4 channels"),
        _row("vae.psnr_things", inside, 26.0, "dB, mean over scenes, pixels of things"),
    ]


def judge_rows(judge: Judge, round_trip: RoundTrip | None, scenes: int) -> list[Row]:
    """Share of things whose majority inside their own mask is right; mean IoU over parts."""
    rows = []
    for way, through in (("", None), ("_vae", round_trip)):
        if way and through is None:
            continue
        right: dict[str, list[float]] = {name: [] for name in JUDGE_LIMITS}
        confusion = np.zeros((judge.config.parts, judge.config.parts), np.int64)
        for drawn, pictures in _batches(scenes):
            maps = _read(judge, pictures if through is None else through(pictures))
            for one, number in zip(drawn, range(len(drawn)), strict=True):
                seen = {name: values[number] for name, values in maps.items()}
                _count_right(one, seen, right)
                _count_parts(one, seen["part"], confusion)
        note = "per thing of at least 0.5 % of the picture" + (", after the VAE" if way else "")
        rows += [_row(f"judge.{name}{way}", right[name], JUDGE_LIMITS[name][bool(way)], note) for name in right]
        if not way:
            rows.append(_parts_row(confusion, scenes))
    return rows


def identity_row(judge: Judge, tasks: int) -> Row:
    """R@1: an individual in another scene among nine others of its class, which share its words or do not."""
    hits, near_hits = [], []
    for task in range(SCORING, SCORING + tasks // 2):
        look = individual(f"identity/{task}")
        for near, found in ((False, hits), (True, near_hits)):
            others = distractors(look, GALLERY - 1, task, near=near)
            looks = [look, look, *others]
            drawn = [render(sample(f"identity/{task}/{k}", looks=[one])) for k, one in enumerate(looks)]
            vectors = _identities(judge, drawn)
            found.append(float((vectors[1:] @ vectors[0]).argmax() == 0))
    low, high = interval(np.array(hits))
    return measured(
        "judge.identity", float(np.mean(hits)), 0.90, ">=", n=len(hits), command=COMMAND, low=low, high=high,
        seeds=f"{SCORING}..{SCORING + tasks // 2 - 1}", packages=PACKAGES,
        note=f"one of {GALLERY} of its class; among those alike in every word: {np.mean(near_hits):.3f}",
    )  # fmt: skip


def _batches(scenes: int) -> Iterator[tuple[list[Render], Tensor]]:
    for start in range(SCORING, SCORING + scenes, BATCH):
        drawn = [render(sample(seed)) for seed in range(start, min(start + BATCH, SCORING + scenes))]
        yield drawn, to_tensor(np.stack([one.picture for one in drawn]))


def _read(judge: Judge, pictures: Tensor) -> dict[str, NDArray[np.integer]]:
    """The likeliest class of each cell, (n, h / 2, w / 2), for every map."""
    with torch.no_grad():
        return {name: values.argmax(1).numpy() for name, values in judge(pictures).maps.items()}


def _thinned(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    return labels[MAP_STEP // 2 :: MAP_STEP, MAP_STEP // 2 :: MAP_STEP]


def _count_right(drawn: Render, seen: dict[str, NDArray[np.integer]], right: dict[str, list[float]]) -> None:
    owners, table = _thinned(truth.instances(drawn)), table_of(drawn)
    for row, placed in enumerate(drawn.placed):
        mask = owners == row + 1
        if mask.sum() < LEAST_CELLS:
            continue
        for name, found in right.items():
            if name == "pattern" and not CATEGORIES[placed.thing.look.category].patterns:
                continue
            wanted = table[row, FACTS.index(name)] + (name != "category")  # the setting is 0 in the judge's maps
            found.append(float(np.bincount(seen[name][mask]).argmax() == wanted))


def _count_parts(drawn: Render, seen: NDArray[np.integer], confusion: NDArray[np.int64]) -> None:
    np.add.at(confusion, (_thinned(truth.parts(drawn).labels), seen), 1)


def _parts_row(confusion: NDArray[np.int64], scenes: int) -> Row:
    hit = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hit
    present = confusion.sum(1) > 0
    names = truth.part_names()
    iou = {names[int(k)]: float(hit[k] / union[k]) for k in np.flatnonzero(present)}
    worst = ", ".join(f"{name} {iou[name]:.2f}" for name in sorted(iou, key=lambda name: iou[name])[:5])
    return measured(
        "judge.parts_miou", float(np.mean(list(iou.values()))), 0.70, ">=", n=scenes, command=COMMAND,
        seeds=_seeds(scenes), packages=PACKAGES,
        note=f"pooled over scenes, mean over parts, at 64 x 64; worst: {worst}",
    )  # fmt: skip


def _identities(judge: Judge, drawn: Sequence[Render]) -> Tensor:
    """Vectors (n, identity) of the first thing of each picture, by its true mask."""
    masks = torch.from_numpy(np.stack([_thinned(truth.instances(one)) == 1 for one in drawn]))
    with torch.no_grad():
        reading = judge(to_tensor(np.stack([one.picture for one in drawn])))
        return judge.describe_things(reading.features, masks)[1]


def _row(id: str, values: Sequence[float], limit: float | None, note: str) -> Row:
    low, high = interval(np.array(values))
    return measured(
        id, float(np.mean(values)), limit, ">=", n=len(values), command=COMMAND, low=low, high=high, packages=PACKAGES,
        seeds=f"from {SCORING}", note=note,
    )  # fmt: skip


def _decibels(error: float) -> float:
    return float(-10 * np.log10(max(error, 1e-10)))


def _seeds(scenes: int) -> str:
    return f"{SCORING}..{SCORING + scenes - 1}"
