"""The training loop: stopped anywhere, it ends where it would have ended."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from innerlight.backbones import NotFiniteError
from innerlight.tuning import training
from innerlight.tuning.training import Schedule, averaged_weights, state_of, train
from innerlight.types import InputError


class Line:
    """Fits y = 2 x + 1."""

    def __init__(self, *, half: bool = False, faint: float = 1.0) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = nn.Linear(1, 1)
        self.half = half  # what it gives, and so what comes back
        self.faint = faint

    def loss(self, step: int, batch: int) -> tuple[Tensor, dict[str, float]]:
        x = torch.randn(batch, 1, generator=torch.Generator().manual_seed(step))
        given = self.module(x).half() if self.half else self.module(x)
        loss = (given.float() - 2 * x - 1).square().mean()
        return loss * self.faint, {"step_seen": float(step)}

    def sample(self, averaged: nn.Module, folder: Path, step: int) -> None:
        (folder / f"sample-{step}").write_text("")


SCHEDULE = Schedule(steps=60, batch=16, rate=0.05, warmup=5, sample_steps=30, average=0.9)


def test_it_learns_and_keeps_a_log(tmp_path: Path):
    averaged = train(Line(), SCHEDULE, tmp_path)
    assert float(averaged.weight) == pytest.approx(2, abs=0.6)  # type: ignore[arg-type]
    assert {path.name for path in tmp_path.glob("sample-*")} == {"sample-30", "sample-60"}
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [50]
    assert state_of(tmp_path).samples == 60 * 16


def test_stopped_and_continued_it_is_the_same_training(tmp_path: Path):
    whole = train(Line(), SCHEDULE, tmp_path / "whole").state_dict()
    while state_of(tmp_path / "parts").step < SCHEDULE.steps:
        train(Line(), SCHEDULE, tmp_path / "parts", seconds=0)  # a step a run
    parts = averaged_weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_log_of_a_killed_run_has_each_step_once(tmp_path: Path):
    schedule = Schedule(steps=6, batch=16, rate=0.05, warmup=5, log_steps=1)
    train(Line(), schedule, tmp_path, seconds=0)  # one step, and its checkpoint
    with (tmp_path / "log.jsonl").open("a") as log:  # two that were lost with the process, the second amid its line
        log.write('{"step": 2, "loss": 7.0}\n{"step": 3, "lo')
    train(Line(), schedule, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[1]["loss"] != 7.0


def test_another_batch_is_refused(tmp_path: Path):
    train(Line(), SCHEDULE, tmp_path, seconds=0)
    with pytest.raises(InputError, match="batch of 16, not 8"):
        train(Line(), Schedule(steps=60, batch=8), tmp_path)


def test_a_loss_that_is_not_finite_stops_it(tmp_path: Path):
    line = Line()
    nn.init.constant_(line.module.weight, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(NotFiniteError, match="step 0"):
        train(line, SCHEDULE, tmp_path)


def test_nothing_trained_is_said_so(tmp_path: Path):
    assert state_of(tmp_path).step == 0
    with pytest.raises(InputError, match="train the stage first"):
        averaged_weights(tmp_path)


def test_the_rate_turns_where_the_data_does():
    schedule = Schedule(steps=100, batch=1, warmup=10, turn=60, final=0.1)
    rates = [training._share(step, schedule) for step in range(100)]
    assert rates[9] == rates[69] == 1.0
    assert rates[60] == rates[0] == 0.1
    assert rates[59] < 0.11
    assert rates[99] < 0.11
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[69:]))


WHOLE = replace(SCHEDULE, half=False, decay=0.0)
FAINT = 1e-9  # as that of a picture of many pixels, each of which counts little


def weight(module: nn.Module) -> float:
    return float(module.state_dict()["weight"])


def test_gradients_too_small_for_float16_arrive_where_the_loss_is_scaled(tmp_path: Path):
    begin = weight(Line().module)
    exact, lost = (weight(train(Line(half=half, faint=FAINT), WHOLE, None)) for half in (False, True))
    assert lost == begin, "without, nothing is learned"
    whole = train(Line(half=True, faint=FAINT), WHOLE, tmp_path / "whole", scaled=True)
    assert weight(whole) - begin == pytest.approx(exact - begin, rel=0.05)
    while state_of(tmp_path / "parts").step < SCHEDULE.steps:
        train(Line(half=True, faint=FAINT), WHOLE, tmp_path / "parts", seconds=0, scaled=True)
    parts = averaged_weights(tmp_path / "parts")
    assert all(torch.equal(one, parts[name]) for name, one in whole.state_dict().items())


def test_a_step_whose_gradients_are_not_finite_is_left_out():
    class Steep(Line):
        def loss(self, step: int, batch: int) -> tuple[Tensor, dict[str, float]]:
            found, figures = super().loss(step, batch)
            return found * (1e15 if step == 30 else 1), figures

    exact, left = (
        weight(train(kind(half=half, faint=FAINT), WHOLE, None, scaled=half))
        for kind, half in ((Line, False), (Steep, True))
    )
    assert left == pytest.approx(exact, abs=0.1)


@pytest.mark.parametrize("damage", [b"", b"no checkpoint at all", None])
def test_a_damaged_checkpoint_is_said_to_be_one(tmp_path: Path, damage: bytes | None):
    train(Line(), SCHEDULE, tmp_path, seconds=0)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    with pytest.raises(InputError, match="damaged"):
        train(Line(), SCHEDULE, tmp_path)
    with pytest.raises(InputError, match="damaged"):
        state_of(tmp_path)


def test_a_gradient_that_is_not_finite_stops_it_before_weights_change():
    class Root(Line):
        def loss(self, step: int, batch: int) -> tuple[Tensor, dict[str, float]]:
            return self.module.weight.abs().sum().sqrt(), {}

    line = Root()
    nn.init.zeros_(line.module.weight)
    with pytest.raises(NotFiniteError, match="gradient"):
        train(line, replace(SCHEDULE, half=False), None)
    assert torch.isfinite(line.module.weight).all()
