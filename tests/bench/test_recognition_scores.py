"""Recognition's costs: what is rebuilt does what ours does, and every promised row has a measure."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.bench import recognition_costs as costs
from innerlight.bench import recognition_scores as scores
from innerlight.bench import released
from innerlight.bench.promised import RECOGNITION
from innerlight.maps import anchor_cells, combine_levels, merge, segments_of
from innerlight.methods import get, names


def test_the_rebuilt_diffseg_finds_the_same_segments():
    generator = torch.Generator().manual_seed(0)
    levels = {(side, side): torch.randn(3, side**2, side**2, generator=generator).softmax(-1) for side in (16, 8)}
    for threshold in (0.05, 0.09, 0.2):
        rows = combine_levels({grid: heads.mean(0) for grid, heads in levels.items()}, (16, 16))
        proposals = merge(rows, anchor_cells((16, 16), (4, 4)), threshold)
        ours, _ = segments_of(proposals.unflatten(1, (16, 16)), (32, 32))
        theirs = released.diffseg(levels, (16, 16), (32, 32), threshold)
        _, renamed = theirs.unique(return_inverse=True)
        assert (torch.from_numpy(ours.astype("int64")) == renamed).float().mean() > 0.999


def test_every_row_that_is_owed_has_a_measure():
    claimed = set()
    for family in ("segmentation", "correspondence", "retrieval"):
        for name in names(family):
            for claim in get(name).claims:
                claimed.add(claim.id)
                slugs = ["".join(c if c.isalnum() else "_" for c in one.lower()) for one in claim.baselines[1:]]
                claimed |= {f"{claim.id}_over_{slug}" for slug in slugs}
    measured = {
        "pdm.inverted_cosine", "pdm.passes", "diffseg.speed", "diffseg.memory", "emerdiff.cost", "emerdiff.cost_fast",
        "embedding_correspondence.arithmetic", "embedding_correspondence.speed", "search.exact", "search.rerank",
        "search.recall",
    }  # fmt: skip
    assert set(RECOGNITION) == claimed | measured


def test_arithmetic_is_counted(small: Backbone):
    found = costs.point_arithmetic(small)
    assert found["released"] > 1.5 * found["ours"] > 0


def test_passes_to_the_end_run_to_the_end(small: Backbone):
    plain = costs.points.tapped
    seen = []
    handle = small.unet.conv_out.register_forward_hook(lambda *given: seen.append(1))
    config = costs.points.EmbeddingCorrespondenceConfig()
    with handle:
        costs._prompt_pass(small, "early", config, gradient=False)
        assert not seen
        costs._prompt_pass(small, "whole", config, gradient=True)
        assert seen == [1]
    with costs._to_the_end():
        assert costs.points.tapped is not plain
    assert costs.points.tapped is plain


def test_inverted_features_are_compared(small: Backbone):
    found = costs.inverted_likeness(small, 3, steps=2)
    assert set(found) == {"queries", "keys", "text"}
    assert all(-1 <= one <= 1 for one in found.values())


def test_fast_segments_are_compared_with_exact_ones(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    plain = get("emerdiff")
    few = {"steps": 4, "clusters": 3}

    def quick(name: str):
        return replace(
            plain,
            function=lambda backbone, picture, config, **own: plain.function(
                backbone, picture, replace(config, **few), **own
            ),
        )

    monkeypatch.setattr(costs, "get", quick)
    found = costs.fast_miou(small, [3])
    assert set(found) == {"exact", "fast"}
    assert all(0 <= one <= 1 for one in found.values())


def test_emerdiff_is_timed_beside_passes_of_as_many_rows(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(costs, "CLUSTERS", 3)
    seen = []
    with small.unet.conv_in.register_forward_pre_hook(lambda module, given: seen.append(len(given[0]))):
        found = costs.emerdiff_ratios(small, 1)
    assert found["fast"] < found["exact"]
    assert seen[-3:] == [max(seen)] * 3
    assert set(found) == {"exact", "fast", "exact, over passes of one row"}


def test_comparing_in_float32_changes_no_segment():
    generator = torch.Generator().manual_seed(0)
    levels = {(16, 16): torch.randn(2, 256, 256, generator=generator).softmax(-1)}
    half, single = (
        released.diffseg(levels, (16, 16), (32, 32), 0.2, compared=kind) for kind in (torch.float16, torch.float32)
    )
    assert torch.equal(half, single)


def test_recall_is_that_of_the_exact_best_ten():
    found = costs.approximate_recall(pictures=300, queries=4)
    assert len(found) == 4
    assert sum(found) / 4 > 0.9


def test_search_is_timed_on_one_core(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(costs, "PICTURES", 500)
    threads = torch.get_num_threads()
    found = costs.search_seconds(1)
    assert set(found) == {"search", "rerank"}
    assert all(0 < one < 1 for one in found.values())
    assert torch.get_num_threads() == threads
    rows = scores._search()
    assert [row.id for row in rows] == ["search.exact", "search.rerank"]
    assert rows[0].holds
