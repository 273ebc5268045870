"""Claims: raw scores kept as they come, paired differences, dropped scenes counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from innerlight.backbones import Backbone, blank
from innerlight.bench.claims import run_claims, source_hash
from innerlight.methods import Claim, Method, _registry, get
from innerlight.types import InputError


@pytest.fixture
def backbone() -> Backbone:
    return blank("sd15")


@pytest.fixture
def method(monkeypatch: pytest.MonkeyPatch) -> Method:
    """DAAM with a claim that is easy to check: every fourth scene is dropped, the rest differ by 0.5 and 0."""
    asked: list[int] = []

    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        asked.append(seed)
        return None if seed % 4 == 0 else {"method": seed % 2 + 0.5, "nothing": seed % 2, "itself": seed % 2 + 0.5}

    claim = Claim("daam.toy", "it is more", ("nothing", "itself"), score)
    made = replace(get("daam"), claims=(claim,))
    monkeypatch.setitem(_registry._registered, "daam", made)
    made.config.asked = asked  # type: ignore[attr-defined]
    return made


def test_rows_are_paired_and_count_what_was_dropped(backbone: Backbone, method: Method, tmp_path: Path):
    first, second = run_claims(backbone, ["daam"], scenes=8, folder=tmp_path)
    assert (first.id, second.id) == ("daam.toy", "daam.toy_over_itself")
    assert first.value == first.low == first.high == 0.5
    assert first.holds
    assert second.value == 0
    assert not second.holds
    assert first.n == 6
    assert "25% of the scenes dropped" in first.note
    assert first.seeds == "100000..100007"
    assert first.model == backbone.hash


def test_a_second_run_goes_on(backbone: Backbone, method: Method, tmp_path: Path):
    asked: list[int] = method.config.asked  # type: ignore[attr-defined]
    run_claims(backbone, ["daam"], scenes=4, folder=tmp_path)
    asked.clear()
    run_claims(backbone, ["daam"], scenes=6, folder=tmp_path)
    assert asked == [100_004, 100_005]
    other = replace(backbone, hash="another")
    run_claims(other, ["daam"], scenes=4, folder=tmp_path)
    assert len(asked) == 6, "another model, other scores"
    assert len(source_hash(method)) == 12


def test_too_few_scenes_are_refused(backbone: Backbone, method: Method, tmp_path: Path):
    with pytest.raises(InputError, match="give more"):
        run_claims(backbone, ["daam"], scenes=2, folder=tmp_path)
