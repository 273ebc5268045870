"""Processes that train one network together: each takes its share of a batch, all go by the mean of their gradients.

Threads of one process wait for each other at every layer, processes once a step; on two cores that gains little
(`innerlight.embedded.recipe` has the numbers), on more it was not measured.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.synchronize import Barrier
from typing import Any

import torch
from torch import Tensor, nn

from innerlight.types import CancelledError


@dataclass(frozen=True, eq=False)
class Peers:
    """One of several processes, as it sees the others; by itself it is alone."""

    number: int = 0  # of this one; 0 keeps what was learnt, and says when to stop
    count: int = 1
    slates: Tensor | None = None  # (count, numbers) in shared memory: what each has to say
    meeting: Barrier | None = None

    def begin(self, parameters: Sequence[nn.Parameter]) -> None:
        """All start with the weights of number 0."""
        if self.slates is None:
            return
        with torch.no_grad():
            self._say(torch.cat([one.flatten() for one in parameters]))
            first = self._heard(sum(one.numel() for one in parameters))[0]
            for one, new in zip(parameters, first.split([one.numel() for one in parameters]), strict=True):
                one.copy_(new.view(one.shape))

    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Gradients become the mean of those of all."""
        if self.slates is None:
            return
        grads = [one.grad for one in parameters if one.grad is not None]
        with torch.no_grad():
            self._say(torch.cat([grad.flatten() for grad in grads]))
            mean = self._heard(sum(grad.numel() for grad in grads)).mean(0)
            for grad, new in zip(grads, mean.split([grad.numel() for grad in grads]), strict=True):
                grad.copy_(new.view(grad.shape))

    def agreed(self, wish: bool) -> bool:
        """What number 0 wishes."""
        if self.slates is None:
            return wish
        self._say(torch.tensor([float(wish)]))
        return bool(self._heard(1)[0, 0])

    def _say(self, numbers: Tensor) -> None:
        assert self.slates is not None
        self.slates[self.number, : len(numbers)] = numbers
        self._meet()

    def _heard(self, count: int) -> Tensor:
        """(peers, count), once all have read it."""
        assert self.slates is not None
        heard = self.slates[:, :count].clone()
        self._meet()
        return heard

    def _meet(self) -> None:
        assert self.meeting is not None
        try:
            self.meeting.wait()
        except threading.BrokenBarrierError as error:
            raise CancelledError("a process that trained along has ended") from error


ALONE = Peers()


@contextmanager
def accompanied(count: int, numbers: int, task: Callable[..., Any], *arguments: Any) -> Iterator[Peers]:
    """This process as the first of `count`; each other runs `task(*arguments, peers)` beside it, and ends with it.

    `numbers`: of the network's parameters.
    """
    if count == 1:
        yield ALONE
        return
    context = multiprocessing.get_context("spawn")
    slates, meeting = torch.zeros(count, numbers).share_memory_(), context.Barrier(count)
    others = [
        context.Process(target=_along, args=(Peers(k, count, slates, meeting), task, arguments), daemon=True)
        for k in range(1, count)
    ]
    for other in others:
        other.start()
    threading.Thread(target=_break_up, args=(others, meeting), daemon=True).start()
    try:
        yield Peers(0, count, slates, meeting)
    except BaseException:
        meeting.abort()
        raise
    finally:
        for other in others:
            other.join(10)
            other.terminate()


def _break_up(others: Sequence[Any], meeting: Barrier) -> None:
    """Nobody waits for one who was killed."""
    running = list(others)
    while running:
        wait([other.sentinel for other in running])
        running = [other for other in running if other.is_alive()]
        if any(other.exitcode for other in others):
            meeting.abort()


def _along(peers: Peers, task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    assert peers.meeting is not None
    try:
        with suppress(CancelledError, KeyboardInterrupt):  # the first one tells of it
            task(*arguments, peers)
    except BaseException:
        peers.meeting.abort()
        raise


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
