"""The commands that open a model, on a tiny saved one: what they write, say and exit with."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from innerlight.bench.evidence import Row, measured
from innerlight.files import read_label_map, read_recipe
from innerlight.methods import names
from innerlight.sampling import Inversion


def test_pictures_carry_their_recipes(run, model: str):
    code, out, _ = run(
        "generate", "a cat", "a dog", "-m", model, "--steps", "2", "--size", "64x96", "-o", "out", "--json"
    )
    assert code == 0
    assert json.loads(out) == {"seeds": [0, 1], "written": ["out/000.png", "out/001.png"]}
    with Image.open("out/001.png") as image:
        assert image.size == (96, 64)
    recipe = read_recipe("out/001.png")
    assert (recipe["prompts"], recipe["seeds"], recipe["steps"]) == (["a cat", "a dog"], [0, 1], 2)
    assert recipe["picture"] == 1


def test_a_scheduler_of_diffusers_and_a_picture_to_start_from(run, model: str):
    base = ("-m", model, "--steps", "3", "--size", "64")
    assert run("generate", "a cat", *base, "-o", "one.png", "--scheduler", "EulerDiscreteScheduler")[0] == 0
    assert run("generate", "a dog", *base, "-o", "two.png", "--from", "one.png", "--strength", "0.4")[0] == 0
    assert read_recipe("one.png")["stepper"] == "StepRule"
    assert read_recipe("two.png")["strength"] == 0.4


def test_a_method_is_a_command_of_its_own_name(run, model: str):
    words = ("-m", model, "--steps", "2", "--size", "64", "--words", "red cat,grass", "-o", "maps", "--json")
    code, out, _ = run("daam", "a red cat on the grass", *words)
    assert code == 0
    assert [one["word"] for one in json.loads(out)["maps"]] == ["red cat", "grass"]
    assert read_label_map("maps/000-grass-mask.png").names[1] == "grass"
    assert json.loads(Path("maps/maps.json").read_text(encoding="utf-8"))["recipe"]["config"]["steps"] == 2
    assert run("maps", "a cat", "-m", model, "--steps", "2", "--size", "64", "-o", "same")[0] == 0


def test_inversion_is_kept(run, model: str):
    assert run("generate", "a cat", "-m", model, "--steps", "2", "--size", "64", "-o", "one.png")[0] == 0
    code, out, _ = run("invert", "one.png", "--prompt", "a cat", "-m", model, "--steps", "3", "--size", "64", "--json")
    assert code == 0
    found = Inversion.load("inversion.safetensors")
    assert json.loads(out)["psnr"] == found.psnr[0]
    assert found.steps == 3


def test_a_model_is_inspected(run, model: str):
    code, out, _ = run("inspect", model, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["family"] == "sd1"
    assert {"name": "mid.s8.0.text", "kind": "text", "grid": [4, 4], "width": 32, "heads": 2} in told["sites"]


def test_a_variant_is_opened_by_its_name(run, model: str, tmp_path: Path):
    folder = shutil.copytree(model, tmp_path / "variant")
    for part in ("unet", "vae", "text_encoder"):
        (weights,) = (folder / part).glob("*.safetensors")
        weights.rename(weights.with_suffix(".fp16.safetensors"))
    code, _, err = run("inspect", folder)
    assert code == 2
    assert "variant=" in err
    assert run("inspect", folder, "--variant", "fp16")[0] == 0


def test_words_that_a_model_never_saw_are_named(run, model: str, tmp_path: Path):
    Path(model, "calibration.json").write_text(json.dumps({"vocabulary": ["cat", "car", "a", "on"]}), encoding="utf-8")
    try:
        code, _, err = run("generate", "a cab", "-m", model, "--steps", "2", "--size", "64", "-o", "one.png")
    finally:
        Path(model, "calibration.json").unlink()
    assert code == 0
    assert "never saw the word 'cab'" in err
    assert "car" in err


def test_claims_are_run(run, model: str):
    code, out, err = run("bench", "daam", "-m", model, "--scenes", "3", "--out", "measured", "--json")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert {row["id"] for row in rows} == {"daam.iou", "daam.iou_over_random_token"}
    assert {path.name for path in Path("measured").iterdir()} == {"core.json", "scores", "shown", "index.html"}
    assert str(Path("measured/index.html").resolve()) in err
    assert len(list(Path("measured/scores").iterdir())) == 1
    assert len(list(Path("measured/shown").glob("*.png"))) == 3


@pytest.mark.parametrize("what", ["core", "editing", "recognition", "teaching", "soak", "geometry"])
def test_what_is_measured_beside_claims_has_a_table_of_its_own(run, model: str, what: str, monkeypatch):
    scores = importlib.import_module(f"innerlight.bench.{what if what == 'soak' else f'{what}_scores'}")
    asked: list[Path] = []

    def score(path: Path, *given: Any, **more: Any) -> list[Row]:
        asked.append(path)
        return [measured(f"{what}.one", 1.0, 2.0, ">=", n=1, command="innerlight bench")]

    monkeypatch.setattr(scores, "score", score)
    code, out, _ = run("bench", what, "-m", model, "--json", "--strict")
    assert code == 1  # the row does not hold
    assert [row["id"] for row in json.loads(out)["rows"]] == [f"{what}.one"]
    assert asked == [Path(f"evidence/{what}.json")]
    code, out, err = run("bench", what, "other", "-m", model)
    assert what == "geometry" or (code == 2 and f"{what} is measured alone" in err)


def test_all_names_are_looked_up_before_anything_is_measured(run, model: str, monkeypatch):
    monkeypatch.setattr("innerlight.bench.claims.run_claims", lambda *given, **named: pytest.fail("it was measured"))
    code, _, err = run("bench", "daam", "nothing", "-m", model)
    assert (code, "no method 'nothing'" in err) == (2, True)


def test_at_quick_size_methods_without_a_quick_claim_have_no_table(run, model: str, monkeypatch):
    asked: list[tuple[str, int]] = []

    def claims(backbone: Any, wanted: list[str], *, least: int, **named: Any) -> list[Row]:
        asked.append((wanted[0], least))
        return []

    monkeypatch.setattr("innerlight.bench.claims.run_claims", claims)
    monkeypatch.setattr("innerlight.bench.page.write_page", lambda *given: Path("index.html"))
    code, _, _ = run("bench", "--quick", "--out", "quick", "-m", model)
    assert code == 0
    assert asked == [(name, 40) for name in names()]
    assert not Path("quick").exists()


def test_a_method_is_called_as_its_command_is(run, model: str, monkeypatch):
    asked: list[str] = []

    def claims(backbone: Any, wanted: list[str], **named: Any) -> list[Row]:
        asked.extend(wanted)
        return []

    monkeypatch.setattr("innerlight.bench.claims.run_claims", claims)
    monkeypatch.setattr("innerlight.bench.page.write_page", lambda *given: Path("index.html"))
    assert run("bench", "prompt-to-prompt", "-m", model)[0] == 0
    assert asked == ["prompt_to_prompt"]


@pytest.mark.parametrize("words", [["--help"], ["methods"]])
def test_lists_import_no_torch(words: list[str]):
    code = "import sys; sys.argv[1:] = {!r}\nfrom innerlight.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code = code.format(words) + "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "daam" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_the_help_of_a_method_has_its_settings(run):
    code, out, _ = run("daam", "--help")
    assert code == 0
    assert "--threshold" in out
    assert "--across-words" in out
