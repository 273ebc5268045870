"""What a long life does to it: kills at random moments, threads on one model, a thousand runs, odd input everywhere."""

from __future__ import annotations

import gc
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from innerlight.backbones import Backbone, blank
from innerlight.bench.costs import resident
from innerlight.bench.evidence import Row, measure_all, measured
from innerlight.bench.malformed import run_cases
from innerlight.bench.malformed_core import run_commands
from innerlight.files import read_json, read_picture, write_picture
from innerlight.files.atomic import TEMPORARY_PREFIX
from innerlight.methods import get
from innerlight.sampling import Run, generate
from innerlight.types import InputError
from innerlight.world import render, sample

COMMAND = "innerlight bench soak"
PACKAGES = ("torch", "diffusers", "numpy")
KILLS, RUNS, THREADS, ROUNDS = 50, 1000, 8, 3
PICTURES = 12
GROWTH = 16.0  # MiB that a thousand runs may leave behind: what allocators keep
JOBS: dict[str, tuple[str, ...]] = {  # `{}` is the folder of the pictures, `{out}` where the work goes
    "index": ("index", "{}", "-o", "{out}"),
    "bench": ("bench", "daam", "--scenes", "6", "--no-pictures", "--out", "{out}"),
    "teach": ("teach", "{}/00.png", "--like", "car", "--steps", "40", "--batch", "2", "--report", "0", "-o", "{out}"),
}
PASSING = ("date", "commit", "hardware", "seconds")  # when, where and how fast it was done
BESIDE = (".html", ".pt")  # a page that is made of the rest, and a checkpoint, which is of use to a run alone
QUIET = Run(progress=False)

Progress = Callable[[int, int], None]
Task = Callable[[Backbone], NDArray[Any]]


