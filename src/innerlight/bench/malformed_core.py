"""Odd input through the commands that open a model: each must end in one sentence on stderr and an exit code of 2."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from innerlight.bench.malformed import Outcome


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
    draw = ("generate", "a cat", "--steps", "2", "-o", "{}/new.png", "-m", "{}/model")
    daam = ("daam", "a red cat", "--steps", "2", "-o", "{}/maps", "-m", "{}/model")
    edit = ("edit", "a cat", "a dog", "--steps", "2", "--size", "64", "-o", "{}/edited", "-m", "{}/model")
    again = ("-m", "{}/model", "-o", "{}/again.png")
    back = ("invert", "{}/picture.png", "--steps", "2", "-o", "{}/new.safetensors", "-m", "{}/model")
    shown = "{}/picture.png"

    def to(place: str) -> tuple[str, ...]:
        return "-o", f"{{}}/{place}", "-m", "{}/model"

    return [
        Line("no such folder", ("inspect", "{}/nowhere"), "nowhere"),
        Line("a folder without a model", ("inspect", "{}/empty"), "model_index.json"),
        Line("a file for a folder", ("inspect", "{}/picture.png"), "picture.png"),
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
        Line("no steps", ("generate", "a cat", "--steps", "0", "-m", "{}/model", "-o", "{}/new.png"), "steps"),
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
        Line("several pictures into one file", ("generate", "a", "b", "-o", "{}/n.png", "-m", "{}/model"), "folder"),
        Line("a suffix of no picture", (*draw[:4], "-o", "{}/new.gif", "-m", "{}/model"), "suffix"),
        Line("a place that is a file", (*draw[:4], "-o", "{}/picture.png/new.png", "-m", "{}/model"), "picture.png"),
        Line("strength above one", (*draw, "--from", "{}/picture.png", "--strength", "2"), "strength"),
        Line("strength that is no number", (*draw, "--from", "{}/picture.png", "--strength", "nan"), "strength"),
        Line("no picture to start from", (*draw, "--from", "{}/nothing.png"), "nothing.png"),
        Line("a broken picture to start from", (*draw, "--from", "{}/broken.png"), "broken.png"),
        Line("a word that is not there", (*daam, "--words", "dog"), "dog"),
        Line("an empty prompt", ("daam", "", "-m", "{}/model", "--steps", "2"), "noun"),
        Line("a word beyond the last token", ("daam", "so " * 90 + "cat", "--words", "cat", "-m", "{}/model"), "cat"),
        Line("an unknown branch", (*daam, "--branches", "sideways"), "sideways"),
        Line("levels that are no numbers", (*daam, "--levels", "a,b"), "levels"),
        Line("one picture for two prompts", (*daam, "a dog", "--image", "{}/picture.png"), "picture"),
        Line("an unknown method", ("bench", "dream", "-m", "{}/model"), "daam"),
        Line("an unknown command", ("drem",), "drem"),
        Line("an unknown family of methods", ("methods", "--family", "poetry"), "reading"),
        Line("refinements below zero", (*back, "--refinements", "-1"), "refinements"),
        Line("a picture that is none", ("invert", "{}/broken.png", "-m", "{}/model"), "broken.png"),
        Line("the inversion's place is a folder", (*back[:4], "-o", "{}/empty", "-m", "{}/model"), "empty"),
        Line("an unknown way to invert", (*back, "--method", "magic"), "null_text"),
        Line("an edit by an unknown method", (*edit, "--method", "masactral"), "masactrl"),
        Line("an edit by a method that only reads", (*edit, "--method", "daam"), "masactrl"),
        Line("a setting of a method that is not there", (*edit, "--set", "masactrl.start=0.5"), "--with"),
        Line("two methods that want the same", (*edit, "--self-maps", "1", "--with", "plug_and_play"), "both change"),
        Line("a sweep of an unknown setting", (*edit, "--sweep", "crass=0,1"), "crass"),
        Line("weights that are no numbers", (*edit, "--weights", "dog=much"), "word=number"),
        Line("a weight of a word that is not there", (*edit, "--weights", "zebra=2"), "zebra"),
        Line("an edit of no picture", (*edit, "--image", "{}/nothing.png"), "nothing.png"),
        Line("a broken inversion", (*edit, "--inversion", "{}/broken.safetensors"), "broken.safetensors"),
        Line("again without a recipe", ("rerun", "{}/picture.png", *again), "no recipe"),
        Line("again from half a recipe", ("rerun", "{}/half.json", *again), "lacks"),
        Line("segments of no picture", ("segment", "{}/nothing.png", *to("s1")), "nothing.png"),
        Line("segments of a broken picture", ("segment", "{}/broken.png", *to("s2")), "1 of 1 pictures"),
        Line("segments by a method that matches", ("segment", shown, "--method", "dift", *to("s3")), "emerdiff"),
        Line("borders moved by magic", ("segment", shown, "--refine", "magic", *to("s4")), "graph_cut"),
        Line("more clusters than cells", ("emerdiff", shown, "--clusters", "999", "--fast", *to("s5")), "clusters"),
        Line("names of segments that have none", ("emerdiff", shown, "--names", "cat", *to("s6")), "diffseg"),
        Line("a point that is none", ("match", shown, shown, "--point", "middle", *to("m1")), "30,40"),
        Line("a point outside", ("match", shown, shown, "--point", "500,3", *to("m2")), "outside"),
        Line("prompts for no points", ("embedding-correspondence", shown, shown, *to("m3")), "points"),
        Line("nobody to look for", ("pdm", shown, shown, *to("r1")), "mask"),
        Line("a mask of another size", ("pdm", shown, shown, "--mask", "{}/small.png", *to("r2")), "(64, 96)"),
        Line("an index of no pictures", ("index", "{}/empty", *to("i1")), "no picture"),
        Line(
            "a search without an index",
            ("find", shown, "-i", "{}/empty", "--word", "cat", *to("f1")),
            "innerlight index",
        ),
        Line("an unknown data set", ("score", "imagenet", "{}/empty", "--method", "diffseg", *to("d1")), "pascal_voc"),
        Line("a data set that is not there", ("score", "spair", "{}/empty", "--method", "dift", *to("d2")), "SPair"),
        Line("a data set without its place", ("bench", "dift", "--dataset", "spair", "-m", "{}/model"), "--root"),
        Line("a stage on no device", ("embedded", "train", "judge", "--device", "cud", "--folder", "{}/new"), "mps"),
        Line("a prompt far too long is drawn", ("generate", "cat " * 400, *draw[2:]), "new.png", code=0),
        Line("a prompt of odd letters is drawn", ("generate", "катé 🐱 <x>", *draw[2:]), "new.png", code=0),
        Line("an empty prompt is drawn", ("generate", "", *draw[2:]), "new.png", code=0),
    ]


def _make(folder: Path) -> None:
    from innerlight.backbones import blank, save_pipeline
    from innerlight.files import write_recipe

    model = folder / "model"
    save_pipeline(blank("sd15"), model, half=False)
    (folder / "empty").mkdir()
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(folder / "picture.png")
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(folder / "small.png")
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
    before = sys.argv
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
        sys.argv = before
    said = out.getvalue() + err.getvalue()
    if not complaint and code != line.code:
        complaint = f"exit {code}, not {line.code}: {said.strip()[-200:]}"
    if not complaint and line.says not in said:
        complaint = f"does not say {line.says!r}: {said.strip()[-200:]}"
    return Outcome(line.name, not complaint, complaint)
