"""`innerlight teach`: a file that other commands can use, gone on with after a stop, and errors in one line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from innerlight.tuning.adapters import read_lora
from innerlight.tuning.training import state_of
from innerlight.tuning.words import open_word
from innerlight.world import render, sample

Line = Callable[..., tuple[int, str, str]]

QUICK = ("--like", "car", "--name", "<toy>", "--steps", "2", "--batch", "1", "--report", "0", "--size", "64")


@pytest.fixture
def shots(run: Line) -> list[str]:
    """Two pictures in the folder that the command line runs in."""
    names = ["a.png", "b.png"]
    for seed, name in enumerate(names, 1):
        Image.fromarray(render(sample(seed), 64).picture).save(name)
    return names


@pytest.mark.parametrize("method", ["textual-inversion", "p-plus"])
def test_what_is_taught_can_be_drawn_and_mapped(run: Line, shots: list[str], model: str, method: str):
    code, out, err = run("teach", *shots, "--method", method, *QUICK, "-m", model, "-o", "out")
    assert (code, err) == (0, "")
    assert out.splitlines() == ["out/toy.safetensors"]
    word = ("--learned", "out/toy.safetensors", "-m", model, "--size", "64", "--steps", "2")
    assert run("generate", "a <toy>", *word, "-o", "drawn.png")[0] == 0
    assert Path("drawn.png").exists()
    code, out, err = run("daam", "a <toy>", "--words", "<toy>", *word, "-o", "maps")
    assert (code, err) == (0, "")


WRONG_NUMBERS = {
    "no pictures in a batch": ("textual-inversion", "--batch", "0"),
    "less than none": ("p-plus", "--batch", "-1"),
    "a rate below nothing": ("textual-inversion", "--rate", "-1"),
    "fewer steps than none": ("dreambooth-lora", "--steps", "-5", "--prior", "1"),
}


@pytest.mark.parametrize("why", WRONG_NUMBERS)
def test_numbers_that_nothing_is_learned_with_are_refused(run: Line, shots: list[str], model: str, why: str):
    method, *given = WRONG_NUMBERS[why]
    code, _, err = run("teach", *shots, "--method", method, *QUICK, *given, "-m", model, "-o", "out")
    assert code == 2
    assert "expected 0 steps or more" in err
    assert len(err.splitlines()) == 1


WEIGHTS = (*QUICK[:2], *QUICK[4:], "--prior", "1", "--rate", "0.001")


def test_a_lora_stands_beside_the_model(run: Line, shots: list[str], model: str):
    code, out, err = run("teach", *shots, "--method", "dreambooth-lora", *WEIGHTS, "-m", model, "-o", "out")
    assert (code, err) == (0, "")
    assert out.splitlines() == ["out/sks-car"]
    drawn = ("a sks car", "-m", model, "--size", "64", "--steps", "2")
    assert run("generate", *drawn, "-o", "plain.png")[0] == 0
    assert run("generate", *drawn, "--learned", "out/sks-car", "-o", "taught.png") == (0, "taught.png\n", "")
    assert Image.open("plain.png").tobytes() != Image.open("taught.png").tobytes()
    words = ("--learned", "out/sks-car", "-m", model, "--size", "64", "--steps", "2")
    assert run("daam", "a sks car", "--words", "car", *words, "-o", "maps")[::2] == (0, "")


def test_a_tuned_model_is_a_model(run: Line, shots: list[str], model: str):
    code, out, err = run("teach", *shots, "--method", "dreambooth", *WEIGHTS, "-m", model, "-o", "out")
    assert (code, err) == (0, "")
    assert out.splitlines() == ["out/sks-car"]
    assert run("generate", "a sks car", "-m", "out/sks-car", "--size", "64", "--steps", "2", "-o", "a.png")[0] == 0
    code, _, err = run("generate", "a sks car", "-m", model, "--learned", "out/sks-car")
    assert code == 2
    assert "expected a LoRA" in err


def test_a_report_says_what_was_learned(run: Line, shots: list[str], model: str):
    own = [*QUICK[: QUICK.index("--report")], "--report", "1", "--size", "64", "-m", model, "--json"]
    code, out, _ = run("teach", *shots, *own)
    assert code == 0
    assert '"change"' in out
    assert {path.name for path in Path("taught").iterdir()} >= {"toy.safetensors", "toy.json", "toy.png", "run"}


def test_asked_again_it_is_there_and_asked_otherwise_it_is_refused(run: Line, shots: list[str], model: str):
    assert run("teach", *shots, *QUICK, "-m", model)[0] == 0
    first = open_word("taught/toy.safetensors").hash
    assert run("teach", *shots, *QUICK, "-m", model)[0] == 0
    assert open_word("taught/toy.safetensors").hash == first
    code, out, err = run("teach", *shots, *QUICK, "--seed", "5", "-m", model)
    assert (code, out) == (2, "")
    assert "another seed" in err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--like", "pecking frog"], "tokens"),
        (["--name", "toy"], "angle brackets"),
        (["--size", "65"], "multiples"),
        (["--vectors", "0"], "at least 1"),
        (["--hold", "-1"], "hold of 0 or more"),
        (["--own-words", "2"], "own_words of 0 to 1"),
    ],
)
def test_bad_input_is_one_line(run: Line, shots: list[str], model: str, more: list[str], message: str):
    code, out, err = run("teach", *shots, *QUICK, *more, "-m", model)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_files_that_are_no_words_are_refused(run: Line, shots: list[str], model: str):
    Path("none.safetensors").write_text("nothing")
    for name in ("none.safetensors", "missing.safetensors"):
        code, _, err = run("generate", "a <toy>", "--learned", name, "-m", model)
        assert code == 2
        assert name in err
        assert "Traceback" not in err


def test_an_interrupt_keeps_what_was_learned(run: Line, shots: list[str], model: str):
    many = (*QUICK[:4], "--steps", "100000", *QUICK[6:])
    line = [sys.executable, "-m", "innerlight", "teach", *shots, *many, "-m", model, "-o", "out"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 120
        while not (log := Path("out/run/log.jsonl")).exists() or not log.read_text():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    first, second = err.splitlines()
    assert "stopping after this step" in first
    assert "kept in out/run" in second
    assert state_of(Path("out/run")).step > 0


def test_what_is_learned_stays_in_its_folder(run: Line, shots: list[str], model: str):
    named = (*QUICK[:2], "--name", "<../else/where>", *QUICK[4:])
    code, out, _ = run("teach", *shots, *named, "-m", model, "-o", "out")
    assert (code, out) == (0, "out/else-where.safetensors\n")


def test_a_lora_is_drawn_with_from_a_file_of_any_name_and_beside_another(run: Line, shots: list[str], model: str):
    assert run("teach", *shots, "--method", "dreambooth-lora", *WEIGHTS, "-m", model, "-o", "out")[0] == 0
    Path("out/sks-car/pytorch_lora_weights.safetensors").rename("toy.safetensors")
    drawn = ("a sks car", "-m", model, "--size", "64", "--steps", "2")
    assert run("generate", *drawn, "--learned", "toy.safetensors", "-o", "one.png")[0] == 0
    code, _, err = run("generate", *drawn, *["--learned", "toy.safetensors"] * 2, "-o", "two.png")
    assert code == 0
    assert not err, "both were learned on this model"
    assert Image.open("one.png").tobytes() != Image.open("two.png").tobytes()


def test_a_lora_of_another_trainer_is_drawn_with_too(run: Line, shots: list[str], model: str):
    assert run("teach", *shots, "--method", "dreambooth-lora", *WEIGHTS, "-m", model, "-o", "out")[0] == 0
    tensors, _ = read_lora("out/sks-car")
    ends = {"lora_A.weight": "lora_down.weight", "lora_B.weight": "lora_up.weight"}
    renamed = {}
    for key, one in tensors.items():
        layer, end = key.removeprefix("unet.").split(".lora_")
        renamed[f"lora_unet_{layer.replace('.', '_')}.{ends[f'lora_{end}']}"] = one
        renamed[f"lora_unet_{layer.replace('.', '_')}.alpha"] = torch.tensor(4.0)  # the rank
    save_file(renamed, "other.safetensors")
    drawn = ("a sks car", "-m", model, "--size", "64", "--steps", "2")
    for learned, name in (
        ((), "none.png"),
        (("--learned", "out/sks-car"), "own.png"),
        (("--learned", "other.safetensors"), "other.png"),
    ):
        assert run("generate", *drawn, *learned, "-o", name)[::2] == (0, "")
    none, own, other = (np.asarray(Image.open(f"{name}.png"), float) for name in ("none", "own", "other"))
    assert np.abs(own - other).max() <= 1
    assert np.abs(own - none).max() > 1