def score(
    path: Path, backbone: Backbone, main: Callable[[], object], *, quick: bool = False,
    progress: Progress = lambda done, of: None,
) -> list[Row]:  # fmt: skip
    """All rows, written to `path` as they come; `quick` is a sixth of the kills and of the runs."""
    part = 6 if quick else 1
    return measure_all(
        [
            lambda: [threads(backbone)],
            lambda: [malformed(main)],
            lambda: [kills(KILLS // part)],
            lambda: [memory(RUNS // part)],  # last, for not every system says how much is resident
        ],
        path,
        progress,
    )


def kills(count: int, jobs: Sequence[str] = tuple(JOBS)) -> Row:
    """Indexing, measuring and teaching, each killed at a random moment and run again: what is there then is what a run
    in peace leaves, and at the moment of the kill no file is half-written.
    """
    random_moment, wrong, done, tried = random.Random(0), list[str](), 0, 0
    with tempfile.TemporaryDirectory() as place:
        pictures = Path(place) / "pictures"
        for number in range(PICTURES):
            write_picture(render(sample(60_000 + number), 128).picture, pictures / f"{number:02}.png")
        calm: dict[str, tuple[float, dict[str, str]]] = {}
        for job in jobs:
            start = time.perf_counter()
            _run(job, pictures, Path(place) / f"calm-{job}")
            calm[job] = time.perf_counter() - start, contents(Path(place) / f"calm-{job}")
        while done < count:
            job = jobs[done % len(jobs)]
            seconds, expected = calm[job]
            tried += 1
            out = Path(place) / f"{tried}-{job}"
            worker = _begun(job, pictures, out)
            moment = random_moment.uniform(0, seconds)
            time.sleep(moment)
            worker.kill()
            if worker.wait() != -signal.SIGKILL:  # it was done before
                continue
            done += 1
            faults = torn_files(out)
            try:
                _run(job, pictures, out)
            except RuntimeError as error:
                faults.append(str(error))
            if faults or contents(out) != expected:
                wrong.append(f"{job} at {moment:.1f} s of {seconds:.1f} ({', '.join(faults) or 'another result'})")
    return measured(
        "soak.kills", float(count - len(wrong)), count, ">=", kind="parity", n=count, command=COMMAND,
        packages=PACKAGES, note=f"kills -9 of {', '.join(jobs)} in turn; wrong: {'; '.join(wrong) or 'none'}",
    )  # fmt: skip


def threads(backbone: Backbone) -> Row:
    """Threads on one model, each with a task of its own: all give what they give alone, to the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    tasks = _tasks()[:THREADS]
    try:
        alone = [task(backbone) for task in tasks]
        equal = 0
        for _ in range(ROUNDS):
            found: list[NDArray[Any] | None] = [None] * len(tasks)
            together = threading.Barrier(len(tasks))

            def work(number: int, found: list[Any] = found, together: threading.Barrier = together) -> None:
                together.wait()
                found[number] = tasks[number](backbone)

            workers = [threading.Thread(target=work, args=(number,)) for number in range(len(tasks))]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            equal += sum(
                one is not None and np.array_equal(one, other) for one, other in zip(found, alone, strict=True)
            )
    finally:
        torch.set_num_threads(before)
    total = len(tasks) * ROUNDS
    return measured(
        "soak.threads", float(equal), total, ">=", kind="parity", n=total, command=COMMAND, packages=PACKAGES,
        model=backbone.hash, note=f"{len(tasks)} threads, {ROUNDS} times; equal to the serial result to the last bit",
    )  # fmt: skip


def memory(runs: int) -> Row:
    """Drawing, reading, matching, editing again and again on one model: what is resident grows no more."""
    if not resident():
        raise InputError("this system does not say how much memory is resident; measure it on Linux")
    backbone = blank("sd15")
    prompt, picture = "a cat and a dog", render(sample(60_000), 64).picture
    resting = 0
    for number in range(runs):
        if number == runs // 5:  # all that is made once is made
            gc.collect()
            resting = resident()
        generate(backbone, prompt, steps=2, seed=number, run=QUIET)
        get("daam").function(backbone, prompt, ["cat"], image=picture, seed=number, run=QUIET)
        get("dift").function(backbone, picture, picture, [(20, 30)], seed=number, run=QUIET)
        get("prompt_to_prompt").function(backbone, prompt, "a cat and a frog", steps=2, seed=number, run=QUIET)
    gc.collect()
    grown = (resident() - resting) / 2**20
    return measured(
        "soak.memory", grown, GROWTH, "<=", kind="cost", n=runs, command=COMMAND, packages=PACKAGES,
        note=f"MiB more after {runs} runs of four methods than after the first {runs // 5}",
    )  # fmt: skip


def malformed(main: Callable[[], object]) -> Row:
    """All odd input that earlier tables have, to functions and through commands, in one process."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        outcomes = [*run_cases(one), *run_commands(main, Path(other))]
    wrong = [outcome.name for outcome in outcomes if not outcome.passed]
    return measured(
        "soak.malformed", float(len(outcomes) - len(wrong)), len(outcomes), ">=", kind="parity", n=len(outcomes),
        command=COMMAND, packages=PACKAGES, note=f"inputs answered rightly; wrong: {', '.join(wrong) or 'none'}",
    )  # fmt: skip


def contents(folder: Path) -> dict[str, str]:
    """What work left, by file: numbers and pictures to the bit, journals and logs line by line, without when and where
    it was done.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(TEMPORARY_PREFIX) or path.suffix in BESIDE:
            continue
        if path.suffix == ".jsonl":
            lines = [_lasting(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
            told = "\n".join(sorted(json.dumps(line, sort_keys=True) for line in lines))
        elif path.suffix == ".json":
            told = json.dumps(_lasting(read_json(path)), sort_keys=True)
        elif path.suffix == ".safetensors":  # its notes stand in any order
            with safe_open(path, "np") as file:
                kept = {name: file.get_tensor(name).tobytes() for name in sorted(file.keys())}
                notes = _lasting(file.metadata() or {})
            told = hashlib.sha256(repr((kept, sorted(notes.items()))).encode()).hexdigest()
        else:
            told = hashlib.sha256(path.read_bytes()).hexdigest()
        found[path.relative_to(folder).as_posix()] = told
    return found


def torn_files(folder: Path) -> list[str]:
    """Files that cannot be read: half-written ones."""
    torn = []
    for path in folder.rglob("*") if folder.exists() else ():
        if not path.is_file() or path.name.startswith(TEMPORARY_PREFIX):
            continue
        try:
            if path.suffix == ".safetensors":
                with safe_open(path, "pt") as file:
                    list(file.keys())
            elif path.suffix == ".json":
                read_json(path)
            elif path.suffix == ".png":
                read_picture(path)
        except Exception as error:
            torn.append(f"{path.name}: {error}")
    return torn


def _lasting(value: Any) -> Any:
    """Without what differs between two runs that did the same."""
    if isinstance(value, dict):
        return {key: _lasting(one) for key, one in value.items() if key not in PASSING}
    return [_lasting(one) for one in value] if isinstance(value, list) else value


def _begun(job: str, pictures: Path, out: Path, told: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    words = [word.replace("{}", str(pictures)).replace("{out}", str(out)) for word in JOBS[job]]
    code = "from innerlight.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL, stderr=told, cwd=pictures.parent
    )


def _run(job: str, pictures: Path, out: Path) -> None:
    """To its end."""
    worker = _begun(job, pictures, out, subprocess.PIPE)
    _, told = worker.communicate()
    if worker.returncode:
        raise RuntimeError(f"{job} ended with {worker.returncode}: {told.decode()[-400:]}")


def _tasks() -> list[Task]:
    """Different things to ask of one model at once."""
    one, other = (render(sample(seed), 128).picture for seed in (60_003, 60_004))

    def drawn(prompt: str, seed: int) -> Task:
        return lambda model: np.asarray(generate(model, prompt, steps=4, seed=seed, run=QUIET).images[0])

    def edited(name: str) -> Task:
        return lambda model: np.asarray(
            get(name).function(model, "a car", "a blue car", steps=4, seed=1, run=QUIET).images[0]
        )

    def mapped(model: Backbone) -> NDArray[Any]:
        daam = get("daam")
        return daam.function(model, "a red car", ["car"], daam.config(steps=4), seed=3, run=QUIET).maps[0]["car"].values

    return [
        drawn("a red car on the street", 1),
        drawn("a cat on the grass", 2),
        edited("prompt_to_prompt"),
        edited("masactrl"),
        mapped,
        lambda model: get("dift").function(model, one, other, [(40, 60), (70, 80)], seed=1, run=QUIET).found,
        lambda model: get("diffseg").function(model, one, run=QUIET).labels[0].labels,
        lambda model: get("pdm").function(model, one, [other, one], word="car", run=QUIET).scores,
    ]
