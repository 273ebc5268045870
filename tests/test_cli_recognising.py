"""The recognising commands on tiny models: what they write, how they go on, what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from innerlight.files import read_label_map, write_labels, write_picture
from innerlight.world import render, sample, truth

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "pictures"
    for number in range(3):
        write_picture(render(sample(number), 64).picture, place / f"{number}.png")
    return place


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path = tmp_path / "mask.png"
    write_labels((truth.instances(render(sample(0), 64)) == 1).astype(np.uint8), path)
    return path


def test_segment_writes_labels_masks_and_overlays(run: Run, model: str, folder: Path):
    code, out, _ = run("segment", folder, "-o", "out", "--model", model, "--threshold", "0.0003", "--json")
    assert code == 0
    told = json.loads(out)["pictures"]
    assert [one["segments"] > 1 for one in told] == [True] * 3
    labels = read_label_map(Path("out/0.png")).labels
    assert labels.shape == (64, 64)
    assert len(np.unique(labels)) == told[0]["segments"]
    assert {path.name for path in Path("out").glob("0*")} == {"0.png", "0.json", "0-overlay.png"}


def test_segment_goes_on_where_it_was(run: Run, model: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    from innerlight.methods import get

    plain, seen = get("diffseg").function, []

    def stops(backbone: Any, path: Path, *given: Any, **named: Any) -> Any:
        seen.append(path.name)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return plain(backbone, path, *given, **named)

    object.__setattr__(get("diffseg"), "function", stops)
    try:
        assert run("segment", folder, "-o", "out", "--model", model)[0] == 130
        code, out, _ = run("segment", folder, "-o", "out", "--model", model)
    finally:
        object.__setattr__(get("diffseg"), "function", plain)
    assert code == 0
    assert seen == ["0.png", "1.png", "1.png", "2.png"]
    assert len(out.splitlines()) == 3


def test_a_broken_picture_costs_no_other(run: Run, model: str, folder: Path):
    (folder / "1.png").write_bytes(b"no picture")
    code, _, err = run("segment", folder, "-o", "out", "--model", model)
    assert code == 2
    assert "1 of 3 pictures" in err
    assert "1.png" in err
    assert Path("out/0.png").exists()
    assert Path("out/2.png").exists()


def test_segment_by_another_method_and_refined(run: Run, model: str, folder: Path):
    settings = ["--method", "emerdiff", "--fast", "--clusters", "3", "--steps", "4", "--refine", "graph_cut"]
    code, out, _ = run("segment", folder / "0.png", "-o", "out", "--model", model, *settings, "--json")
    assert code == 0
    assert json.loads(Path("out/0.json").read_text())["recipe"]["refined"] == "graph_cut"
    code, _, err = run("segment", folder / "0.png", "-o", "out", "--model", model, *settings, "--names", "cat")
    assert code == 2
    assert "diffseg does" in err
    assert json.loads(out)["pictures"][0]["picture"].endswith("0.png")


def test_other_settings_do_not_mix(run: Run, model: str, folder: Path):
    assert run("segment", folder, "-o", "out", "--model", model)[0] == 0
    code, _, err = run("segment", folder, "-o", "out", "--model", model, "--passes", "2")
    assert code == 2
    assert "begun with other settings" in err


def test_match_writes_points_and_a_picture(run: Run, model: str, folder: Path):
    given = ["--point", "10,12", "--point", "30 20.5", "--draws", "1", "--model", model, "--json"]
    code, out, _ = run("match", folder / "0.png", folder / "1.png", *given)
    assert code == 0
    (told,) = json.loads(out)["targets"]
    assert told["points"] == [[10.0, 12.0], [30.0, 20.5]]
    assert json.loads(Path("matches/1.json").read_text())["targets"] == [
        {key: told[key] for key in ("found", "scores")}
    ]
    assert Path("matches/1.png").exists()


def test_match_goes_on_and_prepares_once(run: Run, model: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    from innerlight.methods import get

    module, prepared = sys.modules[get("dift").function.__module__], []
    plain = module.finder
    monkeypatch.setattr(module, "finder", lambda *given, **named: prepared.append(1) or plain(*given, **named))
    given = ["match", folder / "0.png", "--point", "10,12", "--draws", "1", "--model", model, "-o", "out"]
    assert run(*given, folder / "1.png")[0] == 0
    code, out, _ = run(*given, folder)
    assert code == 0
    assert len(out.splitlines()) == 3
    assert run(*given, folder)[0] == 0
    assert prepared == [1, 1]


def test_match_refuses_points_it_cannot_read(run: Run, model: str, folder: Path):
    code, _, err = run("match", folder / "0.png", folder / "1.png", "--point", "ten", "--model", model)
    assert code == 2
    assert "such as 30,40" in err
    code, _, err = run("match", folder / "0.png", folder / "1.png", "--point", "99,3", "--model", model)
    assert code == 2
    assert "outside" in err


def test_maps_go_through_folders_and_go_on(run: Run, model: str, folder: Path):
    given = ["maps", "a cat on the grass", "--words", "cat", "--model", model, "-o", "out", "--levels", "0.2"]
    code, out, _ = run(*given, "--image", folder / "0.png", "--json")
    assert code == 0
    first = Path("out/0-cat.png").stat().st_mtime_ns
    code, out, _ = run(*given, "--image", folder, "--json")
    assert code == 0
    assert [Path(one["picture"]).name for one in json.loads(out)["maps"]] == ["0.png", "1.png", "2.png"]
    assert Path("out/0-cat.png").stat().st_mtime_ns == first
    assert read_label_map(Path("out/2-cat-mask.png")).names == {0: "", 1: "cat"}
    code, _, err = run("maps", "a cat", "a dog", "--image", folder, "--model", model)
    assert code == 2
    assert "one for each of 3 pictures" in err


def test_pdm_ranks_and_writes_masks(run: Run, model: str, folder: Path, mask: Path):
    code, out, _ = run("pdm", folder / "0.png", folder, "--mask", mask, "--model", model, "--json")
    assert code == 0
    ranked = json.loads(out)["ranking"]
    assert [one["score"] for one in ranked] == sorted((one["score"] for one in ranked), reverse=True)
    assert {path.name for path in Path("ranked").iterdir()} == {
        "ranking.json", "ranking.png", "000-mask.png", "001-mask.png", "002-mask.png",
    }  # fmt: skip
    code, _, err = run("pdm-voting", folder / "0.png", folder, "--model", model)
    assert code == 2
    assert "mask" in err


def test_index_and_find(run: Run, model: str, folder: Path, mask: Path):
    code, out, _ = run("index", folder, "-o", "store", "--model", model)
    assert (code, out.strip()) == (0, "store: 3 pictures, 3 of them new")
    assert run("index", folder, "-o", "store", "--model", model)[1].strip() == "store: 3 pictures, 0 of them new"
    code, out, _ = run("find", folder / "0.png", "-i", "store", "--mask", mask, "--count", "2", "--model", model)
    assert code == 0
    assert len(out.splitlines()) == 2
    assert Path("found/ranking.png").exists()
    code, _, err = run("find", folder / "0.png", "-i", "nowhere", "--mask", mask, "--model", model)
    assert code == 2
    assert "innerlight index" in err
    code, _, err = run("find", folder / "0.png", "-i", "store", "--mask", mask)
    assert code == 2
    assert "was made with model" in err


@pytest.mark.parametrize(
    "command", ["segment", "match", "index", "find", "pdm", "emerdiff", "embedding-correspondence"]
)
def test_help_of_each(run: Run, command: str):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "--model" in out
