"""What is refused before the long work: places that cannot be written, sizes and choices that are none."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from innerlight import cli
from innerlight.cli._shell import refuse_unwritable
from innerlight.files import WriteError, write_recipe
from innerlight.types import InputError

PHOTO = "photo.png"
EARLY: dict[str, tuple[tuple[str, ...], str]] = {  # with a model that is not there, of which nothing must be said
    "generate into a file": (("generate", "a cat", "-o", f"{PHOTO}/new.png"), "Could not write"),
    "generate into a folder": (("generate", "a cat", "-o", "folder.png"), "there is a folder"),
    "generate of another suffix": (("generate", "a cat", "-o", "new.gif"), "suffix"),
    "generate of no size": (("generate", "a cat", "-o", "new.png", "--size", "large"), "--size"),
    "generate beyond all sizes": (("generate", "a cat", "-o", "new.png", "--size", "1" + "0" * 30), "--size"),
    "generate beside another's recipe": (("generate", "a cat", "-o", "recipe.png"), "recipe.json holds something else"),
    "rerun of another suffix": (("rerun", "recipe.json", "-o", "new.gif"), "suffix"),
    "invert into a folder": (("invert", PHOTO, "-o", "folder.png"), "there is a folder"),
    "invert of no size": (("invert", PHOTO, "--size", "large"), "--size"),
    "maps": (("maps", "a cat", "-o", PHOTO), "Could not write"),
    "maps of no size": (("maps", "a cat", "--size", "large"), "--size"),
    "maps of a threshold that is none": (("maps", "a cat", "--threshold", "nan"), "--threshold is nan"),
    "edit": (("edit", "a cat", "-o", PHOTO), "Could not write"),
    "edit from a broken inversion": (("edit", "a cat", "--inversion", "none.safetensors"), "none.safetensors"),
    "segment": (("segment", PHOTO, "-o", PHOTO), "Could not write"),
    "segment with other borders": (("segment", PHOTO, "--refine", "magic"), "graph_cut or crf"),
    "match": (("match", PHOTO, PHOTO, "-o", PHOTO), "Could not write"),
    "pdm": (("pdm", PHOTO, PHOTO, "-o", PHOTO), "Could not write"),
    "teach": (("teach", PHOTO, "--like", "cat", "-o", f"{PHOTO}/taught"), "Could not write"),
    "index": (("index", ".", "-o", PHOTO), "Could not write"),
    "find": (("find", PHOTO, "-o", PHOTO), "Could not write"),
}


@pytest.mark.parametrize("name", EARLY)
def test_it_is_refused_before_a_model_is_opened(run, tmp_path: Path, name: str):
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(PHOTO)
    write_recipe({"method": "generate", "prompts": ["a cat"]}, "recipe.json")
    Path("folder.png").mkdir()
    before = set(tmp_path.rglob("*"))
    words, says = EARLY[name]
    code, out, err = run(*words, "-m", "nowhere")
    assert (code, out) == (2, "")
    assert says in err
    assert "nowhere" not in err
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "words", [("bench", "core", "--out"), ("embedded", "score", "--evidence"), ("world", "score", "--evidence")]
)
def test_a_table_that_cannot_be_written_is_refused_before_it_is_measured(run, words: tuple[str, ...]):
    Path("file").touch()
    place = "file" if words[0] == "bench" else "file/table.json"
    code, out, err = run(*words, place)
    assert (code, out) == (2, "")
    assert "Could not write" in err


def test_a_page_in_a_file_is_refused_before_it_is_drawn(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("innerlight.bench.demo.write_demo", lambda *given, **named: pytest.fail("drawn"))
    Path("file").touch()
    code, _, err = run("demo", "file")
    assert code == 2
    assert "Could not write" in err


def test_a_broken_target_is_refused_before_the_source_is_prepared(run, model: str, monkeypatch: pytest.MonkeyPatch):
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(PHOTO)
    Path("broken.png").write_bytes(Path(PHOTO).read_bytes()[:40])
    module = importlib.import_module("innerlight.methods.correspondence.embedding_correspondence")
    monkeypatch.setattr(module, "finder", lambda *given, **named: pytest.fail("prepared"))
    code, _, err = run("embedding-correspondence", PHOTO, "broken.png", "--point", "3,4", "-m", model)
    assert code == 2
    assert "broken.png" in err


def test_a_mask_that_cannot_be_leaves_no_half_of_the_maps(run, model: str, tmp_path: Path):
    code, _, err = run("maps", "a cat", "--threshold", "-1", "-m", model, "--steps", "2", "--size", "64")
    assert code == 2
    assert "share of a map" in err
    assert list(tmp_path.iterdir()) == []


def test_places_are_looked_at_and_nothing_is_made(tmp_path: Path):
    (tmp_path / "file.png").touch()
    (tmp_path / "folder").mkdir()
    before = set(tmp_path.rglob("*"))
    refuse_unwritable(tmp_path / "new" / "deeper")
    refuse_unwritable(tmp_path / "folder")
    refuse_unwritable(tmp_path / "new" / "file", "file")
    refuse_unwritable(tmp_path / "file.png", "picture")
    for place, what, says in (
        (tmp_path / "file.png", "folder", "a part of the path is a file"),
        (tmp_path / "file.png" / "new.png", "picture", "a part of the path is a file"),
        (tmp_path / "folder", "file", "there is a folder"),
        (tmp_path / ("a" * 300), "folder", "too long"),
    ):
        with pytest.raises(WriteError, match=says):
            refuse_unwritable(place, what)
    with pytest.raises(InputError, match="suffix"):
        refuse_unwritable(tmp_path / "new", "picture")
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3 TiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes\nframe #0: c10"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1.00 GiB"),
    ],
)
def test_too_little_memory_is_one_line(run, monkeypatch: pytest.MonkeyPatch, error: Exception):
    def app() -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)
    code, out, err = run("generate")
    assert (code, out) == (2, "")
    assert err.startswith("innerlight: out of memory")
    assert len(err.splitlines()) == 1


def test_our_own_mistakes_come_through(monkeypatch: pytest.MonkeyPatch):
    def app() -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(RuntimeError, match="shapes"):
        cli.main()
