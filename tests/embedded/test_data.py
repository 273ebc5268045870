"""Training data: tables agree with maps, pairs of a search follow one another, drawing resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from innerlight.embedded import data
from innerlight.embedded.data import FACTS, draw_shards, open_scenes, scene_at
from innerlight.types import InputError
from innerlight.world import render, truth


def test_tables_say_what_the_maps_show(scenes):
    for index in range(len(scenes)):
        drawn = render(scene_at(index), 64)
        table = scenes.gather("things", np.array([index]))[0]
        owners = scenes.gather("owners", np.array([index]))[0]
        column = np.concatenate([[0], table[:, FACTS.index("category")]])
        assert (column[owners] == truth.semantic(drawn).labels[1::2, 1::2]).all()
        assert (table[len(drawn.placed) :] == -1).all()


def test_every_eighth_pair_shows_one_individual_twice(scenes):
    things = scenes.gather("things", np.arange(len(scenes)))
    individual, category = (things[:, 0, FACTS.index(fact)] for fact in ("individual", "category"))
    for start in range(0, len(scenes), 8):
        assert individual[start + 6] == individual[start + 7]
        assert (things[start + 6 : start + 8, :2, FACTS.index("category")] == category[start + 6]).all()
        assert things[start + 6, 1, FACTS.index("individual")] != individual[start + 6]


def test_shards_are_drawn_once_and_added_to(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(data, "SHARD", 4)
    draw_shards(tmp_path, 1, 32)
    first = (tmp_path / "pictures-00000.npy").stat().st_mtime_ns
    draw_shards(tmp_path, 2, 32)
    assert (tmp_path / "pictures-00000.npy").stat().st_mtime_ns == first
    drawn = open_scenes(tmp_path)
    assert len(drawn) == 8
    assert (drawn.gather("pictures", np.array([5]))[0] == render(scene_at(5), 32).picture).all()


def test_a_folder_without_data_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="embedded train data"):
        open_scenes(tmp_path)
