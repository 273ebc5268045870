"""Lessons one after another: each begins anew, and what it does not learn stays as it is, or the run is refused."""

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
from innerlight.sampling import Run
from innerlight.tuning.denoising import Part, Shots
from innerlight.tuning.freezing import ChangedError, fingerprints, frozen
from innerlight.tuning.lessons import Lesson, Term, Vectors, begun, learn_in_phases
from innerlight.tuning.taught import PLAN
from innerlight.types import InputError
from innerlight.world import render, sample

SIZE = (64, 64)
QUIET = Run(progress=False)
ONCE = replace(PLAN, steps=1, batch=1, rate=0.01, decay=0.0)


def say(chosen: Sequence[int], random: np.random.Generator) -> list[str]:
    return ["a <toy>"] * len(chosen)


class Case:
    """A word and one layer of a copy to be learned, and lessons in them."""

    def __init__(self, base: Backbone) -> None:
        self.base, self.tuned = base, base.copy()
        self.vectors = Vectors(base, {"<toy>": begun(base, "car")})
        self.layer: nn.Module = self.tuned.unet.conv_in.requires_grad_(True)
        self.known = self.tuned.knowing(self.vectors.word("<toy>"))
        self.part = Part("one", Shots.of(base, [render(sample(1), 64).picture], SIZE), say, 1)

    def lesson(self, module: nn.Module, meddle: Tensor | None = None) -> Lesson:
        """In `module`; while it is learned, somebody changes a number of `meddle`."""

        def loss(batch: Any, seen: Any) -> Tensor:
            if meddle is not None:
                meddle.data.view(-1)[3] += 1e-3
            return torch.zeros(())

        return Lesson(
            module, lambda step: self.known.relearning(self.vectors.word("<toy>")), [self.part],
            changing=lambda prompt: True, seed=1, shown=[], terms={"meddling": Term(loss)},
        )  # fmt: skip

    def learn(self, *lessons: Lesson, folder: Path | None = None, **recipe: Any) -> None:
        learn_in_phases([(one, ONCE) for one in lessons], folder, QUIET, {"method": "mine", **recipe}, self.base)

    @property
    def offset(self) -> Tensor:
        """Of the word, from where it began."""
        (found,) = (one.detach().clone() for one in self.vectors.parameters())
        return found


@pytest.fixture
def case(small: Backbone) -> Case:
    return Case(small.copy(texts=True))


def test_each_phase_learns_its_own_and_leaves_the_rest(case: Case):
    weight = case.layer.weight.detach().clone()  # type: ignore[operator]
    case.learn(case.lesson(case.vectors))
    assert torch.equal(case.layer.weight, weight)  # type: ignore[arg-type]
    assert case.layer.weight.grad is None, "no gradient went there"  # type: ignore[union-attr]
    assert case.layer.weight.requires_grad, "but the next phase may want one"  # type: ignore[union-attr]
    word = case.offset
    case.learn(case.lesson(case.vectors), case.lesson(case.layer))
    assert not torch.equal(case.layer.weight, weight)  # type: ignore[arg-type]
    assert not torch.equal(case.offset, word)


def test_each_phase_has_an_optimiser_of_its_own(case: Case):
    """Adam's first step moves all numbers by its rate; a second of the same optimiser would not."""
    case.learn(case.lesson(case.vectors))
    first = case.offset
    other = case.lesson(case.vectors)
    other.seed = 2
    case.learn(other)
    torch.testing.assert_close(first.abs(), torch.full_like(first, ONCE.rate), rtol=0.05, atol=0)
    torch.testing.assert_close((case.offset - first).abs(), torch.full_like(first, ONCE.rate), rtol=0.05, atol=0)


MEDDLED = {
    "the base": (lambda case: case.base.unet.conv_out.bias, r"unet\.conv_out\.bias"),
    "the vae": (lambda case: case.base.vae.decoder.conv_out.weight, r"vae\.decoder"),
    "the copy": (lambda case: case.tuned.unet.conv_out.weight, r"tuned unet\.conv_out\.weight"),
    "what waits": (lambda case: case.layer.weight, r"phase 2\.weight"),
}


@pytest.mark.parametrize("what", MEDDLED)
def test_what_changes_in_a_phase_that_does_not_learn_it_is_found(case: Case, what: str):
    find, message = MEDDLED[what]
    with pytest.raises(ChangedError, match=message):
        case.learn(case.lesson(case.vectors, meddle=find(case)), case.lesson(case.layer))


def test_what_an_earlier_phase_learned_stays_in_a_later_one(case: Case):
    (offset,) = case.vectors.parameters()
    with pytest.raises(ChangedError, match=r"phase 1\.offsets"):
        case.learn(case.lesson(case.vectors), case.lesson(case.layer, meddle=offset))


def test_a_folder_of_phases_is_of_one_recipe(case: Case, tmp_path: Path):
    lessons = [case.lesson(case.vectors), case.lesson(case.layer)]
    case.learn(*lessons, folder=tmp_path)
    with pytest.raises(InputError, match="another rate"):
        case.learn(*lessons, folder=tmp_path, rate=2)
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.json", "phase-1", "phase-2"}


def test_what_is_learned_is_free_and_the_rest_is_not():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    with frozen({"net": net}, but=net[1]):
        assert [one.requires_grad for one in net.parameters()] == [False, False, True, True]
        with torch.no_grad():
            net[1].weight.add_(1)
    with pytest.raises(ChangedError, match=r"net\.0\.bias"), frozen({"net": net}, but=net[1]), torch.no_grad():
        net[0].bias.add_(1)


def test_what_two_networks_share_is_looked_at_once():
    net = nn.Linear(2, 2)
    wider = nn.Sequential(net, nn.Linear(2, 2))
    assert set(fingerprints({"a": net, "b": wider})) == {"a.weight", "a.bias", "b.1.weight", "b.1.bias"}
