"""Merging rows of attention: the divergence, the passes, the anchors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import rel_entr

from innerlight.maps import anchor_cells, divergences, merge
from innerlight.types import InputError


def distributions(count: int, cells: int, seed: int = 0) -> torch.Tensor:
    return (
        torch.rand(count, cells, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).pow(3).softmax(1)
    )


def blocks(sizes: tuple[int, ...]) -> torch.Tensor:
    """Rows that look evenly at their own block."""
    owner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    same = (owner[:, None] == owner).double()
    return same / same.sum(1, keepdim=True)


def test_the_divergence_is_its_definition():
    p, q = distributions(5, 12), distributions(4, 12, seed=1)
    plain = [[float(rel_entr(a, b).sum() + rel_entr(b, a).sum()) / 2 for b in q.numpy()] for a in p.numpy()]
    assert np.allclose(divergences(p, q), plain, atol=1e-12)
    # D = 1/2 sum (p - q)(log p - log q)
    other = ((p[:, None] - q) * (p.log()[:, None] - q.log())).sum(-1) / 2
    assert torch.allclose(divergences(p, q), other, atol=1e-12)


def test_the_divergence_is_symmetric_and_zero_at_itself():
    p = distributions(6, 9)
    found = divergences(p, p)
    assert (found >= 0).all()
    assert torch.allclose(found, found.T, atol=1e-12)
    assert torch.allclose(found.diagonal(), torch.zeros(6, dtype=torch.float64), atol=1e-12)


def test_shares_of_zero_give_numbers():
    p = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert torch.isfinite(divergences(p, p)).all()
    assert divergences(p, p)[0, 1] > 20  # log 1e-12 is -27.6


def test_an_endless_threshold_leaves_one_segment():
    rows = distributions(36, 36)
    found = merge(rows, torch.arange(0, 36, 5), float("inf"), passes=2)
    assert torch.allclose(found, rows.mean(0, keepdim=True))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_tiny_threshold_returns_the_anchors(kind: torch.dtype):
    """Also where rounding puts a row at more than that from itself."""
    rows, anchors = distributions(36, 36).to(kind), torch.tensor([3, 17, 30])
    assert torch.equal(merge(rows, anchors, 1e-9, passes=1), rows[anchors])
    assert torch.allclose(merge(rows, anchors, 1e-9, passes=4), rows[anchors])


def test_blocks_come_back_as_they_are():
    rows = blocks((4, 6, 2))
    found = merge(rows, torch.tensor([1, 5, 8, 11]), 0.5)
    assert torch.allclose(found, rows[[0, 4, 10]])


def test_proposals_never_grow_in_number():
    rows = distributions(64, 64)
    counts = [len(merge(rows, torch.arange(0, 64, 3), 0.06, passes)) for passes in range(1, 6)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 22
    assert counts[-1] < 22


def test_a_later_pass_walks_the_list_as_the_card_says():
    """A second, plain writing of step 7."""
    noise = torch.randn(49, 49, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    rows, anchors, near = noise.softmax(1), torch.arange(0, 49, 6), 0.56
    proposals = merge(rows, anchors, near, passes=1)
    taken, expected = [False] * len(proposals), []
    for one in range(len(proposals)):
        if taken[one]:
            continue
        group = [
            k for k in range(len(proposals)) if k == one or float(divergences(proposals[[one]], proposals[[k]])) < near
        ]
        expected.append(proposals[group].mean(0))
        for k in group:
            taken[k] = True
    assert 1 < len(expected) < len(proposals)
    assert torch.allclose(merge(rows, anchors, near, passes=2), torch.stack(expected))


def test_anchors_lie_evenly_and_centred():
    assert anchor_cells((64, 64), (16, 16))[:3].tolist() == [(63 - 60) // 2 * 64 + 1, 1 * 64 + 5, 1 * 64 + 9]
    assert anchor_cells((5, 3), (1, 1)).tolist() == [2 * 3 + 1]
    cells = anchor_cells((8, 12), (2, 3))
    rows, columns = cells // 12, cells % 12
    assert sorted(set(rows.tolist())) == [0, 7]
    assert sorted(set(columns.tolist())) == [0, 5, 10]


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_that_keeps_nothing_is_refused(threshold: float):
    with pytest.raises(InputError, match="above 0"):
        merge(distributions(4, 4), torch.tensor([0]), threshold)


def test_no_passes_and_too_many_anchors_are_refused():
    with pytest.raises(InputError, match="passes"):
        merge(distributions(4, 4), torch.tensor([0]), 1.0, passes=0)
    with pytest.raises(InputError, match="1 to 4 along"):
        anchor_cells((4, 4), (5, 1))
