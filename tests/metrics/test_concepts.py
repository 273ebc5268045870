"""Masks with embeddings: by hand, and against the same pixel by pixel."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from innerlight.metrics import concept_sums, confusion, mean_iou, nearest_concept
from innerlight.types import InputError

TRUTH = np.array([[0, 0, 0, 1], [0, 1, 1, 255]])
MASKS = np.array([[0, 0, 1, 1], [0, 1, 1, 2]])
EMBEDDINGS = np.array([[2.0, 0.0], [0.0, 1.0], [9.0, 9.0]])


def test_prototypes_by_hand():
    sums = concept_sums(TRUTH, MASKS, EMBEDDINGS, 3, ignore=255)
    # class 0: three pixels of mask 0 and one of mask 1, class 1: three of mask 1; mask 2 lies under ignored pixels
    assert sums.sums.tolist() == [[6, 1], [0, 3], [0, 0]]
    assert sums.pixels.tolist() == [4, 3, 0]
    np.testing.assert_equal(sums.prototypes, [[1.5, 0.25], [0, 1], [np.nan, np.nan]])


def test_masks_take_the_nearest_class_by_hand():
    prototypes = concept_sums(TRUTH, MASKS, EMBEDDINGS, 3, ignore=255).prototypes
    named = nearest_concept(EMBEDDINGS, prototypes)
    # cosines of (9, 9): with (1.5, 0.25) 1.75 / (1.41 * 1.52) = 0.81, with (0, 1) 0.71
    assert named.tolist() == [0, 1, 0]
    table = confusion(TRUTH, named[MASKS], 3, ignore=255)
    assert mean_iou(table) == pytest.approx((3 / 4 + 3 / 4) / 2)


@given(seed=st.integers(0, 99))
def test_it_is_the_same_pixel_by_pixel_and_pictures_add_up(seed: int):
    generator = np.random.default_rng(seed)
    pictures = [
        (generator.integers(0, 4, (3, 5)), generator.integers(0, 6, (3, 5)), generator.normal(size=(6, 7)))
        for _ in range(3)
    ]
    total = reduce(add, (concept_sums(*picture, classes=4, ignore=3) for picture in pictures))
    pixels = np.concatenate([vectors[masks].reshape(-1, 7) for _, masks, vectors in pictures])
    labels = np.concatenate([truth.ravel() for truth, _, _ in pictures])
    for number in range(3):
        assert total.prototypes[number] == pytest.approx(pixels[labels == number].mean(0))
    assert total.pixels[3] == 0
    vectors = pictures[0][2]
    theirs = cosine_similarity(vectors, total.prototypes[:3]).argmax(1)
    assert (nearest_concept(vectors, total.prototypes) == theirs).all()
    assert (nearest_concept(5 * vectors, total.prototypes) == theirs).all()


def test_masks_as_they_should_be_score_1():
    truth = np.array([[0, 0, 1, 1], [2, 2, 1, 1]])
    masks = np.array([[3, 3, 0, 0], [1, 2, 0, 0]])
    embeddings = np.array([[0.0, 1, 0], [0, 0, 1], [0.1, 0, 1], [1, 0, 0]])
    prototypes = concept_sums(truth, masks, embeddings, 3).prototypes
    assert mean_iou(confusion(truth, nearest_concept(embeddings, prototypes)[masks], 3)) == 1


def test_classes_without_a_prototype_are_never_chosen_and_of_equals_the_first_is():
    prototypes = [[np.nan, np.nan], [1, 0], [2, 0]]
    assert nearest_concept([[1, 0], [0, 1], [0, 0], [-1, 0]], prototypes).tolist() == [1, 1, 1, 1]


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="raise clusters"):
        concept_sums(TRUTH, MASKS, EMBEDDINGS[:1], 3, ignore=255)
    with pytest.raises(InputError, match=r"\(masks, channels\)"):
        concept_sums(TRUTH, MASKS, EMBEDDINGS[0], 3)
    with pytest.raises(InputError, match="finite"):
        nearest_concept([[np.nan, 0]], EMBEDDINGS)
    with pytest.raises(InputError, match=r"expected \(classes, 2\), got \(1, 3\)"):
        nearest_concept(EMBEDDINGS, [[1, 2, 3]])
    with pytest.raises(InputError, match="every class"):
        nearest_concept(EMBEDDINGS, np.full((2, 2), np.nan))
    with pytest.raises(InputError, match="do not add up"):
        add(concept_sums([0], [0], [[1.0]], 1), concept_sums([0], [0], [[1.0]], 2))
