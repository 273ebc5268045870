"""Edits of the world, scored on drawn scenes as if the judge saw them without error."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from innerlight.embedded import edits, oracle
from innerlight.embedded.data import COLOUR_NAMES, POSES
from innerlight.embedded.edits import appearance, kept, structure, task
from innerlight.embedded.oracle import Parsed, Region, parse, save_judge, shipped_judge, world_judge
from innerlight.types import NotFoundError
from innerlight.world import truth
from innerlight.world.draw import Render
from innerlight.world.palette import PATTERNS

SEEDS = range(40, 52)


def seen(drawn: Render) -> Parsed:
    """What an unerring judge sees of a scene of one thing."""
    look = drawn.scene.things[0].look
    numbers = {name: number for number, name in truth.category_names().items()}
    mask = truth.instances(drawn)[1::2, 1::2] == 1
    values = {
        "category": numbers[look.category],
        "colour": COLOUR_NAMES.index(look.colour) + 1,
        "pattern": PATTERNS.index(look.pattern) + 1,
    }
    maps = {name: np.where(mask, value, 0) for name, value in values.items()}
    chances = np.zeros((len(COLOUR_NAMES) + 1, *mask.shape))
    chances[values["colour"]] = mask
    return Parsed(maps, {"colour": chances}, torch.zeros(()))


@pytest.mark.parametrize("change", ["colour", "thing"])
def test_a_change_is_seen_where_it_was_made_and_nowhere_else(change: str):
    asked = [one for one in (task(seed, change, 128) for seed in SEEDS) if one]
    assert len(asked) > len(SEEDS) / 2
    for one in asked:
        assert one.source != one.target
        assert one.made(seen(one.after)) == 1
        assert one.made(seen(one.before)) == 0
        assert one.region(seen(one.before)) is not None


def test_a_silhouette_and_its_colours_stay_with_a_thing():
    one = task(40, "colour", 128)
    assert one is not None
    before, after = (Image.fromarray(drawn.picture) for drawn in (one.before, one.after))
    region = one.region(seen(one.before))
    assert structure(one.mask, region) == 1
    assert structure(region, region) == 1
    assert structure(one.mask, None) == 0
    assert appearance(before, one.mask, before, region) == 1
    assert appearance(before, one.mask, after, one.result(seen(one.after))) < 0.7
    assert appearance(before, one.mask, after, None) == 0
    assert edits.strength(seen(one.before), region, one.altered.old) == 1
    assert edits.strength(seen(one.before), region, one.altered.new) == 0


def test_what_lies_outside_is_kept():
    one = task(40, "colour", 128)
    assert one is not None
    before, after = (Image.fromarray(drawn.picture) for drawn in (one.before, one.after))
    region = one.region(seen(one.before))
    assert kept(before, before, region) == edits.MOST_DB
    assert kept(before, after, region) > kept(before, after, None) + 3
    assert kept(before, after, Region(np.ones((64, 64), bool), 0, 0)) == 0


def test_a_pose_is_what_the_judge_says(monkeypatch: pytest.MonkeyPatch):
    one = next(one for one in (task(seed, "pose", 128) for seed in SEEDS) if one)
    pose = one.altered.after.things[0].pose
    monkeypatch.setattr(edits, "shipped_judge", world_judge)
    monkeypatch.setattr(Parsed, "pose", lambda self, region, judge: pose)
    assert one.made(seen(one.after)) == 1
    monkeypatch.setattr(Parsed, "pose", lambda self, region, judge: "another")
    assert one.made(seen(one.after)) == 0


def test_a_judge_is_kept_and_opened(tmp_path, monkeypatch: pytest.MonkeyPatch):
    judge, path = world_judge().eval(), tmp_path / "judge.safetensors"
    monkeypatch.setattr(oracle, "JUDGE", path)
    shipped_judge.cache_clear()
    with pytest.raises(NotFoundError, match="pack one"):
        shipped_judge()
    save_judge(judge, path)
    try:
        drawn = task(40, "colour", 128)
        assert drawn is not None
        first, second = (parse(one, [drawn.before.picture])[0] for one in (judge, shipped_judge()))
        assert np.allclose(first.chances["category"], second.chances["category"], atol=1e-2)
        assert first.pose(Region(np.ones((64, 64), bool), 0, 0), judge) in POSES
    finally:
        shipped_judge.cache_clear()
