"""Dense correspondence: it undoes itself, shows the same paint, and knows what is hidden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerlight.types import InputError
from innerlight.world import truth
from innerlight.world.correspondence import correspond, same_categories, same_individuals
from innerlight.world.draw import render
from innerlight.world.layout import sample
from innerlight.world.looks import individual

SEEDS = st.integers(0, 99_999)


def two_scenes(seed: int, size: int = 128):
    looks = [individual(seed), individual(seed + 1)]
    return render(sample(seed, looks=looks), size, size), render(sample(seed + 50_000, looks=looks), size, size)


@given(seed=SEEDS)
def test_composed_with_its_inverse_it_is_the_identity_where_visible(seed: int):
    """Carried there and back: the way back is known at pixel centres, so it is taken with its own slope."""
    source, target = two_scenes(seed)
    there, back = correspond(source, target), correspond(target, source)
    rows, columns = np.nonzero(there.visible)
    x, y = there.flow[rows, columns].T
    row, column = np.floor(y).astype(int), np.floor(x).astype(int)
    home = back.flow[row, column]
    # One affine map serves a whole shape: its slope from the frames, at the owner that both pixels share.
    for owner in np.unique(target.owners[row, column]):
        mine = target.owners[row, column] == owner
        slope = slope_back(source, target, int(owner))
        offset = np.stack([x - (column + 0.5), y - (row + 0.5)], axis=-1)[mine]
        error = home[mine] + offset @ slope.T - np.stack([columns + 0.5, rows + 0.5], axis=-1)[mine]
        assert np.abs(error).max() < 1e-5
    assert len(rows) > 50


def slope_back(source, target, owner: int) -> np.ndarray:
    """The linear part (2, 2) of the map from a shape of the target to its partner in the source."""
    if owner == 0:
        return np.eye(2)
    number = max(k for k, placed in enumerate(target.placed) if placed.first <= owner)
    shape = target.placed[number].shapes[owner - target.placed[number].first]
    (twin,) = (k for k, other in same_individuals(source, target).items() if other == number)
    (partner,) = (other for other in source.placed[twin].shapes if other.key == shape.key)
    here, home = (np.array([[f.ux, f.vx], [f.uy, f.vy]]) for f in (shape.frame, partner.frame))
    return home @ np.linalg.inv(here)


@given(seed=SEEDS)
def test_a_scene_corresponds_to_itself(seed: int):
    drawn = render(sample(seed), 96, 96)
    found = correspond(drawn, drawn, {k: k for k in range(len(drawn.placed))})
    assert found.visible.all()
    columns, rows = np.meshgrid(np.arange(96) + 0.5, np.arange(96) + 0.5)
    assert np.allclose(found.flow, np.stack([columns, rows], axis=-1), atol=1e-6)


@given(seed=SEEDS)
def test_at_another_size_it_is_a_scaling(seed: int):
    small, large = (render(sample(seed), side, side) for side in (64, 160))
    found = correspond(small, large, {k: k for k in range(len(small.placed))})
    columns, rows = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    assert np.allclose(found.flow, 2.5 * np.stack([columns, rows], axis=-1), atol=1e-5)
    assert found.visible.mean() > 0.96


def test_partners_show_the_same_paint():
    """The same individual by day, twice: where both are seen, the colours are alike."""
    differences = []
    for seed in range(12):
        looks = [individual(seed, "mug"), individual(seed, "teapot")]
        scenes = [sample(seed + k, looks=looks, style="photo", arrangement="beside") for k in (0, 900)]
        source, target = (render(scene, 256, 256) for scene in scenes)
        found = correspond(source, target)
        rows, columns = np.nonzero(found.visible & (truth.instances(source) > 0))
        x, y = np.floor(found.flow[rows, columns]).astype(int).T
        difference = source.picture[rows, columns].astype(int) - target.picture[y, x].astype(int)
        differences.append(np.median(np.abs(difference)))
    assert np.mean(differences) < 12


def test_what_is_hidden_is_not_visible():
    looks = [individual(1, "cat"), individual(2, "elephant")]
    free = render(sample(3, looks=looks, arrangement="beside"), 128, 128)
    hidden = render(sample(3, looks=looks, arrangement="behind"), 128, 128)
    found = correspond(free, hidden)
    cat = truth.instances(free) == 1
    share = found.visible[cat].mean()
    assert 0.05 < share < 0.97


def test_the_dogs_ear_is_the_horses_ear():
    dog, horse = (render(sample(4, categories=[name]), 256, 256) for name in ("dog", "horse"))
    found = correspond(dog, horse, {0: 0})
    ear = truth.parts(dog).labels == {name: k for k, name in truth.part_names().items()}["ear"]
    rows, columns = np.nonzero(found.visible & ear)
    assert len(rows) > 20
    x, y = np.floor(found.flow[rows, columns]).astype(int).T
    parts = truth.parts(horse)
    assert {parts.names[int(k)] for k in np.unique(parts.labels[y, x])} == {"ear"}


def test_things_of_other_kinds_have_nothing_in_common():
    dog, ball = (render(sample(4, categories=[name], setting="snow"), 96) for name in ("dog", "ball"))
    found = correspond(dog, ball, {0: 0})
    assert not found.visible[truth.instances(dog) == 1].any()


@pytest.mark.parametrize("partners", [{0: 9}, {-1: 0}, {0: 0, 1: 0}, {"0": 0}])
def test_partners_that_are_not_there_are_refused(partners):
    one = render(sample(1, count=2), 32)
    with pytest.raises(InputError, match="partners"):
        correspond(one, one, partners)


def test_strangers_do_not_correspond_unless_paired():
    one, other = (render(sample(seed, categories=["cat"], setting="grass"), 64, 64) for seed in (0, 1))
    assert not correspond(one, other).visible.any()
    assert correspond(one, other, same_categories(one, other)).visible.any()
