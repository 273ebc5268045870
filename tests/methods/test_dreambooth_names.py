"""What the thing is called in DreamBooth's prompts: brackets are for words that were learned."""

from __future__ import annotations

from typing import Any

import pytest

from innerlight.backbones import Backbone
from innerlight.methods.teaching.dreambooth import DreamboothConfig, dreambooth
from innerlight.methods.teaching.dreambooth_lora import DreamboothLoraConfig, dreambooth_lora
from innerlight.prompts import LearnedWord
from innerlight.sampling import Run
from innerlight.tuning.lessons import begun
from innerlight.tuning.subjects import rare_name
from innerlight.world import render, sample

PICTURES = [render(sample(1), 64).picture]
QUICK: dict[str, Any] = {"like": "car", "size": (64, 64), "report": 0, "run": Run(progress=False)}
METHODS = [
    (dreambooth, DreamboothConfig(steps=0, batch=1, weight=0.0)),
    (dreambooth_lora, DreamboothLoraConfig(steps=0, batch=1)),
]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("sks", "sks"),
        ("<toy>", "toy"),
        ("<toy> x", "toy x"),
        ("x <toy>", "x toy"),
        ("<one> <two>", "one two"),
        (" sks  x ", "sks x"),
        ("<> x", "x"),
        ("<>", ""),
    ],
)
def test_each_word_loses_its_brackets(small: Backbone, given: str, name: str):
    assert rare_name(small, given) == name


def test_a_learned_word_keeps_them(small: Backbone):
    known = small.knowing(LearnedWord("<toy>", begun(small, "car")))
    assert rare_name(known, "<toy> <other>") == "<toy> other"
    found = dreambooth_lora(known, PICTURES, "<toy>", config=METHODS[1][1], **QUICK)
    assert found.name == "<toy> car"
    assert found.words == (), "it was not learned here"


@pytest.mark.parametrize(("teach", "config"), METHODS, ids=["full", "lora"])
def test_it_is_called_so_in_prompts(small: Backbone, teach: Any, config: Any):
    assert teach(small, PICTURES, "<toy> x", config=config, **QUICK).name == "toy x car"
