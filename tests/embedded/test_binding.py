"""What a caption says of a thing, read at its noun."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from innerlight import load
from innerlight.embedded import binding
from innerlight.embedded.binding import ADJECTIVES, BindingStage, bind, nouns_of
from innerlight.embedded.towers import tokens_of
from innerlight.tuning.training import Schedule, train
from innerlight.world import caption, sample
from innerlight.world.things import CATEGORIES

COLOURS, PATTERNS, THINGS = ADJECTIVES["colour"], ADJECTIVES["pattern"], tuple(CATEGORIES)
CAPTION = "a photo of a red striped giraffe to the left of two dotted butterflies and an orange star in the sky"


@pytest.fixture(scope="module")
def tokenizer():
    return load().texts[0].tokenizer


def said(colour: str | None, pattern: str | None, category: str) -> tuple[int, int, int]:
    adjectives = 1 + COLOURS.index(colour) if colour else 0, 1 + PATTERNS.index(pattern) if pattern else 0
    return *adjectives, THINGS.index(category)


def test_each_noun_has_its_own_adjectives(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(tokens_of(tokenizer, [CAPTION])[0].tolist())
    found = nouns_of(tokens)
    assert [facts for _, facts in found] == [
        said("red", "striped", "giraffe"), said(None, "dotted", "butterfly"), said("orange", None, "star")
    ]  # fmt: skip
    assert tokens.count("giraffe</w>") == 0, "a noun of several tokens"
    ends = [tokenizer.decode(tokens_of(tokenizer, [CAPTION])[0, : place + 1].tolist()) for place, _ in found]
    assert [text.split()[-1] for text in ends] == ["giraffe", "butterflies", "star"]


def test_captions_of_the_world_are_read_as_they_were_meant(tokenizer):
    for seed in range(40):
        scene = sample(seed, count=2)
        told = caption(scene, say=[(0, "colour"), (1, "colour")])
        nouns = [span for span in told.spans if span.role == "noun"]
        if len({(span.start, span.end) for span in nouns}) < 2:
            continue
        meant = []
        for noun in sorted(nouns, key=lambda span: span.start):
            words = {s.role: told.text[s.start : s.end] for s in told.spans if s.thing == noun.thing}
            assert noun.thing is not None
            meant.append(said(words.get("colour"), words.get("pattern"), scene.things[noun.thing].look.category))
        tokens = tokenizer.convert_ids_to_tokens(tokens_of(tokenizer, [told.text])[0].tolist())
        assert [facts for _, facts in nouns_of(tokens)] == meant, told.text


def test_nouns_learn_to_tell_and_the_rest_stays(scenes, tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def taught(folder: Path) -> tuple[nn.Module, Mapping[str, float], Mapping[str, float]]:
        torch.manual_seed(0)  # of the heads
        stage = BindingStage(scenes, load().texts[0].model, tokenizer)
        first = stage.loss(0, 16)[1]
        schedule = Schedule(steps=40, batch=16, rate=1e-3, warmup=5, average=None)
        return train(stage, schedule, folder), first, stage.loss(0, 16)[1]

    weights, first, last = taught(tmp_path / "binding")
    assert first["moved"] == 0, "it begins as the encoder that it is given"
    assert last["unbound"] < 0.5 * first["unbound"]
    for held in ("HELD", "NOUNS_HELD"):
        monkeypatch.setattr(binding, held, 0.0)
    free = taught(tmp_path / "free")[2]
    assert 0 < 2 * last["moved"] < free["moved"]
    assert 0 < last["nouns moved"] < free["nouns moved"]
    fresh = bind(load().texts[0].model, tmp_path)
    assert all(
        torch.equal(value, weights.get_submodule("text").state_dict()[name])
        for name, value in fresh.state_dict().items()
    )
    assert bind(fresh, tmp_path / "nowhere") is fresh
