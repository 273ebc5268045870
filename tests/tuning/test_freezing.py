"""What is not to be learned takes no gradient, and a changed number is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from innerlight.tuning.freezing import ChangedError, fingerprints, frozen


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))


def test_while_open_nothing_is_trained_and_afterwards_all_is_as_before():
    net = network()
    net[0].bias.requires_grad_(False)
    with frozen({"net": net}):
        assert not any(one.requires_grad for one in net.parameters())
        assert not any(module.training for module in net.modules())
    assert [one.requires_grad for one in net.parameters()] == [True, False, True, True]
    assert all(module.training for module in net.modules())


def test_one_changed_number_is_found():
    net = network()
    with pytest.raises(ChangedError, match=r"1 tensors.*net\.0\.weight"), frozen({"net": net}), torch.no_grad():
        net[0].weight[1, 2] += 1e-6


def test_a_buffer_counts_too():
    net = network()
    with pytest.raises(ChangedError, match="running_mean"), frozen({"net": net}):
        net[2].running_mean.add_(1)


def test_fingerprints_are_of_bits():
    first, second = network(), network()
    assert fingerprints({"a": first}) == fingerprints({"a": second})
    with torch.no_grad():
        second[0].weight.zero_()
        first[0].weight.zero_().neg_()  # equal, but of other bits
    assert fingerprints({"a": first}) != fingerprints({"a": second})


def test_an_error_inside_is_the_one_that_leaves():
    net = network()
    with pytest.raises(KeyError), frozen({"net": net}):
        raise KeyError("mine")
    assert net[0].weight.requires_grad


CHANGES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "all signs": torch.neg,
    "the order of rows": lambda weight: weight.flip(0),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changes_that_cancel_in_a_sum_of_bits_are_found(what: str):
    torch.manual_seed(0)
    net = nn.Linear(4, 4)  # of an even number of weights
    with pytest.raises(ChangedError, match=r"1 tensors.*net\.weight"), frozen({"net": net}), torch.no_grad():
        net.weight.copy_(CHANGES[what](net.weight))


def test_numbers_alone_and_in_sixteen_bits_have_fingerprints():
    net = nn.Linear(2, 2).to(torch.bfloat16)
    net.scale = nn.Parameter(torch.tensor(1.5))
    assert len(fingerprints({"net": net})) == 3
