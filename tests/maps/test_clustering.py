"""k-means over cells."""

from __future__ import annotations

import pytest
import torch

from innerlight.maps import k_means
from innerlight.types import InputError


def heaps() -> torch.Tensor:
    return (
        torch.randn(30, 2, generator=torch.Generator().manual_seed(0)) * 0.1 + torch.arange(3).repeat(10)[:, None] * 5
    )


def test_heaps_are_found_and_the_seed_decides():
    labels, centres = k_means(heaps(), 3, seed=1)
    assert len({tuple(labels[k::3].tolist()) for k in range(3)}) == 3
    assert all(len(set(labels[k::3].tolist())) == 1 for k in range(3))
    assert torch.equal(labels, k_means(heaps(), 3, seed=1)[0])
    assert torch.allclose(centres[labels[0]], heaps()[::3].mean(0), atol=1e-5)


def test_it_begins_at_given_centres():
    starts = torch.tensor([[10.0, 10.0], [0.0, 0.0], [5.0, 5.0]])
    labels, centres = k_means(heaps(), starts)
    assert labels[:3].tolist() == [1, 2, 0]
    assert torch.allclose(centres.round(), starts, atol=1.0)


def test_double_precision_is_asked_of_the_cpu_alone(monkeypatch: pytest.MonkeyPatch):
    """MPS has none: numbers are brought over first."""
    asked: list[str] = []
    for name in ("cpu", "double"):
        plain = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda self, name=name, plain=plain: asked.append(name) or plain(self))
    k_means(heaps(), heaps()[:3])
    assert asked == ["cpu", "double"] * 2


@pytest.mark.parametrize("clusters", [0, 31])
def test_more_clusters_than_vectors_are_refused(clusters: int):
    with pytest.raises(InputError, match="1 to 30"):
        k_means(heaps(), clusters)
