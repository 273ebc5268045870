"""What a step of teaching costs: timed between the optimiser's steps, on a tiny network."""

from __future__ import annotations

from pathlib import Path

import torch

from innerlight.backbones import Backbone
from innerlight.bench import teaching_scores
from innerlight.bench.evidence import faults, read_rows
from innerlight.bench.teaching_scores import bare_step, cost_rows, taught, watched
from innerlight.methods import names


def test_steps_are_timed_and_what_is_trained_is_counted():
    weight = torch.nn.Parameter(torch.zeros(3))
    with watched() as found:
        optimiser = torch.optim.SGD([weight], lr=0.1)
        for _ in range(3):
            optimiser.step()
    optimiser.step()  # nobody looks any more
    assert len(found.ends) == 3
    assert found.trained == 3
    assert found.seconds == min(found.ends[1] - found.ends[0], found.ends[2] - found.ends[1])


def test_textual_inversion_trains_one_token_and_dreambooth_the_network(small: Backbone):
    width = small.texts[0].model.get_input_embeddings().weight.shape[1]
    assert taught(small, "textual_inversion", 2, 2).trained == width * len(small.texts)
    assert taught(small, "dreambooth", 2, 2).trained == sum(one.numel() for one in small.unet.parameters())
    assert all(one.grad is None for one in small.unet.parameters())


def test_a_bare_step_leaves_no_gradient(small: Backbone):
    assert bare_step(small, 2) > 0
    opened = small.copy()
    opened.unet.requires_grad_(True)
    assert bare_step(opened, 2) > 0
    assert all(one.grad is None for one in opened.unet.parameters())


def test_rows_are_measured_and_kept(small: Backbone, tmp_path: Path, monkeypatch):
    rows = cost_rows(small, batch=2, steps=1, rounds=1)
    assert {row.id for row in rows} == {f"{name}.cost" for name in names("teaching")} | {"textual_inversion.optimiser"}
    assert not faults(rows, current={small.hash})
    assert next(row for row in rows if row.id == "textual_inversion.optimiser").value == 1
    assert all(0 < row.value < 50 for row in rows)
    monkeypatch.setattr(teaching_scores, "cost_rows", lambda backbone: rows)
    assert teaching_scores.score(tmp_path / "teaching.json", small) == rows
    assert {row.id for row in read_rows(tmp_path / "teaching.json")} == {row.id for row in rows}
