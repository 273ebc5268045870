"""Nearest neighbours: exactly what resizing features to the picture would give, without doing so."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from innerlight.maps import resize
from innerlight.matching import Features, mutual, nearest, nearest_cells, similarity
from innerlight.types import InputError


def features(
    seed: int, grid: tuple[int, int] = (5, 7), size: tuple[int, int] = (20, 28), channels: int = 6
) -> Features:
    values = torch.randn(channels, *grid, generator=torch.Generator().manual_seed(seed))
    return Features(values, size)


POINTS = torch.tensor([[3.5, 2.5], [27.5, 19.5], [0.0, 0.0], [28.0, 20.0], [14.2, 9.9]])


def test_similarity_is_the_cosine_of_features_at_the_size_of_the_picture():
    source, target = features(0), features(1)
    fine = F.normalize(resize(target.values, target.image_size), dim=0)
    wanted = F.normalize(source.at(POINTS), dim=1)
    plain = torch.einsum("nc,chw->nhw", wanted, fine)
    assert torch.allclose(similarity(source, target, POINTS), plain, atol=1e-5)


def test_features_between_cells_are_those_of_the_resized_grid():
    one = features(0)
    fine = resize(one.values, one.image_size)
    x, y = torch.tensor([0, 9, 27]), torch.tensor([0, 13, 19])
    middles = torch.stack([x + 0.5, y + 0.5], -1)
    assert torch.allclose(one.at(middles), fine[:, y, x].T, atol=1e-5)


def test_a_picture_matches_itself():
    one = features(3, channels=64)
    points = torch.tensor(
        [[2.5, 2.5], [9.5, 13.5], [25.5, 17.5], [14.5, 3.5]]
    )  # beyond the outermost cells all is alike
    found, scores = nearest(one, one, points)
    assert torch.equal(found, points)
    assert torch.allclose(scores, torch.ones(4), atol=1e-5)


def test_scaling_one_picture_changes_no_match():
    source, target = features(0), features(1)
    louder = Features(target.values * 7, target.image_size)
    assert torch.equal(nearest(source, target, POINTS)[0], nearest(source, louder, POINTS)[0])


def test_shifting_both_shifts_the_matches():
    source, target = features(0, (6, 6), (6, 6)), features(1, (6, 6), (6, 6))
    there = nearest_cells(source, target)[0].view(6, 6)
    moved = [Features(one.values.roll((1, 2), (1, 2)), one.image_size) for one in (source, target)]
    shifted = nearest_cells(*moved)[0].view(6, 6)
    rows, columns = there // 6, there % 6
    expected = ((rows + 1) % 6 * 6 + (columns + 2) % 6).roll((1, 2), (0, 1))
    assert torch.equal(shifted, expected)


def test_pieces_are_the_whole(monkeypatch: pytest.MonkeyPatch):
    source, target = features(0), features(1)
    whole = nearest(source, target, POINTS), nearest_cells(source, target)
    import sys

    monkeypatch.setattr(sys.modules["innerlight.matching.nearest"], "NUMBERS", 1)
    pieces = nearest(source, target, POINTS), nearest_cells(source, target)
    for one, other in zip(whole, pieces, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.allclose(one[1], other[1], atol=1e-6)


def test_mutual_cells_are_each_others_nearest():
    source, target = features(0), features(1)
    there, back = nearest_cells(source, target)[0], nearest_cells(target, source)[0]
    found = mutual(source, target)
    assert 0 < len(found) < 35
    assert all(there[a] == b and back[b] == a for a, b in found.tolist())
    assert torch.equal(mutual(source, source), torch.arange(35)[:, None].expand(-1, 2))


@pytest.mark.parametrize("points", [torch.zeros(0, 2), torch.zeros(3), torch.zeros(2, 3)])
def test_points_have_two_numbers(points: torch.Tensor):
    with pytest.raises(InputError, match=r"\(n, 2\)"):
        features(0).at(points)


@pytest.mark.parametrize("point", [[-0.1, 3.0], [28.1, 3.0], [3.0, 20.5], [float("nan"), 1.0]])
def test_points_outside_are_refused(point: list[float]):
    with pytest.raises(InputError, match="outside its picture of 28 x 20"):
        nearest(features(0), features(1), torch.tensor([point]))


def test_features_of_two_sites_are_refused():
    with pytest.raises(InputError, match="of 6 and of 4"):
        nearest(features(0), features(1, channels=4), POINTS)
    with pytest.raises(InputError, match="finite"):
        Features(torch.full((2, 2, 2), torch.nan), (4, 4))
    with pytest.raises(InputError, match=r"\(c, h, w\)"):
        Features(torch.zeros(2, 2), (4, 4))
