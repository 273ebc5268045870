"""Rankings: by hand, over all orders of equals, against scikit-learn and torchmetrics."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from innerlight.metrics import average_precision, first_rank, mean_average_precision, recall_at, reciprocal_rank
from innerlight.types import InputError

TIES = ("worst", "average")
# few values, so that equals are common
GALLERIES = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6)


def split(gallery: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    scores, positives = zip(*gallery, strict=True)
    return np.array(scores, float), np.array(positives)


def in_order(positives: np.ndarray) -> float:
    """Average precision of a list that is ranked already, as it is defined."""
    ranks = [rank for rank, positive in enumerate(positives, 1) if positive]
    return sum(n / rank for n, rank in enumerate(ranks, 1)) / len(ranks)


def all_orders(scores: np.ndarray, positives: np.ndarray) -> list[float]:
    orders = [list(order) for order in permutations(range(len(scores)))]
    return [in_order(positives[order]) for order in orders if (np.diff(scores[order]) <= 0).all()]


def test_average_precision_by_hand():
    # positives at ranks 1 and 3: (1 / 1 + 2 / 3) / 2
    assert average_precision([0.9, 0.8, 0.7, 0.1], [True, False, True, False]) == pytest.approx(5 / 6)
    # all equal: the positive comes last, or at any rank: (1 + 1 / 2 + 1 / 3) / 3
    assert average_precision([1, 1, 1], [True, False, False]) == pytest.approx(1 / 3)
    assert average_precision([1, 1, 1], [True, False, False], "average") == pytest.approx(11 / 18)
    assert math.isnan(average_precision([1, 2], [False, False]))


@given(gallery=GALLERIES)
def test_equals_are_ranked_at_their_worst_or_on_average(gallery: list[tuple[int, bool]]):
    scores, positives = split(gallery)
    if not positives.any():
        return
    orders = all_orders(scores, positives)
    assert average_precision(scores, positives) == pytest.approx(min(orders))
    assert average_precision(scores, positives, "average") == pytest.approx(np.mean(orders))


@given(gallery=GALLERIES, seed=st.integers(0, 99))
def test_the_order_of_the_gallery_means_nothing(gallery: list[tuple[int, bool]], seed: int):
    scores, positives = split(gallery)
    order = np.random.default_rng(seed).permutation(len(scores))
    for ties in TIES:
        one, other = (
            average_precision(scores, positives, ties),
            average_precision(scores[order], positives[order], ties),
        )
        assert one == pytest.approx(other, nan_ok=True)
    np.testing.assert_equal(first_rank(scores, positives), first_rank(scores[order], positives[order]))


@given(seed=st.integers(0, 99), size=st.integers(1, 40))
def test_without_equals_it_is_scikit_learns(seed: int, size: int):
    generator = np.random.default_rng(seed)
    scores, positives = generator.permutation(size) - 7.5, generator.uniform(size=size) < 0.4
    positives[0] = True
    for ties in TIES:
        assert average_precision(scores, positives, ties) == pytest.approx(average_precision_score(positives, scores))
        assert average_precision(np.exp(scores / 20), positives, ties) == average_precision(scores, positives, ties)


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_one_positive_scores_one_over_its_rank(size: int):
    scores = np.arange(size, 0, -1)
    for rank in range(1, size + 1):
        positives = np.arange(1, size + 1) == rank
        for ties in TIES:
            assert average_precision(scores, positives, ties) == pytest.approx(1 / rank)
        assert first_rank(scores, positives) == rank
        assert reciprocal_rank(scores, positives) == 1 / rank
        assert [recall_at(k, scores, positives) for k in (1, 5, 10)] == [rank <= 1, rank <= 5, True]
    perfect = np.arange(size) == 0
    assert average_precision(-scores, perfect) == pytest.approx(1 / size)  # reversed


@given(positives=st.integers(1, 9), negatives=st.integers(0, 9))
def test_all_positives_first_scores_1(positives: int, negatives: int):
    wanted = np.repeat([True, False], [positives, negatives])
    for ties in TIES:
        assert average_precision(wanted.astype(float), wanted, ties) == pytest.approx(1)
    assert first_rank(wanted.astype(float), wanted) == 1


def test_random_scores_are_at_the_share_of_positives():
    generator = np.random.default_rng(0)
    wanted = generator.uniform(size=20000) < 0.2
    assert average_precision(generator.normal(size=20000), wanted) == pytest.approx(wanted.mean(), abs=0.01)
    assert average_precision(np.zeros(20000), wanted, "average") == pytest.approx(wanted.mean(), abs=0.01)
    assert average_precision(np.zeros(20000), wanted) < wanted.mean()


def test_queries_by_hand():
    scores = [[3, 2, 1], [3, 2, 1], [5, 4], [1, 2, 3, 4]]
    positives = [[True, False, False], [False, False, True], [False, False], [False, True, False, True]]
    # 1, 1 / 3, no positive, ranks 1 and 3
    assert mean_average_precision(scores, positives) == pytest.approx((1 + 1 / 3 + 5 / 6) / 3)
    assert math.isnan(mean_average_precision(scores[2:3], positives[2:3]))
    assert math.isnan(mean_average_precision([], []))
    assert mean_average_precision([[1, 1]], [[True, False]], "average") == pytest.approx(3 / 4)


def test_the_first_of_equals_is_no_positive():
    # before the best positive stand 3 and the other 2
    assert first_rank([3, 2, 2, 1], [False, True, False, True]) == 3
    assert recall_at(2, [3, 2, 2, 1], [False, True, False, True]) == 0
    assert recall_at(3, [3, 2, 2, 1], [False, True, False, True]) == 1
    for score in (first_rank, reciprocal_rank, lambda *query: recall_at(1, *query)):
        assert math.isnan(score([1, 2], [False, False]))


@given(gallery=GALLERIES, k=st.integers(1, 7))
def test_recall_is_the_worst_over_all_orders_of_equals(gallery: list[tuple[int, bool]], k: int):
    scores, positives = split(gallery)
    if not positives.any():
        return
    orders = [list(order) for order in permutations(range(len(scores)))]
    ranked = [positives[order] for order in orders if (np.diff(scores[order]) <= 0).all()]
    assert recall_at(k, scores, positives) == min(wanted[:k].any() for wanted in ranked)


def test_without_equals_it_is_torchmetrics():
    pytest.importorskip("torchmetrics")
    import torch
    from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_reciprocal_rank

    generator = np.random.default_rng(0)
    scores, wanted = generator.permutation(50) / 50, generator.uniform(size=50) < 0.1
    ours = torch.tensor(scores), torch.tensor(wanted)
    assert average_precision(scores, wanted) == pytest.approx(float(retrieval_average_precision(*ours)))
    assert reciprocal_rank(scores, wanted) == pytest.approx(float(retrieval_reciprocal_rank(*ours)))


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"got \(2,\) and \(3,\)"):
        average_precision([1, 2], [True, False, True])
    with pytest.raises(InputError, match="rank one query"):
        first_rank(np.ones((2, 2)), np.ones((2, 2), bool))
    with pytest.raises(InputError, match="nan or infinity"):
        average_precision([1, np.nan], [True, False])
    with pytest.raises(InputError, match="mask of bool"):
        average_precision([1, 2], [1, 0])
    with pytest.raises(InputError, match='"worst" or "average"'):
        average_precision([1, 2], [True, False], "best")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="from 1 on"):
        recall_at(0, [1, 2], [True, False])
    with pytest.raises(ValueError, match="shorter"):
        mean_average_precision([[1, 2]], [])
