"""The scores of what is drawn: on maps that are the truth, on maps of nothing, and on a tiny network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from innerlight.backbones import Backbone, blank
from innerlight.bench import generation_scores as scores
from innerlight.bench.generation_scores import SCORING, Judged, regions_of
from innerlight.embedded.data import MAP_STEP, table_of
from innerlight.embedded.oracle import world_judge
from innerlight.world import caption, render, sample, truth
from innerlight.world.draw import Render
from innerlight.world.things import CATEGORIES

Maps = dict[str, NDArray[np.integer]]


def true_maps(drawn: Render) -> Maps:
    """What a judge that knows the truth would see."""
    owners = truth.instances(drawn)[MAP_STEP // 2 :: MAP_STEP, MAP_STEP // 2 :: MAP_STEP]
    table = np.vstack([np.full((1, 3), -1), table_of(drawn)[:, :3]])[owners]
    return {"category": table[..., 0].clip(0), "colour": table[..., 1] + 1, "pattern": table[..., 2] + 1}


def judged(seed: int, things: int, maps: Maps | None = None) -> Judged:
    scene = sample(seed, count=things)
    told, drawn = caption(scene, say=[(0, "colour"), (1, "colour")][:things]), render(scene, 128)
    maps = true_maps(drawn) if maps is None else maps
    said = {(span.thing, span.role): told.text[span.start : span.end] for span in told.spans}
    return Judged(drawn, said, regions_of(drawn, maps), scene.setting, maps, torch.zeros(0))


def test_what_is_there_is_found():
    for seed in range(SCORING, SCORING + 12):
        one = judged(seed, 1)
        look = one.source.scene.things[0].look
        assert one.regions[0] is not None
        assert one.right(0, "colour")
        assert one.right(0, "pattern") or not CATEGORIES[look.category].patterns
    assert scores._attributes([judged(SCORING + k, 2) for k in range(6)], ("colour",)) == [1.0] * 6


def test_what_is_not_there_is_not_found():
    nothing = {name: np.zeros((64, 64), int) for name in ("category", "colour", "pattern")}
    one = judged(SCORING, 2, nothing)
    assert one.regions == [None, None]
    assert not one.right(0, "colour")
    assert scores._attributes([one], ("colour",)) == [0.0]
    assert scores._relations([one]) == []


def test_what_no_sample_could_be_asked_has_no_row(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    nothing = {name: np.zeros((64, 64), int) for name in ("category", "colour", "pattern")}
    samples = lambda backbone, judge, things, number: [judged(SCORING + k, things, nothing) for k in range(4)]  # noqa: E731
    monkeypatch.setattr(scores, "_samples", samples)
    monkeypatch.setattr(scores, "_diversity", lambda *given: scores._row("generate.diversity", [1.0], 0.8, small))
    rows = {row.id: row for row in scores.generation_rows(small, world_judge(), 4)}
    assert "generate.relation" not in rows
    assert rows["generate.two_present"].value == 0
    assert all(np.isfinite(row.value) for row in rows.values())


def test_one_region_is_not_two_things():
    scene = sample(SCORING, categories=["cat", "cat"])
    drawn = render(scene, 128)
    maps = true_maps(drawn)
    assert None not in regions_of(drawn, maps)
    only = truth.instances(drawn)[1::2, 1::2] == 1
    maps["category"] = np.where(only, maps["category"], 0)
    assert sorted(region is None for region in regions_of(drawn, maps)) == [False, True]


def test_a_speck_is_no_thing():
    drawn = render(sample(SCORING, count=1), 128)
    maps = true_maps(drawn)
    rows, columns = np.nonzero(maps["category"])
    speck = np.zeros_like(maps["category"])
    speck[rows[:5], columns[:5]] = maps["category"][rows[0], columns[0]]
    assert regions_of(drawn, {**maps, "category": speck}) == [None]


def test_relations_are_read_off_the_regions():
    found = scores._relations([judged(seed, 2) for seed in range(SCORING, SCORING + 40)])
    assert len(found) >= 5
    assert np.mean(found) == 1.0


@pytest.mark.parametrize(("values", "entropy"), [([3, 3, 3], 0.0), ([0, 1], np.log(2)), ([0, 1, 2, 3], np.log(4))])
def test_entropy_of_known_shares(values: Sequence[int], entropy: float):
    assert scores._entropy(values) == pytest.approx(entropy)


@pytest.fixture(scope="module")
def backbone() -> Iterator[Backbone]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield blank("sd15")
    torch.set_num_threads(threads)


def rows_of(rows: Sequence[Any]) -> dict[str, Any]:
    return {row.id: row for row in rows}


def test_maps_of_a_network_that_knows_nothing_point_nowhere(backbone: Backbone):
    rows = rows_of(scores.map_rows(backbone, 3))
    assert set(rows) == {"maps.pointing", "maps.auroc"}
    assert all(0 <= row.value <= 1 and row.model == backbone.hash for row in rows.values())
    assert not rows["maps.auroc"].holds


def test_features_are_set_beside_colours_and_latents(backbone: Backbone):
    rows = rows_of(scores.match_rows(backbone, 4))
    assert set(rows) == {"features.match_pck", "features.match_over_rgb_patches", "features.match_over_vae_latents"}
    assert not rows["features.match_pck"].holds
    row = scores.clusters_row(backbone, 2)
    assert -1 <= row.value <= 1


def test_inversion_is_measured_below_the_floor(backbone: Backbone, monkeypatch: pytest.MonkeyPatch):
    real = scores.invert
    monkeypatch.setattr(scores, "invert", lambda *given, steps, **named: real(*given, steps=3, **named))
    rows = rows_of(scores.inversion_rows(backbone, 2))
    assert set(rows) == {"inversion.caption", "inversion.fixed_point"}
    assert rows["inversion.fixed_point"].value <= rows["inversion.caption"].value + 1e-6
