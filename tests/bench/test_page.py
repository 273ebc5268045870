"""The page of evidence: one file, the scenes behind a claim, and what a run takes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from innerlight.backbones import Backbone
from innerlight.bench.claims import run_claims, shipped_hash
from innerlight.bench.evidence import measured, write_rows
from innerlight.bench.page import chosen, write_page
from innerlight.bench.shown import Took, shown
from innerlight.methods import Claim, _registry, get, names
from innerlight.types import InputError

CHEAP = {
    "daam", "attend_and_excite", "diffedit", "masactrl", "plug_and_play", "prompt_to_prompt", "style_mixing",
    "text_anatomy", "textual_inversion", "dreambooth_lora", "diffseg", "dift", "pdm", "pdm_voting",
}  # fmt: skip


@pytest.fixture
def quick(small: Backbone) -> Backbone:
    """Few steps of everything."""
    few = {"steps": 2, "guidance": 3.0, "diffseg_threshold": 0.0003}
    return replace(small, calibration=few | {f"{name}_steps": 1 for name in names("teaching")})


def first_shown(backbone: Backbone, name: str, folder: Path) -> tuple[int, Path, Took]:
    """The first scene that the claim would not drop."""
    for seed in range(60, 80):
        with suppress(InputError):
            return seed, *(shown(backbone, name, seed, folder) or pytest.fail("nothing was drawn"))
    pytest.fail("no scene could be shown")


@pytest.mark.parametrize("name", sorted(CHEAP))
def test_a_scene_is_shown_once_with_what_it_took(quick: Backbone, name: str, tmp_path: Path):
    seed, path, took = first_shown(quick, name, tmp_path)
    with Image.open(path) as picture:
        assert min(picture.size) > quick.size[0]
    assert took.passes >= 1
    assert took.seconds > 0
    assert took.over_floor > 0
    before = path.stat().st_mtime_ns
    assert shown(quick, name, seed, tmp_path, draws=False) == (path, took)
    assert path.stat().st_mtime_ns == before


def test_a_pass_with_its_gradient_counts_as_three(quick: Backbone, tmp_path: Path):
    _, took = shown(quick, "dreambooth_lora", 60, tmp_path) or pytest.fail("nothing was drawn")
    rows = get("dreambooth_lora").config().batch
    assert took.passes == 3 * rows


def test_the_scenes_are_the_best_the_median_and_the_worst():
    assert chosen({1: 0.5, 2: -1.0, 3: 0.0}) == {"best": 1, "median": 3, "worst": 2}
    assert chosen({1: 0.0, 2: 0.0, 3: 0.0}) == {"best": 1, "median": 2, "worst": 3}


def test_one_file_holds_tables_plots_and_pictures(quick: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    claim = Claim("daam.toy", "odd <scenes> are better", ("nothing",), lambda backbone, seed: {
        "method": seed % 2 + 0.25, "nothing": 0.25
    })  # fmt: skip
    monkeypatch.setitem(_registry._registered, "daam", replace(get("daam"), claims=(claim,)))
    rows = run_claims(quick, ["daam"], scenes=5, folder=tmp_path / "scores")
    write_rows(tmp_path / "core.json", [*rows, measured("vae.psnr", 30.0, 28.0, ">=", n=2, command="measure")])
    bare = write_page(tmp_path, quick).read_text()
    assert "daam.toy" in bare
    assert "vae.psnr" in bare
    assert "data:image" not in bare
    page = write_page(tmp_path, quick, ["daam"]).read_text()
    assert "odd &lt;scenes&gt; are better" in page
    assert "0.650" in page  # the mean of 0.25 and 1.25, three and two times
    assert 'class="does-not-hold"' in page or 'class="undecided"' in page or 'class="holds"' in page
    assert page.count("<svg") == 2
    assert page.count("data:image/webp;base64,") == 3
    assert all(f"the {which} scene" in page for which in ("best", "median", "worst"))
    assert 'src="shown' not in page
    assert "http" not in page.replace("http-equiv", "")
    assert write_page(tmp_path, quick).read_text() == page, "what was drawn is shown, and not drawn again"


def test_the_page_names_the_model_that_was_measured(small: Backbone, tmp_path: Path):
    def told(*models: str, backbone: Backbone = small) -> str:
        rows = [measured(f"daam.{one}", 1.0, 0.5, ">", n=2, command="measure", model=one) for one in models]
        write_rows(tmp_path / models[0] / "core.json", rows)
        page = write_page(tmp_path / models[0], backbone).read_text()
        return page.partition("whose truth is known, on ")[2].partition(". Of")[0]

    assert told(small.hash) == f"{small.name} {small.hash}"
    ships = shipped_hash()
    assert told(ships, backbone=replace(small, hash=ships)) == f"{small.name} {ships}, the model that ships"
    assert told("other", ships) == f"a model of hash {ships}, the model that ships and a model of hash other"
