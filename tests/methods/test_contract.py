"""What every registered method owes, on every family: its family's value, no trace, one result for one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from innerlight.backbones import Backbone
from innerlight.maps import Segments
from innerlight.matching import Matches, Ranking
from innerlight.methods import get, names
from innerlight.methods.reading.daam import WordMaps
from innerlight.sampling import Run
from innerlight.sampling.editing import Edited
from innerlight.tuning.taught import Taught
from innerlight.world import render, sample, truth

SIZE = (64, 96)  # rows, columns: not square
QUICK = {
    "batch": 2,
    "steps": 2,
    "guidance": 3.0,
    "draws": 1,
    "clusters": 3,
    "restarts": 1,
    "crops": 4,
    "timestep": 501,
    "prior": 2,
}
SCENES = [render(sample(seed, shape=(2, 3)), *SIZE) for seed in (1, 2, 3)]
PICTURES = [Image.fromarray(scene.picture) for scene in SCENES]
MASK = truth.instances(SCENES[0]) == 1

# How a family's methods are called, and what they give.
CALLS: dict[str, tuple[Callable[..., Any], type]] = {
    "reading": (
        lambda run, backbone, config: run(backbone, ["a cat", "a red dog"], None, config, size=SIZE, seed=3),
        WordMaps,
    ),
    "editing": (
        lambda run, backbone, config: run(
            backbone, ["a cat", "a dog"], ["a red cat", "a frog"], config, size=SIZE, seed=3, steps=2, guidance=3.0
        ),
        Edited,
    ),
    "segmentation": (
        lambda run, backbone, config: run(backbone, PICTURES, config, seed=3),
        Segments,
    ),
    "correspondence": (
        lambda run, backbone, config: run(backbone, PICTURES[0], PICTURES[1:], [(20.0, 30.0)], config, seed=3),
        Matches,
    ),
    "retrieval": (
        lambda run, backbone, config: run(backbone, PICTURES[0], PICTURES[1:], config, mask=MASK, seed=3),
        Ranking,
    ),
    "teaching": (
        lambda run, backbone, config: run(
            backbone, PICTURES[:2], "<toy>", "car", config, size=SIZE, seed=3, report=0, run=Run(progress=False)
        ),
        Taught,
    ),
}


def call(name: str, backbone: Backbone) -> Any:
    method = get(name)
    known = {field.name for field in fields(method.config)}
    config = method.config(**{key: value for key, value in QUICK.items() if key in known})
    return CALLS[method.family][0](method.function, backbone, config)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, WordMaps):
        pairs = [(a[word].values, b[word].values) for a, b in zip(one.maps, other.maps, strict=True) for word in a]
        pictures = zip(one.images, other.images, strict=True)
        return all(np.array_equal(a, b) for a, b in pairs) and all(a.tobytes() == b.tobytes() for a, b in pictures)
    if isinstance(one, Edited):
        masks = [(a, b) for name in one.masks for a, b in zip(one.masks[name], other.masks[name], strict=True)]
        return torch.equal(one.latents, other.latents) and all(np.array_equal(a, b) for a, b in masks)
    if isinstance(one, Segments):
        pairs = zip(one.labels, other.labels, strict=True)
        return one.scores == other.scores and all(np.array_equal(a.labels, b.labels) for a, b in pairs)
    if isinstance(one, Matches):
        return np.array_equal(one.found, other.found) and np.array_equal(one.scores, other.scores)
    if isinstance(one, Ranking):
        pairs = zip(one.maps, other.maps, strict=True)
        return np.array_equal(one.scores, other.scores) and all(np.array_equal(a.values, b.values) for a, b in pairs)
    if isinstance(one, Taught):
        return one.backbone.hash == other.backbone.hash and (one.kind != "word" or one.word.hash == other.word.hash)
    raise AssertionError(f"{type(one).__name__} has no comparison here")


@pytest.mark.parametrize("name", names())
def test_value_seed_and_no_trace(name: str, backbone: Backbone):
    before = {key: value.clone() for key, value in backbone.unet.state_dict().items()}
    first = call(name, backbone)
    assert isinstance(first, CALLS[get(name).family][1])
    assert same(first, call(name, backbone))
    assert all(torch.equal(value, before[key]) for key, value in backbone.unet.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in backbone.unet.modules())
    assert all(parameter.grad is None for parameter in backbone.unet.parameters())
    if not isinstance(first, Taught):
        shown = first.targets if isinstance(first, Matches) else first.images
        assert all(image.size == SIZE[::-1] for image in shown)
    assert first.recipe["method"] == name
