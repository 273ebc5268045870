"""What editing costs and how pictures come back: counted and measured on tiny networks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from innerlight.backbones import Backbone
from innerlight.bench import editing_costs, editing_scores
from innerlight.bench.editing_costs import GRADIENT, map_bytes, ratios, run, watched
from innerlight.bench.evidence import faults, read_rows
from innerlight.methods import names


@pytest.mark.parametrize("arm", ["plain", *names("editing")])
def test_the_peak_of_an_edit_is_measured_without_decoding(
    small: Backbone, arm: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(editing_costs, "blank", lambda *given: small)
    monkeypatch.setattr(small.vae, "decode", None)
    editing_costs.main(arm, "sd15", "8")
    assert json.loads(capsys.readouterr().out)["peak"] > 10**7
    assert "decode_values" not in vars(small)


def test_passes_are_counted_by_their_rows(small: Backbone):
    found = {}
    for arm in ("plain", *names("editing")):
        with watched(small) as passes:
            run(arm, small, 8)
        found[arm] = dict(passes.rows)
        assert passes.seconds > 0
    assert found["plain"] == found["prompt_to_prompt"] == {4: 4}
    assert found["style_mixing"] == found["text_anatomy"] == {4: 4}
    assert found["masactrl"] == {3: 4}
    assert found["plug_and_play"] == {3: 3, 2: 1}  # the source's row until 0.8 of 4 steps
    assert found["diffedit"] == {2: 10 + 3}  # ten noises under two prompts, three guided steps
    gradients = found["attend_and_excite"].pop(1)
    assert found["attend_and_excite"] == {4: 4}
    assert gradients % GRADIENT == 0


def test_time_is_set_against_plain_passes(small: Backbone):
    found = ratios(small, 8, 1)
    assert set(found) == set(names("editing"))
    assert all(0 < ratio < 20 for ratio, _ in found.values())


def test_maps_are_as_large_as_they_are(small: Backbone):
    text = sum(s.heads * s.grid((8, 8))[0] ** 2 * 77 for s in small.sites.values() if s.kind == "text")
    cells = sum(s.heads * s.grid((8, 8))[0] ** 4 for s in small.sites.values() if s.kind == "self")
    assert map_bytes(small, 8, "text", 2) == 8 * text
    assert map_bytes(small, 8, "self", 1) == 4 * cells


def test_rows_are_measured_and_kept(small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(editing_scores, "BATCH", 2)
    monkeypatch.setattr(editing_scores, "blank", lambda *args, **kwargs: small)
    monkeypatch.setattr(editing_scores, "LATENT", 8)
    monkeypatch.setattr(editing_scores, "peak_of", lambda name, family, latent: 10**9 + len(name))
    backbone = replace(small, calibration={"steps": 2, "guidance": 3.0})
    rows = editing_scores.score(tmp_path / "editing.json", backbone, folder=tmp_path, scenes=3)
    ids = {row.id for row in read_rows(tmp_path / "editing.json")}
    assert ids == {row.id for row in rows}
    assert {"null_text.reconstruction", "edit_friendly.reconstruction"} <= ids
    assert {f"{name}.{measure}" for name in names("editing") for measure in ("cost", "cost_pocket", "memory")} <= ids
    assert not faults(rows, current={backbone.hash})
    friendly = next(row for row in rows if row.id == "edit_friendly.reconstruction")
    assert friendly.n == 3
    assert "unguided" in friendly.note
    with pytest.MonkeyPatch.context() as broken:  # scores are there, and not computed again
        broken.setattr(editing_scores, "invert", None)
        again = editing_scores.reconstructions(backbone, 3, tmp_path)
    assert [row.value for row in again] == [row.value for row in rows[:2]]
