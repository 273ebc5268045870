"""Several processes that train together: as one would with all their samples."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from innerlight.tuning.peers import ALONE, Peers, accompanied
from innerlight.tuning.training import Schedule, averaged_weights, state_of, train
from innerlight.types import CancelledError, InputError

SCHEDULE = Schedule(steps=6, batch=8, rate=0.05, warmup=1, average=None, half=False, log_steps=2)


class Slope:
    """Fits y = 2 x + 1, each process from a slope of its own, on its part of the same samples for however many."""

    def __init__(
        self, slope: float = 0.0, *, peers: Peers = ALONE, fails: int | None = None, killed: bool = False
    ) -> None:
        self.module: nn.Module = nn.Linear(1, 1)
        nn.init.constant_(self.module.weight, slope)  # type: ignore[arg-type]
        nn.init.zeros_(self.module.bias)  # type: ignore[arg-type]
        self.peers, self.fails, self.killed = peers, fails, killed

    def loss(self, step: int, batch: int) -> tuple[Tensor, dict[str, float]]:
        if self.fails is not None and step >= self.fails:
            if self.killed:
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("a network of this process has ended")
        first = (step * self.peers.count + self.peers.number) * batch
        numbers = torch.arange(first, first + batch)
        x = torch.sin(numbers.float())[:, None]
        return (self.module(x) - 2 * x - 1).square().mean(), {}

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        (folder / f"sample-{step}").write_text("")


def along(folder: Path, fails: int | None, killed: bool, peers: Peers) -> None:
    train(Slope(7.0, peers=peers, fails=fails, killed=killed), SCHEDULE, folder, peers=peers)


def together(folder: Path, *, fails: int | None = None, killed: bool = False, seconds: float | None = None) -> None:
    with accompanied(2, 2, along, folder, fails, killed) as peers:
        train(Slope(peers=peers), SCHEDULE, folder, seconds=seconds, peers=peers)


def test_two_learn_what_one_does_of_the_same_samples(tmp_path: Path):
    whole = train(Slope(), SCHEDULE, tmp_path / "one").state_dict()
    together(tmp_path / "two")
    both = averaged_weights(tmp_path / "two")
    assert all(torch.allclose(whole[name], both[name], atol=1e-6) for name in whole)
    assert state_of(tmp_path / "two").samples == SCHEDULE.steps * SCHEDULE.batch


def test_stopped_they_go_on_together_or_alone(tmp_path: Path):
    whole = train(Slope(), SCHEDULE, tmp_path / "one").state_dict()
    together(tmp_path / "parts", seconds=0)
    assert state_of(tmp_path / "parts").step == 1
    together(tmp_path / "parts", seconds=0)
    parts = train(Slope(), SCHEDULE, tmp_path / "parts").state_dict()
    assert all(torch.allclose(whole[name], parts[name], atol=1e-6) for name in whole)


@pytest.mark.parametrize("killed", [False, True])
def test_whoever_fails_ends_all_and_what_was_learnt_is_kept(tmp_path: Path, killed: bool):
    with pytest.raises(CancelledError, match="cancelled after 2 of 6 steps; they are kept"):
        together(tmp_path, fails=2, killed=killed)
    assert state_of(tmp_path).step == 2
    for one in multiprocessing.active_children():  # what was told to end may take a moment on a busy machine
        one.join(30)
    assert not multiprocessing.active_children()


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="divide a batch of 9, got 2"):
        train(Slope(), replace(SCHEDULE, batch=9), tmp_path, peers=replace(ALONE, count=2))
