"""Odd input through every command: each must end in one message on stderr and an exit code of 2, and write nothing."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from innerlight.bench.malformed import Outcome
from innerlight.methods import get, names

MODEL = ("-m", "{}/model")
SHOWN = "{}/picture.png"
JOURNAL = "manifest.jsonl"  # says what was begun, also of what is then refused


@dataclass(frozen=True)
class Line:
    """A command line and words of what it must say; `code` is the exit it must have."""

    name: str
    words: tuple[str, ...]
    says: str
    code: int = 2


def run_commands(main: Callable[[], object], folder: Path) -> list[Outcome]:
    """Make the files, run every line through `main`, the command line's entry, and say how each ended."""
    _make(folder)
    return [_run(main, line, folder) for line in lines()]


def lines() -> list[Line]:
    """The whole table; `{}` is the folder of the files."""
    return [*_of_commands(), *_of_methods()]


def _of_commands() -> list[Line]:
    """Each command by itself."""
    draw = ("generate", "a cat", "--steps", "2", "-o", "{}/new.png", *MODEL)
    daam = ("daam", "a red cat", "--steps", "2", "-o", "{}/maps", *MODEL)
    edit = ("edit", "a cat", "a dog", "--steps", "2", "--size", "64", "-o", "{}/edited", *MODEL)
    again = ("-o", "{}/again.png", *MODEL)
    back = ("invert", SHOWN, "--steps", "2", "-o", "{}/new.safetensors", *MODEL)
    find = ("find", SHOWN, "--word", "cat", "-i", "{}/empty", "-o", "{}/found", *MODEL)
    export = ("world", "export", "{}/export", "--count", "1")
    train = ("embedded", "train")
    fit = ("embedded", "fit", "--folder", "{}/new")
    rows = "{}/rows.json"

    def to(place: str) -> tuple[str, ...]:
        return "-o", f"{{}}/{place}", *MODEL

    return [
        Line("no such folder", ("inspect", "{}/nowhere"), "nowhere"),
        Line("a folder without a model", ("inspect", "{}/empty"), "model_index.json"),
        Line("a file for a folder", ("inspect", SHOWN), "picture.png"),
        Line("half a checkpoint", ("inspect", "{}/half"), "half"),
        Line("a UNet is missing", ("inspect", "{}/headless"), "unet"),
        Line("pickled weights", ("inspect", "{}/pickled"), "pickle"),
        Line("weights that are no numbers", ("inspect", "{}/nan"), "no numbers"),
        Line("another family", ("inspect", "{}/flux"), "FluxPipeline"),
        Line("an index that is no JSON", ("inspect", "{}/garbled"), "model_index.json"),
        Line("a single file that is none", ("inspect", "{}/broken.safetensors"), "broken.safetensors"),
        Line("a single file of something else", ("inspect", "{}/other.safetensors"), "other.safetensors"),
        Line("a pickled single file", ("inspect", "{}/old.ckpt"), "old.ckpt"),
        Line("an unknown family's shape", ("inspect", "--blank", "sd9"), "sd15"),
        Line("no steps", ("generate", "a cat", "--steps", "0", *MODEL, "-o", "{}/new.png"), "steps"),
        Line("steps below zero", (*draw, "--steps", "-3"), "steps"),
        Line("too many steps", (*draw, "--steps", "5000"), "steps"),
        Line("steps that are no number", (*draw, "--steps", "many"), "steps"),
        Line("guidance that is no number", (*draw, "--guidance", "nan"), "guidance"),
        Line("endless guidance", (*draw, "--guidance", "inf"), "guidance"),
        Line("a seed below zero", (*draw, "--seed", "-1"), "seed"),
        Line("a size that does not divide", (*draw, "--size", "130"), "size"),
        Line("no size at all", (*draw, "--size", "0"), "size"),
        Line("a size in words", (*draw, "--size", "large"), "size"),
        Line("a size too small for a grid", (*draw, "--size", "8x8"), "size"),
        Line("an unknown scheduler", (*draw, "--scheduler", "EulerDiscrete"), "EulerDiscreteScheduler"),
        Line("a scheduler of other noise", (*draw, "--scheduler", "FlowMatchEulerDiscreteScheduler"), "noise"),
        Line("an unknown device", (*draw, "--device", "abacus"), "abacus"),
        Line("an unknown precision", (*draw, "--dtype", "float7"), "float32"),
        Line("several pictures into one file", ("generate", "a", "b", "-o", "{}/n.png", *MODEL), "folder"),
        Line("a suffix of no picture", (*draw[:4], "-o", "{}/new.gif", *MODEL), "suffix"),
        Line("a place that is a file", (*draw[:4], "-o", "{}/picture.png/new.png", *MODEL), "picture.png"),
        Line("strength above one", (*draw, "--from", SHOWN, "--strength", "2"), "strength"),
        Line("strength that is no number", (*draw, "--from", SHOWN, "--strength", "nan"), "strength"),
        Line("no picture to start from", (*draw, "--from", "{}/nothing.png"), "nothing.png"),
        Line("a broken picture to start from", (*draw, "--from", "{}/broken.png"), "broken.png"),
        Line("a word that is not there", (*daam, "--words", "dog"), "dog"),
        Line("an empty prompt", ("daam", "", *MODEL, "--steps", "2"), "noun"),
        Line("a word beyond the last token", ("daam", "so " * 90 + "cat", "--words", "cat", *daam[2:]), "cat"),
        Line("an unknown branch", (*daam, "--branches", "sideways"), "sideways"),
        Line("levels that are no numbers", (*daam, "--levels", "a,b"), "levels"),
        Line("one picture for two prompts", (*daam, "a dog", "--image", SHOWN), "picture"),
        Line("an unknown method", ("bench", "dream", *MODEL), "daam"),
        Line("an unknown command", ("drem",), "drem"),
        Line("an unknown family of methods", ("methods", "--family", "poetry"), "reading"),
        Line("refinements below zero", (*back, "--refinements", "-1"), "refinements"),
        Line("a picture that is none", ("invert", "{}/broken.png", *MODEL), "broken.png"),
        Line("the inversion's place is a folder", (*back[:4], "-o", "{}/empty", *MODEL), "empty"),
        Line("an unknown way to invert", (*back, "--method", "magic"), "null_text"),
        Line("an edit by an unknown method", (*edit, "--method", "masactral"), "masactrl"),
        Line("an edit by a method that only reads", (*edit, "--method", "daam"), "masactrl"),
        Line("a setting of a method that is not there", (*edit, "--set", "masactrl.start=0.5"), "--with"),
        Line("two methods that want the same", (*edit, "--self-maps", "1", "--with", "plug_and_play"), "both change"),
        Line("a sweep of an unknown setting", (*edit, "--sweep", "crass=0,1"), "crass"),
        Line("weights of words that are no numbers", (*edit, "--weights", "dog=much"), "word=number"),
        Line("a weight of a word that is not there", (*edit, "--weights", "zebra=2"), "zebra"),
        Line("an edit of no picture", (*edit, "--image", "{}/nothing.png"), "nothing.png"),
        Line("a broken inversion", (*edit, "--inversion", "{}/broken.safetensors"), "broken.safetensors"),
        Line("again without a recipe", ("rerun", SHOWN, *again), "no recipe"),
        Line("again from half a recipe", ("rerun", "{}/half.json", *again), "lacks"),
        Line("segments of no picture", ("segment", "{}/nothing.png", *to("s1")), "nothing.png"),
        Line("segments of a broken picture", ("segment", "{}/broken.png", *to("s2")), "1 of 1 pictures"),
        Line("segments by a method that matches", ("segment", SHOWN, "--method", "dift", *to("s3")), "emerdiff"),
        Line("borders moved by magic", ("segment", SHOWN, "--refine", "magic", *to("s4")), "graph_cut"),
        Line("more clusters than cells", ("emerdiff", SHOWN, "--clusters", "999", "--fast", *to("s5")), "clusters"),
        Line("names of segments that have none", ("emerdiff", SHOWN, "--names", "cat", *to("s6")), "diffseg"),
        Line("a point that is none", ("match", SHOWN, SHOWN, "--point", "middle", *to("m1")), "30,40"),
        Line("a point outside", ("match", SHOWN, SHOWN, "--point", "500,3", *to("m2")), "outside"),
        Line("prompts for no points", ("embedding-correspondence", SHOWN, SHOWN, *to("m3")), "points"),
        Line("nobody to look for", ("pdm", SHOWN, SHOWN, *to("r1")), "mask"),
        Line("a mask of another size", ("pdm", SHOWN, SHOWN, "--mask", "{}/small.png", *to("r2")), "(64, 96)"),
        Line("an index of no pictures", ("index", "{}/empty", *to("i1")), "no picture"),
        Line(
            "a search without an index",
            ("find", SHOWN, "-i", "{}/empty", "--word", "cat", *to("f1")),
            "innerlight index",
        ),
        Line("an unknown data set", ("score", "imagenet", "{}/empty", "--method", "diffseg", *to("d1")), "pascal_voc"),
        Line("a data set that is not there", ("score", "spair", "{}/empty", "--method", "dift", *to("d2")), "SPair"),
        Line("a data set without its place", ("bench", "dift", "--dataset", "spair", *MODEL), "--root"),
        Line("a data set by no method", ("score", "spair", "{}/empty", "--method", "dream", *to("d3")), "daam"),
        Line("a recipe that is not there", ("rerun", "{}/nothing.png", *again), "nothing.png"),
        Line("an index of no folder", ("index", "{}/nowhere", *to("i2")), "nowhere"),
        Line("an index of no patches", ("index", "{}", "--side", "0", *to("i3")), "--side"),
        Line("a search for no picture", (*find, "--count", "0"), "--count"),
        Line("a search with a broken mask", (*find, "--mask", "{}/broken.png"), "broken.png"),
        Line("a method where none is asked for", ("methods", "daam"), "daam"),
        Line("no tables", ("evidence", "{}/empty"), "make bench"),
        Line("a table that is none", ("evidence", "{}/tables"), "list of rows"),
        Line("a page in a file", ("demo", SHOWN), "picture.png"),
        Line("an unknown chapter", ("demo", "{}/page", "--only", "Poetry"), "Recognise"),
        Line("scenes of a size in words", ("world", "--size", "large", "-o", "{}/world.png"), "size"),
        Line("no scenes", ("world", "--count", "0", "-o", "{}/world.png"), "--count"),
        Line("scenes into a folder", ("world", "--count", "1", "-o", "{}/empty"), "suffix"),
        Line("an unknown format", (*export, "--format", "yolo"), "coco"),
        Line("an export of no pixels", (*export, "--size", "0"), "height"),
        Line("an export into a file", ("world", "export", SHOWN, "--count", "1"), "picture.png"),
        Line("a quiz of nothing", ("world", "quiz", "{}/quiz", "--count", "0"), "--count"),
        Line("a quiz in a file", ("world", "quiz", SHOWN, "--count", "1"), "picture.png"),
        Line("too few scenes", ("world", "score", "--scenes", "3", "--evidence", rows), "--scenes"),
        Line("no answers", ("world", "score", "--answers", "{}/nothing.json", "--evidence", rows), "nothing.json"),
        Line("an unknown stage", (*train, "sculptor", "--folder", "{}/new"), "tokenizer"),
        Line("a stage of no data", (*train, "towers", "--folder", "{}/new"), "train data"),
        Line("a stage on no device", (*train, "judge", "--device", "cud", "--folder", "{}/new"), "mps"),
        Line("a setting that is not fitted", (*fit, "patience"), "dift_timestep"),
        Line("a fit in a file", ("embedded", "fit", "dift_timestep", "--folder", SHOWN), "picture.png"),
        Line("no stages to pack", ("embedded", "pack", "--folder", "{}/empty", "-o", "{}/packed"), "calibration"),
        Line("no folder to pack", ("embedded", "pack", "--folder", "{}/nowhere", "-o", "{}/packed"), "nowhere"),
        Line("too few to measure", ("embedded", "score", "--scenes", "3", "--evidence", rows), "--scenes"),
        Line("rows in a file", ("embedded", "score", "--scenes", "8", "--evidence", f"{SHOWN}/a.json"), "picture.png"),
        Line("a prompt far too long is drawn", ("generate", "cat " * 400, *draw[2:]), "new.png", code=0),
        Line("a prompt of odd letters is drawn", ("generate", "катé 🐱 <x>", *draw[2:]), "new.png", code=0),
        Line("an empty prompt is drawn", ("generate", "", *draw[2:]), "new.png", code=0),
    ]


