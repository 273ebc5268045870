"""Matches and rankings: what they show and write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from innerlight.maps import WordMap
from innerlight.matching import Matches, Ranking
from innerlight.types import InputError


def picture(shade: int, size: tuple[int, int] = (12, 8)) -> Image.Image:
    return Image.new("RGB", size, (shade, shade, shade))


@pytest.fixture
def matches() -> Matches:
    points = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = np.array([[[5.0, 6.0], [7.0, 1.0]], [[0.5, 0.5], [2.0, 2.0]]])
    return Matches(
        picture(10), [picture(20), picture(30)], points, found, np.array([[0.9, 0.8], [0.7, 0.6]]), {"seed": 1}
    )


@pytest.fixture
def ranking() -> Ranking:
    mask = np.zeros((8, 12), bool)
    mask[:4] = True
    maps = [WordMap("cat", np.array([[0.0, level], [0.5, 1.0]], np.float32), (8, 12)) for level in (0.2, 0.9, 0.4)]
    return Ranking(picture(9), mask, [picture(k) for k in (10, 20, 30)], np.array([0.1, 0.5, 0.1]), maps, 0.7, {})


def test_matches_are_pairs_of_points(matches: Matches):
    pair = matches.matches(1)[0]
    assert (pair.source, pair.target, pair.score) == ((1.0, 2.0), (0.5, 0.5), 0.7)
    assert matches.picture().width > 24


def test_matches_are_written(matches: Matches, tmp_path: Path):
    places = matches.save(tmp_path / "found.json")
    assert [place.name for place in places] == ["found.json", "found-000.png", "found-001.png"]
    told = json.loads(places[0].read_text())
    assert told["points"] == [[1.0, 2.0], [3.0, 4.0]]
    assert told["targets"][1] == {"found": [[0.5, 0.5], [2.0, 2.0]], "scores": [0.7, 0.6]}


def test_dots_are_part_of_the_name(matches: Matches, ranking: Ranking, tmp_path: Path):
    written = [place.name for place in matches.save(tmp_path / "frame.0001")]
    assert written == ["frame.0001.json", "frame.0001-000.png", "frame.0001-001.png"]
    one = replace(matches, targets=matches.targets[:1], found=matches.found[:1], scores=matches.scores[:1])
    assert [place.name for place in one.save(tmp_path / "frame.0001.png")] == ["frame.0001.json", "frame.0001.png"]
    assert [place.name for place in ranking.save(tmp_path / "v1.5")] == ["v1.5.json", "v1.5.png"]


def test_matches_that_do_not_fit_are_refused(matches: Matches):
    with pytest.raises(InputError, match=r"expected found \(1, 2, 2\)"):
        Matches(matches.source, matches.targets[:1], matches.points, matches.found, matches.scores, {})


def test_the_surest_comes_first_and_equals_in_their_order(ranking: Ranking):
    assert ranking.order.tolist() == [1, 0, 2]


def test_a_mask_is_where_the_stretched_map_is_above_the_threshold(ranking: Ranking):
    mask = ranking.mask(1)
    assert mask.shape == (8, 12)
    assert mask[0, -1]
    assert mask[-1, -1]
    assert not mask[:, 0].any()
    assert not ranking.mask(0)[0, -1]


def test_a_ranking_is_written(ranking: Ranking, tmp_path: Path):
    places = ranking.save(tmp_path / "ranked.json", ["a.png", "b.png", "c.png"])
    told = json.loads(places[0].read_text())
    assert [one["name"] for one in told["ranking"]] == ["b.png", "a.png", "c.png"]
    with Image.open(places[1]) as sheet:
        assert sheet.width > 40


def test_folders_are_kept_in_json_and_left_out_on_the_sheet(ranking: Ranking, tmp_path: Path):
    names = ["a/1.png", "b/1.png", "c/d/2.png"]
    places = ranking.save(tmp_path / "ranked", names)
    assert [one["name"] for one in json.loads(places[0].read_text())["ranking"]] == ["b/1.png", "a/1.png", "c/d/2.png"]
    with Image.open(places[1]) as sheet:
        assert np.array_equal(np.asarray(sheet), np.asarray(ranking.picture(["1.png", "1.png", "2.png"])))


def test_a_sheet_shows_as_many_as_are_asked_for_and_shrinks_photographs(ranking: Ranking):
    heights = [ranking.picture(columns=1, count=count).height for count in (1, 2, 3)]
    assert heights[0] < heights[1] < heights[2] == ranking.picture(columns=1, count=None).height
    photographs = replace(ranking, images=[picture(10, (3000, 2000))] * 3)
    assert photographs.picture(columns=2).width < 1200


def test_a_ranking_that_does_not_fit_is_refused(ranking: Ranking):
    with pytest.raises(InputError, match="as many"):
        Ranking(ranking.reference, ranking.reference_mask, ranking.images, ranking.scores[:2], ranking.maps, 0.5, {})
