"""The recognising commands on tiny models: what they write, how they go on, what they refuse."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from innerlight.backbones import load
from innerlight.bench import data
from innerlight.bench.data import Report
from innerlight.cli._recognising import OVERLAY, mask_of, one_by_one, pictures_of, write_ranking
from innerlight.files import Manifest, read_label_map, write_labels, write_picture
from innerlight.maps import WordMap
from innerlight.matching import Ranking
from innerlight.methods import names
from innerlight.prompts import LearnedWord
from innerlight.tuning.lessons import begun
from innerlight.tuning.words import save_word
from innerlight.types import InputError
from innerlight.world import export, render, sample, truth

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


def gone_through(pictures: list[Path], worked_on: list[str]) -> list[dict[str, Any]]:
    """Pictures worked on into `out`, where each result is the picture's bytes."""

    def work(name: str, path: Path) -> dict[str, Any]:
        worked_on.append(str(path))
        if b"broken" in path.read_bytes():
            raise InputError(f"{path} is broken")
        place = Path("out") / f"{name}.png"
        place.write_bytes(path.read_bytes())
        place.with_suffix(".json").write_text("{}")
        return {"written": str(place)}

    return one_by_one(pictures_of(pictures), Path("out"), "copy", {}, work, [OVERLAY])


@pytest.fixture
def cats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Pictures of one stem, in folders of their own."""
    monkeypatch.chdir(tmp_path)
    for name in "ABC":
        Path(name).mkdir()
        Path(name, "cat.png").write_bytes(name.encode())
    return [Path(name, "cat.png") for name in "ABC"]


def stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def shown(done: list[dict[str, Any]]) -> list[str]:
    """What stands now where the results of pictures are said to be."""
    return [Path(one["written"]).read_text() for one in done]


def test_pictures_of_one_stem_do_not_take_each_others_results(cats: list[Path]):
    seen: list[str] = []
    assert shown(gone_through(cats[1:2], seen)) == ["B"]
    assert shown(gone_through(cats[:1], seen)) == ["A"]
    assert shown(gone_through(cats, seen)) == ["A", "B", "C"]
    assert [one["picture"] for one in gone_through(cats[::-1], seen)] == ["C/cat.png", "B/cat.png", "A/cat.png"]
    assert seen == ["B/cat.png", "A/cat.png", "C/cat.png"]
    assert {path.name for path in Path("out").glob("*.png")} == {"cat.png", "cat-2.png", "cat-3.png"}


def test_a_picture_called_like_the_overlay_of_another_has_another_name(cats: list[Path]):
    cats[1].rename("B/cat-overlay.png")
    seen: list[str] = []
    assert shown(gone_through([cats[0], Path("B")], seen)) == ["A", "B"]
    assert {path.name for path in Path("out").glob("*.png")} == {"cat.png", "cat-overlay-2.png"}
    Path("out").rename("before")
    assert shown(gone_through([Path("B"), cats[0]], seen)) == ["B", "A"]
    assert {path.name for path in Path("out").glob("*.png")} == {"cat-2.png", "cat-overlay.png"}


def test_a_picture_is_known_by_any_spelling_of_its_path(cats: list[Path], monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []
    gone_through([cats[0], Path("B/../A/cat.png"), Path("A"), cats[0].absolute()], seen)
    assert gone_through([cats[0].absolute()], seen)[0]["picture"] == str(cats[0].absolute())
    assert seen == ["A/cat.png"]


def test_a_picture_that_changed_is_done_again_in_its_place(cats: list[Path]):
    seen: list[str] = []
    gone_through(cats[:2], seen)
    for content in ("X", "A"):  # another picture, and the first one again
        cats[0].write_text(content)
        assert shown(gone_through(cats[:2], seen)) == [content, "B"]
    cats[0].touch()
    assert shown(gone_through(cats[:2], seen)) == ["A", "B"]
    assert seen == ["A/cat.png", "B/cat.png", "A/cat.png", "A/cat.png"]
    assert {path.name for path in Path("out").glob("*.png")} == {"cat.png", "cat-2.png"}


def test_a_picture_that_cannot_be_read_has_no_result_of_before(cats: list[Path]):
    seen: list[str] = []
    gone_through(cats, seen)
    cats[0].write_text("broken")
    cats[1].unlink()
    with pytest.raises(InputError, match=r"2 of 3 pictures .* A/cat.png is broken; There is no file B/cat.png"):
        gone_through(cats, seen)
    cats[0].write_text("A")
    assert shown(gone_through([cats[0], cats[2]], seen)) == ["A", "C"]
    assert seen[3:] == ["A/cat.png", "A/cat.png"]


def test_a_picture_that_changed_has_no_result_while_it_is_done_again(cats: list[Path], monkeypatch: pytest.MonkeyPatch):
    gone_through(cats[:1], [])
    cats[0].write_text("X")
    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "record", stop)  # when the result is written, but not journalled
        with pytest.raises(KeyboardInterrupt):
            gone_through(cats[:1], [])
    cats[0].write_text("A")
    assert shown(gone_through(cats[:1], [])) == ["A"]


def test_results_are_not_written_over_the_pictures(cats: list[Path]):
    Path("out").mkdir()
    Path("out/cat.png").write_text("A")
    with pytest.raises(InputError, match=r"--output: .* would be written over out/cat.png"):
        gone_through([Path("out")], [])
    assert Path("out/cat.png").read_text() == "A"


def test_json_of_others_is_not_written_over(cats: list[Path]):
    Path("out").mkdir()
    Path("out/cat-2.json").write_text("annotations")
    seen: list[str] = []
    with pytest.raises(InputError, match=r"--output: results of B/cat.png would be written over out/cat-2.json"):
        gone_through(cats, seen)
    assert seen == []
    assert shown(gone_through(cats[:1], seen)) == ["A"]
    assert Path("out/cat-2.json").read_text() == "annotations"


def test_json_of_a_run_that_was_killed_is_gone_on_with(cats: list[Path], monkeypatch: pytest.MonkeyPatch):
    plain, seen = Manifest.record, []

    def record(manifest: Manifest, key: str, **result: Any) -> None:
        if result:  # when its files are written, but not journalled
            raise KeyboardInterrupt
        plain(manifest, key)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "record", record)
        with pytest.raises(KeyboardInterrupt):
            gone_through(cats, seen)
    assert Path("out/cat.json").exists()
    assert shown(gone_through(cats, seen)) == ["A", "B", "C"]
    assert seen == ["A/cat.png", "A/cat.png", "B/cat.png", "C/cat.png"]


def test_a_run_that_wrote_nothing_takes_other_settings(cats: list[Path]):
    for point in ((1, 2), (3, 4)):
        with pytest.raises(KeyboardInterrupt):
            one_by_one(pictures_of(cats), Path("out"), "copy", {"point": point}, stop)


@pytest.mark.parametrize(
    "words",
    [
        ("segment", "cat.jpg"),
        ("match", "cat.jpg", "cat.jpg", "--point", "9,9"),
        ("maps", "a cat", "--image", "cat.jpg"),
    ],
    ids=lambda words: words[0],
)
def test_annotations_beside_a_photograph_are_left(run: Run, model: str, words: tuple[str, ...]):
    write_picture(render(sample(0), 64).picture, Path("cat.jpg"))
    Path("cat.json").write_text("annotations")
    code, _, err = run(*words, "-o", ".", "--model", model)
    assert code == 2
    assert "would be written over cat.json" in err
    assert Path("cat.json").read_text() == "annotations"


def test_a_threshold_of_maps_is_refused_before_they_are_drawn(run: Run, model: str):
    code, _, err = run("maps", "a cat", "--threshold", "-1", "--model", model)
    assert code == 2
    assert "threshold: expected a share of a map's maximum" in err
    assert not Path("maps").exists()


def test_dots_do_not_make_results_one(run: Run, model: str, folder: Path):
    for number in (0, 1):
        (folder / f"{number}.png").rename(folder / f"frame.000{number}.png")
    (folder / "2.png").unlink()
    code, out, _ = run("segment", folder, "-o", "out", "--model", model, "--json")
    assert code == 0
    written = [one["written"] for one in json.loads(out)["pictures"]]
    assert written[1] == [f"out/frame.0001{end}" for end in (".png", ".json", "-overlay.png")]
    assert written[0][0] == "out/frame.0000.png"
    code, out, _ = run("match", folder / "frame.0000.png", folder, "--point", "9,9", "--draws", "1", "--model", model)
    assert code == 0
    assert {path.name for path in Path("matches").glob("*.json")} == {"frame.0000.json", "frame.0001.json"}


def test_match_notices_another_source(run: Run, model: str, folder: Path):
    given = ["match", folder / "0.png", folder / "1.png", "--point", "9,9", "--draws", "1", "--model", model]
    assert run(*given)[0] == 0
    (folder / "0.png").write_bytes((folder / "2.png").read_bytes())
    code, _, err = run(*given)
    assert code == 2
    assert "begun with other settings: source_sha256" in err


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


def test_maps_do_not_take_one_prompt_for_another(run: Run, model: str, folder: Path):
    given = ["maps", "a cat", "a dog", "--model", model, "-o", "out"]
    pictures = [folder / "0.png", folder / "1.png"]
    assert run(*given, "--image", pictures[0], "--image", pictures[1])[0] == 0
    code, _, err = run(*given, "--image", pictures[1], "--image", pictures[0])
    assert code == 2
    assert "begun with other settings: prompts" in err


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


def test_a_learned_word_is_looked_for_as_what_it_stands_for(run: Run, model: str, folder: Path):
    backbone = load(model)
    save_word("toy.safetensors", backbone, LearnedWord("<toy>", begun(backbone, "car")))
    own = ("-i", "store", "--model", model, "--json")
    assert run("index", folder, "-o", "store", "--model", model)[0] == 0
    code, taught, err = run("find", folder / "0.png", *own, "--word", "<toy>", "--learned", "toy.safetensors")
    assert (code, err) == (0, "")
    assert (
        json.loads(taught)["ranking"] == json.loads(run("find", folder / "0.png", *own, "--word", "car")[1])["ranking"]
    )


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
    (folder / "1.png").unlink()
    code, out, err = run("find", folder / "0.png", "-i", "store", "--mask", mask, "--model", model)
    assert code == 0
    assert len(out.splitlines()) == 2
    assert "left out 1.png: it is not there any more; index again" in err
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes((folder / "0.png").read_bytes())
    code, out, err = run("index", folder, "-o", "store", "--model", model)
    assert (code, out.strip()) == (0, "store: 2 pictures, 0 of them new; 1 gone: 1.png")
    assert "left out caf" in err
    assert json.loads(run("index", folder, "-o", "store", "--model", model, "--json")[1])["total"] == 2


def test_masks_are_of_all_that_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    one, number = Image.new("RGB", (6, 4)), 30
    maps = [WordMap("cat", np.eye(2, dtype=np.float32), (4, 6))] * number
    made = Ranking(one, np.ones((4, 6), bool), [one] * number, np.arange(number) / 100, maps, 0.7, {})
    names = [f"{k % 2}/{k // 2}.png" for k in range(number)]
    write_ranking(made, names, Path("all"), json=True)
    write_ranking(made, names, Path("some"), json=True, count=5)
    assert len(list(Path("all").glob("*-mask.png"))) == number
    assert sorted(path.name for path in Path("some").glob("*-mask.png")) == [f"{k:03d}-mask.png" for k in range(25, 30)]
    with Image.open("all/ranking.png") as whole, Image.open("some/ranking.png") as part:
        assert whole.height > part.height
    told = json.loads(Path("some/ranking.json").read_text())["ranking"]
    assert [row["name"] for row in told] == names[::-1]


def saved(image: Image.Image, name: str = "mask.png", **options: Any) -> Path:
    image.save(name, **options)
    return Path(name)


def indexed(values: list[list[int]]) -> Image.Image:
    """Indices under a palette whose first colour is the lightest."""
    image = Image.fromarray(np.array(values, np.uint8))
    image.putpalette([255, 255, 255, 0, 0, 0, 0, 0, 90])
    return image


def row(*values: int | tuple[int, ...]) -> Image.Image:
    return Image.fromarray(np.array([values], np.uint8))


MASKS: dict[str, tuple[Callable[[], Path], list[list[bool]]]] = {
    "indices are not 0": (lambda: saved(indexed([[0, 1, 2]])), [[False, True, True]]),
    "a transparent index": (lambda: saved(indexed([[0, 1, 2]]), transparency=1), [[False, False, True]]),
    "numbers in grey": (lambda: saved(row(0, 1, 7)), [[False, True, True]]),
    "many numbers in grey": (
        lambda: saved(Image.fromarray(np.array([[0, 1, 300]], np.uint16))),
        [[False, True, True]],
    ),
    "one bit": (lambda: saved(row(0, 255).convert("1")), [[False, True]]),
    "grey with a soft edge": (
        lambda: saved(row(0, 60, 127, 128, 255)),
        [[False, False, False, True, True]],
    ),
    "16 bits with a soft edge": (
        lambda: saved(Image.fromarray(np.array([[0, 900, 30000, 40000, 65535]], np.uint16))),
        [[False, False, False, True, True]],
    ),
    "colours": (lambda: saved(row((0, 0, 90), (0, 255, 0), (255, 255, 255))), [[False, True, True]]),
    "white on transparent": (
        lambda: saved(row((255, 255, 255, 0), (255, 255, 255, 90), (255, 255, 255, 255))),
        [[False, False, True]],
    ),
    "white on black, transparent around": (
        lambda: saved(row((255, 255, 255, 0), (0, 0, 0, 255), (255, 255, 255, 255))),
        [[False, False, True]],
    ),
    "grey and alpha": (lambda: saved(row((255, 0), (255, 255), (40, 255))), [[False, True, False]]),
    "a photograph": (lambda: saved(Image.new("L", (2, 1), 20), "mask.jpg"), [[False, False]]),
    "white in WebP": (lambda: saved(Image.new("RGB", (2, 1), "white"), "mask.webp"), [[True, True]]),
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_read_as_it_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    monkeypatch.chdir(tmp_path)
    drawn, expected = MASKS[kind]
    assert np.array_equal(np.asarray(mask_of(drawn())), expected)


def test_score_refuses_settings_that_are_none_of_the_method(run: Run, model: str):
    for setting in ("seed=3", "guidance=2", "negative=a"):
        code, _, err = run("score", "spair", ".", "--method", "dift", "--set", setting, "--model", model)
        assert code == 2
        assert f"dift has no setting '{setting.partition('=')[0]}'; it has timestep, " in err


def test_methods_are_measured_on_a_data_set_as_score_does(run: Run, model: str):
    export(Path("spair"), "spair", 3, height=48, width=64)
    shared = ("--split", "trn", "--model", model, "--json")
    code, out, _ = run("bench", "dift", "--dataset", "spair", "--root", "spair", "--scenes", "2", *shared)
    assert code == 0
    (told,) = json.loads(out)["reports"]
    assert (told["set"], told["method"], told["items"]) == ("SPair-71k", "dift", 2)
    code, out, _ = run("score", "spair", "spair", "--method", "dift", "--limit", "2", "-o", "other", *shared)
    assert code == 0
    assert json.loads(out) == told
    assert len(list(Path("scored").iterdir())) == 1


@pytest.mark.parametrize(("dataset", "format", "split", "scored_by"), [
    ("spair", "spair", "trn", list(names("correspondence"))),
    ("pascal_voc", "voc", "train", ["diffseg"]),  # its protocol wants names, which EmerDiff does not give
])  # fmt: skip
def test_without_names_a_data_set_is_for_all_that_its_protocol_scores(
    run: Run, model: str, monkeypatch: pytest.MonkeyPatch, dataset: str, format: str, split: str, scored_by: list[str]
):
    asked: list[str] = []

    def scored(backbone: Any, method: Any, config: Any, items: Any, rule: Any, *given: Any, **named: Any) -> Report:
        asked.append(method.name)
        return Report(str(rule), method.name, items.name, items.split, rule.split, 3, 3, {}, "tiny", 0, {"pck": 0.5})

    monkeypatch.setattr(data, "score_set", scored)
    export(Path("root"), format, 3, height=48, width=64)
    code, out, _ = run("bench", "--dataset", dataset, "--root", "root", "--split", split, "--model", model)
    assert code == 0
    assert asked == scored_by
    assert all(name in out for name in asked)


@pytest.mark.parametrize(("dataset", "wrong", "said"), [
    ("spair", "daam", "spair scores methods of correspondence, daam is one of reading"),
    ("spair", "nothing", "no method 'nothing'"),
    ("ade20k", "emerdiff", "only diffseg"),
])  # fmt: skip
def test_methods_that_a_data_set_is_not_for_are_refused_before_a_model_is_opened(
    run: Run, monkeypatch: pytest.MonkeyPatch, dataset: str, wrong: str, said: str
):
    monkeypatch.setattr("innerlight.cli.bench.opened", lambda *given: pytest.fail("a model was opened"))
    export(Path("spair"), "spair", 3, height=48, width=64)
    right = "diffseg" if dataset == "ade20k" else "dift"
    code, _, err = run("bench", right, wrong, "--dataset", dataset, "--root", "spair", "--split", "trn")
    assert code == 2
    assert said in err


def test_a_data_set_without_its_place_is_refused(run: Run):
    for given in (("--dataset", "spair"), ("--root", "spair")):
        code, _, err = run("bench", "dift", *given)
        assert code == 2
        assert "--dataset and --root" in err


def test_an_overlay_is_not_written_over_a_picture_that_was_given(run: Run, model: str, folder: Path):
    Path(folder, "1.png").rename("0-overlay.png")
    given = Path("0-overlay.png").read_bytes()
    code, _, err = run("segment", folder / "0.png", "0-overlay.png", "-o", ".", "--model", model)
    assert code == 2
    assert "would be written over 0-overlay.png" in err
    assert Path("0-overlay.png").read_bytes() == given


def test_a_picture_called_like_the_map_of_another_has_another_name(run: Run, model: str, folder: Path):
    Path(folder, "2.png").unlink()
    Path(folder, "0.png").rename(folder / "a.png")
    Path(folder, "1.png").rename(folder / "a-cat.png")
    code, out, _ = run("maps", "a cat", "--image", folder, "-m", model, "-o", "out", "--json")
    assert code == 0
    written = json.loads(out)["written"]
    assert len(set(written)) == len(written) == len(list(Path("out").glob("*.png"))) == 6


@pytest.mark.parametrize(
    "command", ["segment", "match", "index", "find", "pdm", "emerdiff", "embedding-correspondence"]
)
def test_help_of_each(run: Run, command: str):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "--model" in out