BAD: Mapping[str, tuple[tuple[str, tuple[str, ...], str], ...]] = {  # what a method of a family cannot take
    "reading": (
        ("without a prompt", (), "Missing argument"),
        ("of a broken picture", ("a red cat", "--image", "{}/broken.png"), "broken.png"),
    ),
    "editing": (
        ("without a prompt", (), "Missing argument"),
        ("of no picture", ("a cat", "a dog", "--image", "{}/nothing.png"), "nothing.png"),
    ),
    "teaching": (
        ("from no picture", ("{}/nothing.png", "--like", "cat", "--report", "0"), "nothing.png"),
        ("without a word", (SHOWN, "--like", "", "--report", "0"), "like"),
    ),
    "segmentation": (
        ("without a picture", (), "Missing argument"),
        ("of a broken picture", ("{}/broken.png",), "broken.png"),
    ),
    "correspondence": (
        ("without a target", (SHOWN, "--point", "3,4"), "Missing argument"),
        ("to a broken picture", (SHOWN, "{}/broken.png", "--point", "3,4"), "broken.png"),
    ),
    "retrieval": (
        ("without pictures", (SHOWN, "--word", "cat"), "Missing argument"),
        ("by a mask that is none", (SHOWN, SHOWN, "--mask", "{}/nothing.png"), "nothing.png"),
    ),
}
VERBS = {
    "maps": "daam",
    "edit": "prompt_to_prompt",
    "segment": "diffseg",
    "match": "dift",
    "teach": "textual_inversion",
}
GOOD: Mapping[str, tuple[str, ...]] = {  # and what it takes
    "reading": ("a red cat", "--steps", "2"),
    "editing": ("a cat", "a dog", "--steps", "2"),
    "teaching": (SHOWN, "--like", "cat", "--report", "0"),
    "segmentation": (SHOWN,),
    "correspondence": (SHOWN, SHOWN, "--point", "3,4"),
    "retrieval": (SHOWN, SHOWN, "--mask", SHOWN),
}


