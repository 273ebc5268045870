"""The commands that edit, and make a picture again, on a tiny saved model: what they write, say and exit with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from innerlight.files import read_label_map, read_picture, read_recipe, write_recipe
from innerlight.sampling import Inversion

CAT, DOG = "a cat on the grass", "a dog on the grass"
METHODS = (
    "attend-and-excite", "diffedit", "masactrl", "plug-and-play", "prompt-to-prompt", "style-mixing", "text-anatomy",
)  # fmt: skip


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """A picture in the folder that commands are run in."""
    return picture(tmp_path / "photo.png", 1)


def picture(path: Path, seed: int) -> str:
    values = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8)
    Image.fromarray(values).resize((96, 64), Image.Resampling.BILINEAR).save(path)
    return path.name


@pytest.fixture
def edit(run: Callable[..., tuple[int, str, str]], model: str):
    """An edit of a cat into a dog by a command; its answer."""

    def edit(command: str, *words: str, target: str = DOG) -> dict[str, Any]:
        given = ("-m", model, "--steps", "2", "--guidance", "3", "--json", *words)
        size = () if "--size" in words or "--inversion" in words else ("--size", "64x96")
        code, out, err = run(command, CAT, target, *given, *size)
        assert code == 0, err
        return json.loads(out)

    return edit


def pixels(path: str | Path) -> np.ndarray[Any, Any]:
    return np.asarray(read_picture(path))


@pytest.mark.parametrize("command", METHODS)
def test_every_method_is_a_command(edit, command: str):
    answer = edit(command, "-o", "out")
    assert answer["written"][:2] == ["out/000.png", "out/000-source.png"]
    assert all(Path(one).is_file() for one in answer["written"])
    assert {path.suffix for path in Path("out").iterdir()} == {".png", ".json"}
    assert pixels("out/000.png").shape == pixels("out/000-source.png").shape == (64, 96, 3)
    assert not np.array_equal(pixels("out/000.png"), pixels("out/000-source.png"))
    recipe = read_recipe("out/000.png")
    assert recipe["method"] == command.replace("-", "_")
    assert (recipe["sources"], recipe["prompts"], recipe["picture"]) == ([CAT], [DOG], 0)
    assert {key: value for key, value in recipe.items() if key != "picture"} == answer["recipe"]


def test_the_family_has_a_command_of_its_own(edit):
    assert edit("edit")["recipe"]["method"] == "prompt_to_prompt"
    assert edit("edit", "--method", "masactrl", "--start", "0.5")["recipe"]["parts"] == {
        "masactrl": {"start": 0.5, "stride": 2, "source_words": [], "target_words": [], "threshold": 0.1}
    }
    found = edit("edit", "--method=diffedit", "--noises", "2", "-o", "diffedit")
    assert found["recipe"]["parts"]["diffedit"]["noises"] == 2
    assert np.array_equal(pixels("diffedit/000.png"), pixels("diffedit/000.png"))
    edit("diffedit", "--noises", "2", "-o", "same")
    assert np.array_equal(pixels("diffedit/000.png"), pixels("same/000.png"))
    assert edit("edit", "--method", "plug-and-play")["recipe"]["method"] == "plug_and_play"


def test_settings_are_read_as_what_they_are(edit):
    words = ("--weights", "dog=2,grass=-1", "--blend", "cat,dog", "--word-cross", "dog=0.5", "--cross", "1")
    part = edit("prompt-to-prompt", *words, "--align", "replace", "--renormalise")["recipe"]["parts"][
        "prompt_to_prompt"
    ]
    assert part["weights"] == {"dog": 2.0, "grass": -1.0}
    assert part["word_cross"] == {"dog": 0.5}
    assert part["blend"] == ["cat", "dog"]
    assert (part["cross"], part["align"], part["renormalise"]) == (1.0, "replace", True)
    part = edit("attend-and-excite", "--words", "dog,grass", "--refine", "0", "--targets", "0.5", "--scale", "1")
    assert part["recipe"]["parts"]["attend_and_excite"]["words"] == ["dog", "grass"]
    assert part["recipe"]["parts"]["attend_and_excite"]["refine"] == [0.0]


def test_without_a_target_the_source_is_drawn_with_more_care(run, model: str):
    base = ("-m", model, "--steps", "2", "--size", "64", "--json")
    code, out, _ = run("attend-and-excite", CAT, *base, "--refine", "0", "--targets", "0.9")
    assert code == 0
    recipe = json.loads(out)["recipe"]
    assert recipe["sources"] == recipe["prompts"] == [CAT]
    assert not np.array_equal(pixels("edited/000.png"), pixels("edited/000-source.png"))


def test_methods_go_together(edit):
    words = ("--with", "attend_and_excite", "--set", "attend_and_excite.window=0.5")
    recipe = edit("edit", *words, "--set", "attend-and-excite.words=dog,grass", "--cross", "0.5")["recipe"]
    assert recipe["method"] == "edit"
    assert list(recipe["parts"]) == ["attend_and_excite", "prompt_to_prompt"]  # as sorted JSON has them
    assert recipe["parts"]["attend_and_excite"]["window"] == 0.5
    assert recipe["parts"]["attend_and_excite"]["words"] == ["dog", "grass"]
    assert recipe["parts"]["prompt_to_prompt"]["cross"] == 0.5
    three = edit("edit", "--with", "masactrl", "--with", "attend-and-excite", "--self-maps", "0")
    assert len(three["recipe"]["parts"]) == 3


def test_a_setting_goes_through_values(edit):
    answer = edit("edit", "--sweep", "cross=0,1", "-o", "swept")
    assert answer["written"][0] == "swept/sweep.png"
    assert [one["cross"] for one in answer["scores"]] == [0.0, 1.0]
    assert all(np.isfinite(one["kept, dB"]) for one in answer["scores"])
    with Image.open("swept/sweep.png") as sheet:
        assert sheet.width >= 2 * 96
    assert read_recipe("swept/000.png")["parts"]["prompt_to_prompt"]["cross"] == 1.0


def test_two_settings_go_through_values(edit):
    answer = edit("masactrl", "--sweep", "start=0,1", "--sweep", "guidance=1,3,5", "-o", "swept")
    scores = [(one["start"], one["guidance"]) for one in answer["scores"]]
    assert scores == [(0.0, 1.0), (0.0, 3.0), (0.0, 5.0), (1.0, 1.0), (1.0, 3.0), (1.0, 5.0)]


def test_pictures_are_edited(edit, photo: str, tmp_path: Path):
    other = picture(tmp_path / "other.png", 2)
    answer = edit("masactrl", "--image", photo, "--image", other, "-o", "out")
    assert answer["written"] == ["out/000.png", "out/000-source.png", "out/001.png", "out/001-source.png"]
    assert np.array_equal(pixels("out/000-source.png"), pixels(photo))
    assert np.array_equal(pixels("out/001-source.png"), pixels(other))
    assert read_recipe("out/001.png")["picture"] == 1
    assert [one["path"] for one in answer["recipe"]["pictures"]] == [photo, other]


@pytest.mark.parametrize("how", ["ddim", "edit_friendly", "negative_prompt"])
def test_how_a_picture_is_inverted(edit, photo: str, how: str):
    facts = edit("edit", "--image", photo, "--inversion", how)["recipe"]["inversion"]
    assert facts["method"] == how
    assert facts["passed"] is False
    assert len(facts["psnr"]) == 1


def test_an_inversion_of_a_file(edit, run, model: str, photo: str):
    words = ("--prompt", CAT, "--steps", "2", "--method", "negative_prompt", "--guidance", "3", "--size", "64x96")
    assert run("invert", photo, *words, "-m", model, "-o", "kept.safetensors")[0] == 0
    facts = edit("edit", "--inversion", "kept.safetensors", "-o", "out")["recipe"]["inversion"]
    assert facts["passed"] is True
    assert facts["psnr"] == list(Inversion.load("kept.safetensors").psnr)
    edit("edit", "--inversion", "kept.safetensors", "--image", photo, "-o", "same")
    assert np.array_equal(pixels("out/000.png"), pixels("same/000.png"))
    code, out, err = run("rerun", "out/000.png", "-m", model, "--inversion", "kept.safetensors", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["same"] is True


def test_masks_are_label_maps(edit):
    answer = edit("diffedit", "--noises", "1", "-o", "out")
    assert answer["written"][2:] == ["out/000-mask-diffedit.png"]
    mask = read_label_map("out/000-mask-diffedit.png")
    assert dict(mask.names) == {0: "", 1: "diffedit"}
    assert mask.labels.shape == (64, 96)
    assert set(np.unique(mask.labels)) == {0, 1}
    blend = ("--cross", "0", "--self-maps", "0", "--blend", "cat,dog", "--blend-start", "0", "--threshold", "0.9")
    edit("prompt-to-prompt", *blend, "-o", "blend")
    mask = read_label_map("blend/000-mask-prompt_to_prompt.png")
    assert dict(mask.names) == {0: "", 1: "prompt_to_prompt"}
    same = (pixels("blend/000.png") == pixels("blend/000-source.png")).all(-1)
    assert not same[mask.labels == 1].all()


def test_maps_are_a_sheet(edit):
    answer = edit("prompt-to-prompt", "-o", "out")
    assert answer["written"][-1] == "out/000-maps.png"
    with Image.open("out/000-maps.png") as sheet:
        assert sheet.width >= 5 * 96  # a column for each word
        assert sheet.height >= 2 * 64  # the source's above the target's


def test_a_picture_of_a_prompt_with_words_twice_and_none(edit):
    edit("prompt-to-prompt", "-o", "out", target="a dog and a dog and a dog")
    assert Path("out/000-maps.png").is_file()


# Again


@pytest.mark.parametrize("command", METHODS)
def test_an_edit_is_made_again(edit, run, model: str, photo: str, command: str):
    edit(command, "--image", photo, "-o", "out")
    code, out, err = run("rerun", "out/000.png", "-m", model)
    assert (code, err) == (0, "")
    assert "the same, pixel by pixel" in out
    code, out, _ = run("rerun", "out/000.png", "-m", model, "-o", "again.png", "--json")
    assert json.loads(out) == {"same": True, "written": "again.png"}
    assert np.array_equal(pixels("again.png"), pixels("out/000.png"))
    assert run("rerun", "again.png", "-m", model, "-o", "third.png", "--json")[1].count('"same": true') == 1


def test_each_of_several_is_made_again(edit, run, model: str, photo: str, tmp_path: Path):
    edit("edit", "--image", photo, "--image", picture(tmp_path / "other.png", 2), "-o", "out")
    for name in ("000", "001"):
        code, out, _ = run("rerun", f"out/{name}.png", "-m", model, "--json")
        assert (code, json.loads(out)) == (0, {"same": True, "written": f"out/{name}-again.png"})


def test_drawings_are_made_again(run, model: str, photo: str):
    base = ("-m", model, "--steps", "2", "--size", "64x96")
    assert run("generate", CAT, DOG, *base, "-o", "drawn", "--negative", "a bird")[0] == 0
    assert run("generate", CAT, DOG, *base, "-o", "from", "--from", photo, "--strength", "0.6")[0] == 0
    assert run("generate", CAT, *base, "-o", "rule/000.png", "--scheduler", "HeunDiscreteScheduler")[0] == 0
    for path in ("drawn/000.png", "drawn/001.png", "from/000.png", "from/001.png", "rule/000.png"):
        code, out, err = run("rerun", path, "-m", model, "--json")
        assert code == 0, err
        assert json.loads(out)["same"] is True, path


def test_a_jpeg_is_the_same_as_far_as_it_keeps_pixels(run, model: str):
    assert run("generate", CAT, "-m", model, "--steps", "2", "--size", "64", "-o", "one.jpg")[0] == 0
    assert json.loads(run("rerun", "one.jpg", "-m", model, "--json")[1])["same"] is True
    Image.fromarray(255 - pixels("one.jpg")).save("one.jpg")  # the recipe stays beside it
    assert json.loads(run("rerun", "one.jpg", "-m", model, "--json")[1])["same"] is False


def test_a_picture_that_was_changed_is_not_the_same(run, model: str):
    assert run("generate", CAT, "-m", model, "--steps", "2", "--size", "64", "-o", "one.png")[0] == 0
    values = pixels("one.png").copy()
    values[0, 0, 0] ^= 1
    Image.fromarray(values).save("one.png")  # the recipe stays beside it
    code, out, _ = run("rerun", "one.png", "-m", model)
    assert code == 0
    assert "not the same" in out
    assert json.loads(run("rerun", "one.png", "-m", model, "--json")[1])["same"] is False


def test_a_recipe_alone_is_enough(edit, run, model: str):
    edit("masactrl", "-o", "out")
    code, out, _ = run("rerun", "out/000.json", "-m", model, "-o", "again.png", "--json")
    assert (code, json.loads(out)["same"]) == (0, None)
    assert np.array_equal(pixels("again.png"), pixels("out/000.png"))


def test_pictures_that_moved_are_named(edit, run, model: str, photo: str):
    edit("masactrl", "--image", photo, "-o", "out")
    Path(photo).rename("moved.png")
    code, _, err = run("rerun", "out/000.png", "-m", model)
    assert code == 2
    assert photo in err
    code, out, _ = run("rerun", "out/000.png", "-m", model, "--image", "moved.png", "--json")
    assert (code, json.loads(out)["same"]) == (0, True)


# What is refused

REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "an unknown method": (("edit", CAT, DOG, "--method", "masactral"), "masactrl"),
    "a method of another family": (("edit", CAT, DOG, "--method", "daam"), "daam"),
    "a method of no name": (("edit", CAT, DOG, "--method="), "method"),
    "a setting of nobody": (("edit", CAT, DOG, "--set", "masactrl.start=0.5"), "--with"),
    "a setting without a value": (("edit", CAT, DOG, "--with", "masactrl", "--set", "masactrl.start"), "--set"),
    "a setting that the other has not": (
        ("edit", CAT, DOG, "--with", "masactrl", "--set", "masactrl.begin=1"),
        "begin",
    ),
    "a setting that is none of the method": (
        ("edit", CAT, DOG, "--with", "masactrl", "--set", "masactrl.seed=3"),
        "masactrl has no setting 'seed'; it has start, ",
    ),
    "a setting that is no number": (
        ("edit", CAT, DOG, "--with", "masactrl", "--set", "masactrl.start=late"),
        "start",
    ),
    "a setting that is no yes or no": (
        ("masactrl", CAT, DOG, "--with", "prompt-to-prompt", "--set", "prompt_to_prompt.renormalise=maybe"),
        "maybe",
    ),
    "together with a method that does not edit": (("edit", CAT, DOG, "--with", "daam"), "daam"),
    "together with an unknown method": (("edit", CAT, DOG, "--with", "masactral"), "masactrl"),
    "together with itself": (("edit", CAT, DOG, "--with", "prompt_to_prompt"), "each once"),
    "two that want the same": (("edit", CAT, DOG, "--self-maps", "1", "--with", "plug_and_play"), "plug_and_play"),
    "a sweep of an unknown setting": (("edit", CAT, DOG, "--sweep", "crass=0,1"), "crass"),
    "a sweep without values": (("edit", CAT, DOG, "--sweep", "cross"), "--sweep"),
    "a sweep of no values": (("edit", CAT, DOG, "--sweep", "cross="), "cross"),
    "a sweep of words": (("edit", CAT, DOG, "--sweep", "cross=low,high"), "cross"),
    "a sweep of three": (
        ("edit", CAT, DOG, "--sweep", "cross=0", "--sweep", "self_maps=0", "--sweep", "seed=1"),
        "one or two",
    ),
    "a sweep of two methods": (("edit", CAT, DOG, "--sweep", "cross=0", "--with", "masactrl"), "--with"),
    "weights without numbers": (("edit", CAT, DOG, "--weights", "dog"), "word=number"),
    "weights without words": (("edit", CAT, DOG, "--weights", "2"), "word=number"),
    "weights that are words": (("edit", CAT, DOG, "--weights", "dog=much"), "word=number"),
    "weights that are no numbers": (("edit", CAT, DOG, "--weights", "dog=nan"), "finite"),
    "an endless weight": (("edit", CAT, DOG, "--weights", "dog=inf"), "finite"),
    "a word that is not there": (("edit", CAT, DOG, "--weights", "zebra=2"), "zebra"),
    "a word to blend that is not there": (("edit", CAT, DOG, "--blend", "cat"), "blend"),
    "a word of the source that is not there": (
        ("masactrl", CAT, DOG, "--source-words", "zebra", "--target-words", "dog"),
        "zebra",
    ),
    "words of the source alone": (("masactrl", CAT, DOG, "--source-words", "cat"), "target_words"),
    "a way to align that is none": (("edit", CAT, DOG, "--align", "sideways"), "refine"),
    "a share that is no number": (("edit", CAT, DOG, "--cross", "nan"), "cross"),
    "a share below zero": (("edit", CAT, DOG, "--cross", "-1"), "cross"),
    "more levels than goals": (("attend-and-excite", CAT, DOG, "--refine", "0,0.1"), "refine"),
    "iterations below zero": (("attend-and-excite", CAT, DOG, "--iterations", "-1"), "iterations"),
    "a blur of nothing": (("attend-and-excite", CAT, DOG, "--sigma", "0"), "sigma"),
    "nothing to attend to": (("attend-and-excite", ""), "noun"),
    "no noise": (("diffedit", CAT, DOG, "--noises", "0"), "noises"),
    "back beyond noise": (("diffedit", CAT, DOG, "--ratio", "nan"), "ratio"),
    "a stride that no layer has": (("masactrl", CAT, DOG, "--stride", "0"), "stride"),
    "a picture that is not there": (("edit", CAT, DOG, "--image", "nowhere.png"), "nowhere.png"),
    "a picture that is none": (("edit", CAT, DOG, "--image", "broken.png"), "broken.png"),
    "an inversion of nothing": (("edit", CAT, DOG, "--inversion", "ddim"), "image"),
    "an unknown inversion": (("edit", CAT, DOG, "--image", "photo.png", "--inversion", "magic"), "null_text"),
    "a broken inversion": (("edit", CAT, DOG, "--inversion", "broken.safetensors"), "broken.safetensors"),
    "an inversion that is not there": (("edit", CAT, DOG, "--inversion", "none.safetensors"), "none.safetensors"),
    "a place that is a file": (("edit", CAT, DOG, "-o", "photo.png"), "photo.png"),
    "a picture without a recipe again": (("rerun", "photo.png"), "no recipe"),
    "a picture that is not there again": (("rerun", "nowhere.png"), "nowhere.png"),
    "no picture again": (("rerun", "broken.png"), "broken.png"),
    "a recipe of something else again": (("rerun", "list.json"), "list.json"),
    "an empty recipe again": (("rerun", "empty.json"), "lacks"),
    "a recipe of other weights again": (("rerun", "other.json"), "weights"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_sentence(run, model: str, photo: str, name: str):
    Path("broken.png").write_bytes(Path(photo).read_bytes()[:40])
    Path("broken.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    Path("list.json").write_text("[1]", encoding="utf-8")
    write_recipe({}, "empty.json")
    facts = {"method": "generate", "model": "x", "model_hash": "y", "prompts": [CAT], "seeds": [0]}
    write_recipe(facts, "other.json")
    words, says = REFUSED[name]
    quick = () if words[0] == "rerun" or "steps" in words else ("--steps", "2", "--size", "64x96")
    code, out, err = run(*words, "-m", model, *quick)
    assert code == 2, out + err
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert err.startswith("innerlight: ")
    assert len(err.strip().splitlines()) == 1, err


def test_what_is_refused_writes_nothing(run, model: str, tmp_path: Path):
    code, _, _ = run("edit", CAT, DOG, "-m", model, "--steps", "2", "--size", "64x96", "--weights", "zebra=2")
    assert code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_help_of_the_family_has_the_settings_of_the_method(run):
    code, out, _ = run("edit", "--help")
    assert code == 0
    assert "--word-cross" in out
    code, out, _ = run("edit", "--method", "masactrl", "--help")
    assert code == 0
    assert "--source-words" in out
    assert "--word-cross" not in out
