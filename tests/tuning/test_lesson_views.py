"""A lesson's model: at a step, for what its batch shows, and with what is open while it is at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from innerlight.backbones import Backbone
from innerlight.files import read_picture
from innerlight.prompts import LearnedWord
from innerlight.tuning.denoising import Batch, Draw, Part, Shots, TextStates, losses
from innerlight.tuning.lessons import Lesson, Term, begun
from innerlight.tuning.offsets import Offset, fused, offset
from innerlight.world import render, sample

PICTURES = [render(sample(seed), 64).picture for seed in (1, 2, 3)]
SIZE = (64, 64)
ROWS = 2  # of a batch


def one_for_each_row(chosen: Sequence[int], random: np.random.Generator) -> list[str]:
    return [f"a <row-{row}>" for row in range(len(chosen))]


def knowing_rows(backbone: Backbone, vectors: Sequence[Tensor]) -> list[LearnedWord]:
    """A word for each row of a batch."""
    return [LearnedWord(f"<row-{row}>", (one[None],)) for row, one in enumerate(vectors)]


def figure(one: Lesson, step: int) -> float:
    return float(one.loss(step, ROWS)[0].detach())


def lesson(backbone: Backbone, view: Backbone, module: nn.Module, **more: Any) -> Lesson:
    part = Part("one", Shots.of(backbone, PICTURES, SIZE), one_for_each_row, ROWS)
    told: dict[str, Any] = {"changing": lambda prompt: True, "seed": 1, "shown": ["a cat"]}
    quick = replace(view, calibration={"steps": 2})
    return Lesson(module, lambda step: quick, [part], **told, **more)


def test_the_model_may_depend_on_what_was_drawn(small: Backbone):
    """A word for each picture, at its time, which gradients reach."""
    (begin,) = begun(small, "car")
    table = nn.Embedding(len(PICTURES), begin.shape[1])
    known = small.knowing(*knowing_rows(small, begin.expand(ROWS, -1)))
    drawn: list[Draw] = []
    batches: list[Batch] = []

    def seeing(view: Backbone, draw: Draw) -> Backbone:
        assert view.learned == known.learned
        drawn.append(draw)
        share = draw.times[:, None] / 1000
        return view.relearning(*knowing_rows(view, list(begin + share * table(torch.tensor(draw.chosen["one"])))))

    def kept(batch: Batch, seen: Any) -> Tensor:
        batches.append(batch)
        return torch.zeros(())

    one = lesson(small, known, table, seeing=seeing, terms={"kept": Term(kept)})
    for step in range(4):
        one.loss(step, ROWS)[0].backward()
    for draw, batch in zip(drawn, batches, strict=True):
        assert (draw.step, draw.chosen, draw.said) == (batch.step, batch.chosen, batch.said)
        for ours, theirs in ((draw.noisy, batch.noisy), (draw.times, batch.times), (draw.target, batch.target)):
            assert torch.equal(ours, theirs)
        assert not torch.equal(batch.context.states[0], batch.context.states[1]), "rows of their own"
    shown = {number for draw in drawn for number in draw.chosen["one"]}
    assert table.weight.grad is not None
    assert {k for k in range(len(PICTURES)) if table.weight.grad[k].any()} == shown


def test_without_it_the_batch_is_the_same(small: Backbone):
    (begin,) = begun(small, "car")
    known = small.knowing(*knowing_rows(small, begin.expand(ROWS, -1)))
    plain, seeing = (lesson(small, known, nn.Linear(1, 1), seeing=one) for one in (None, lambda view, draw: view))
    batch = Batch.of(known, plain.parts, TextStates(SIZE, lambda prompt: True), seed=1, step=3)
    expected = float(losses(batch, plain.parts)["one"].detach())
    assert figure(plain, 3) == figure(seeing, 3) == expected


@pytest.fixture
def values(small: Backbone) -> list[str]:
    return [f"{site.path}.to_v" for site in small.places]


def test_weights_may_be_others_while_the_model_is_at_work(small: Backbone, values: list[str], tmp_path: Path):
    known = small.knowing(*knowing_rows(small, [one[0] for one in begun(small, "car") for _ in range(ROWS)]))
    shapes = [small.unet.get_submodule(path).weight.shape for path in values]
    deltas = nn.ParameterList(torch.full(shape, 0.5) for shape in shapes)
    offsets = {path: Offset(delta, multiplies=True) for path, delta in zip(values, deltas, strict=True)}
    one = lesson(small, known, deltas, open_while=lambda: offset(small.unet, offsets))
    plain = lesson(small, known, deltas)
    one.loss(0, ROWS)[0].backward()
    assert all(delta.grad is not None and delta.grad.any() for delta in deltas)
    with fused(small.unet, offsets):
        inside = figure(plain, 0)
        plain.sample(deltas, tmp_path, 2)
    assert figure(one, 0) == pytest.approx(inside, rel=1e-5)
    assert abs(inside - figure(plain, 0)) > 1e-4 * inside
    assert not any(module._forward_hooks for module in small.unet.modules()), "and afterwards nothing is open"
    plain.sample(deltas, tmp_path, 0)
    one.sample(deltas, tmp_path, 1)
    without, within, expected = (
        np.asarray(read_picture(tmp_path / f"sample-00000{step}-0.png"), float) for step in range(3)
    )
    assert np.abs(within - expected).max() <= 1 < np.abs(without - expected).max(), "samples show it too"


def test_with_nothing_in_it_the_loss_is_the_same_to_the_bit(small: Backbone, values: list[str]):
    known = small.knowing(*knowing_rows(small, [one[0] for one in begun(small, "car") for _ in range(ROWS)]))
    offsets = {path: Offset(torch.zeros_like(small.unet.get_submodule(path).weight)) for path in values}
    one = lesson(small, known, nn.Linear(1, 1), open_while=lambda: offset(small.unet, offsets))
    assert figure(one, 0) == figure(lesson(small, known, nn.Linear(1, 1)), 0)