def _of_methods() -> list[Line]:
    """Each method, and each command that stands for a family: wrong input, then right input into a wrong place, with a
    wrong size, with a number of its own settings in words.
    """
    runs = VERBS | {name.replace("_", "-"): name for name in names()}
    found = []
    for command, name in runs.items():
        method = get(name)
        numbers = [one.name for one in fields(method.config) if str(one.type).startswith(("int", "float"))]
        options = [f"--{number.replace('_', '-')}" for number in numbers[:1]]
        good = (command, *GOOD[method.family], *MODEL)
        place = ("-o", f"{{}}/{command}", *MODEL)
        found += [
            *(Line(f"{command} {what}", (command, *words, *place), says) for what, words, says in BAD[method.family]),
            Line(f"{command} into a file", (*good, "-o", SHOWN), "picture.png"),
            Line(f"{command} of a size in words", (*good, *place, "--size", "large"), "--size"),
            *(Line(f"{command} with words for {one}", (*good, *place, one, "some"), one) for one in options),
        ]
    return found


def _make(folder: Path) -> None:
    from innerlight.backbones import blank, save_pipeline
    from innerlight.files import write_recipe

    model = folder / "model"
    save_pipeline(blank("sd15"), model, half=False)
    (folder / "empty").mkdir()
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(folder / "picture.png")
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(folder / "small.png")
    (folder / "tables").mkdir()
    (folder / "tables" / "none.json").write_text("{}", encoding="utf-8")
    write_recipe({"method": "generate", "prompts": ["a cat"]}, folder / "half.json")
    (folder / "broken.png").write_bytes((folder / "picture.png").read_bytes()[:40])
    (folder / "broken.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    save_file({"weight": torch.zeros(2, 2)}, folder / "other.safetensors")
    torch.save({"weight": torch.zeros(2, 2)}, folder / "old.ckpt")
    unet = Path("unet") / "diffusion_pytorch_model.safetensors"
    spoil: dict[str, Callable[[Path], object]] = {
        "half": lambda copy: (copy / unet).write_bytes((copy / unet).read_bytes()[:5000]),
        "headless": lambda copy: shutil.rmtree(copy / "unet"),
        "pickled": lambda copy: _pickle(copy / unet),
        "nan": lambda copy: _spoil_numbers(copy / unet),
        "flux": lambda copy: _rename(copy / "model_index.json"),
        "garbled": lambda copy: (copy / "model_index.json").write_text("{", encoding="utf-8"),
    }
    for name, act in spoil.items():
        shutil.copytree(model, folder / name)
        act(folder / name)


def _pickle(path: Path) -> None:
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()


def _spoil_numbers(path: Path) -> None:
    weights = load_file(path)
    weights["conv_in.weight"][0, 0, 0, 0] = float("nan")
    save_file(weights, path)


def _rename(index: Path) -> None:
    facts = json.loads(index.read_text(encoding="utf-8"))
    index.write_text(json.dumps({**facts, "_class_name": "FluxPipeline"}), encoding="utf-8")


def _run(main: Callable[[], object], line: Line, folder: Path) -> Outcome:
    """Run one line in this process, its output caught."""
    out, err = io.StringIO(), io.StringIO()
    argv, before = sys.argv, _times(folder)
    sys.argv = ["innerlight", *(word.replace("{}", str(folder)) for word in line.words)]
    code: object = 0
    complaint = ""
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("error")
            main()
    except SystemExit as exit:
        code = exit.code or 0
    except BaseException as error:
        complaint = f"{type(error).__name__} came through: {error}"
    finally:
        sys.argv = argv
    said = out.getvalue() + err.getvalue()
    if not complaint and code != line.code:
        complaint = f"exit {code}, not {line.code}: {said.strip()[-200:]}"
    if not complaint and line.says not in said:
        complaint = f"does not say {line.says!r}: {said.strip()[-200:]}"
    if not complaint and line.code and not _one_message(err.getvalue()):
        complaint = f"is not told in one message: {err.getvalue()}"
    changed = {path.name for path, _ in _times(folder) ^ before} - {JOURNAL}
    if not complaint and line.code and changed:
        complaint = f"a refusal changed files: {', '.join(sorted(changed))}"
    return Outcome(line.name, not complaint, complaint)


def _one_message(told: str) -> bool:
    """One line of ours, under which may stand how something is to look, or the usage of the command."""
    first, *others = told.splitlines() or [""]
    return first.startswith("Usage: ") or (
        first.startswith("innerlight: ") and all(one.startswith("  ") for one in others)
    )


def _times(folder: Path) -> set[tuple[Path, int]]:
    """Every file and when it was written."""
    return {(path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
