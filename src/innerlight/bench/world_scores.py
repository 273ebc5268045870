"""What the world must show: that it is fast, legible, and not to be taken apart by colour alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from innerlight.bench.evidence import Row, interval, measured, write_rows
from innerlight.bench.malformed import run_cases
from innerlight.files import read_json, write_picture
from innerlight.types import InputError
from innerlight.world import truth
from innerlight.world.draw import Render, render
from innerlight.world.layout import fingerprint, sample

SCORING = 100_000  # the first scoring seed
COMMAND = "innerlight world score"
COLOUR_WEIGHTS = (0.5, 1.0, 2.0, 4.0, 8.0)  # of RGB against position; the best one counts

QUIZ = 60  # pictures
_MAIN = "import sys; from innerlight.cli import main; sys.argv[1:] = [{!r}]; main()"
WAYS_IN = {"import": "import innerlight", "--help": _MAIN.format("--help"), "--version": _MAIN.format("--version")}
# Other words that name the thing just as rightly; anything else is a confusion.
SYNONYMS = {
    "ball": {"beach ball"},
    "bicycle": {"bike"},
    "bird": {"robin", "songbird"},
    "car": {"automobile"},
    "castle": {"fortress"},
    "cat": {"kitten"},
    "clock": {"alarm clock"},
    "cube": {"block", "box"},
    "dog": {"puppy"},
    "fish": {"goldfish"},
    "frog": {"toad"},
    "horse": {"pony"},
    "house": {"cottage", "home"},
    "mug": {"cup"},
    "teapot": {"kettle"},
    "umbrella": {"parasol"},
}

Progress = Callable[[int, int], None]


def score(
    path: Path, *, answers: Path | None = None, scenes: int = 200, progress: Progress = lambda done, of: None
) -> list[Row]:
    """Measure all rows and write them to `path`; legibility only when somebody's `answers` are given."""
    measures: list[Callable[[], Row]] = [
        *([lambda: legible(answers)] if answers is not None else []),
        lambda: scenes_per_second(scenes),
        lambda: k_means_rgb_miou(scenes),
        malformed,
        import_seconds,
        imports_torch,
    ]
    rows = []
    for done, measure in enumerate(measures):
        progress(done, len(measures))
        rows.append(measure())
        write_rows(path, rows[-1:])
    progress(len(measures), len(measures))
    return rows


def scenes_per_second(scenes: int) -> Row:
    """Sampling and drawing at 128 x 128 on one core, truth maps included."""
    render(sample(0))  # the categories are imported and the tables built
    start = time.process_time()
    for seed in range(SCORING, SCORING + scenes):
        drawn = render(sample(seed))
        for find in (truth.semantic, truth.parts, truth.instances, truth.keypoints):
            find(drawn)
    rate = scenes / (time.process_time() - start)
    return measured(
        "world.scenes_per_second", rate, 100, ">=", kind="cost", n=scenes, command=COMMAND, seeds=_seeds(scenes),
        model=fingerprint(), note="128 x 128, processor seconds of one core, with all maps and keypoints",
    )  # fmt: skip


def k_means_rgb_miou(scenes: int) -> Row:
    """Mean IoU of k-means on RGB and position with the true number of segments, against setting and things."""
    drawn = [render(sample(seed)) for seed in range(SCORING, SCORING + scenes)]
    scores = {
        weight: [_segments_iou(_k_means(one, weight), truth.instances(one)) for one in drawn]
        for weight in COLOUR_WEIGHTS
    }
    best = max(scores, key=lambda weight: float(np.mean(scores[weight])))
    values = np.array(scores[best])
    low, high = interval(values)
    return measured(
        "world.k_means_rgb_miou", float(values.mean()), 0.55, "<", n=scenes, command=COMMAND, seeds=_seeds(scenes),
        low=low, high=high, model=fingerprint(), packages=("numpy", "scikit-learn"),
        note=f"mean over segments, best of RGB weights {COLOUR_WEIGHTS}: {best}; each feature has unit variance",
    )  # fmt: skip


def malformed() -> Row:
    """Share of malformed or odd files that end in a typed error with the cure, or in the right result."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run_cases(Path(folder))
    wrong = [outcome.name for outcome in outcomes if not outcome.passed]
    return measured(
        "files.malformed", float(len(outcomes) - len(wrong)), max(60, len(outcomes)), ">=", n=len(outcomes),
        command=COMMAND, note=f"all must be handled rightly, and be at least 60; wrong: {', '.join(wrong) or 'none'}",
    )  # fmt: skip


def import_seconds() -> Row:
    """The slowest of importing, --help and --version, each the median of seven runs."""
    medians = {name: float(np.median([_seconds(way) for _ in range(7)])) for name, way in WAYS_IN.items()}
    return measured(
        "cli.import_seconds", max(medians.values()), 0.3, "<", kind="cost", n=7, command=COMMAND, packages=("typer",),
        note=", ".join(f"{name} {seconds:.2f} s" for name, seconds in medians.items()) + ", with Python's start",
    )  # fmt: skip


def imports_torch() -> Row:
    """How many of the same ways in load torch."""
    heavy = [name for name, way in WAYS_IN.items() if _loads_torch(way)]
    return measured(
        "cli.imports_torch", float(len(heavy)), 0, "<=", kind="cost", n=len(WAYS_IN), command=COMMAND,
        packages=("typer",), note=", ".join(heavy) or "none of " + ", ".join(WAYS_IN),
    )  # fmt: skip


def legible(answers: Path) -> Row:
    """How many pictures of the quiz somebody named rightly."""
    said: Any = read_json(answers)
    try:
        seed, names, who = int(said["seed"]), [str(name).strip().lower() for name in said["answers"]], str(said["who"])
    except (KeyError, TypeError, ValueError) as error:
        expected = '{"seed": ..., "who": ..., "answers": [names]}'
        raise InputError(f"{answers}: expected {expected}, got {said!r:.80}") from error
    if len(names) != QUIZ or not isinstance(said["answers"], list):
        raise InputError(f"{answers}: expected a list of {QUIZ} answers, got {said['answers']!r:.80}")
    true = [sample(seed + k, count=1).things[0].look.category for k in range(len(names))]
    confusions = [
        f"{right} as {name}"
        for right, name in zip(true, names, strict=True)
        if name != right and name not in SYNONYMS.get(right, ())
    ]
    taken = [f"{right} as {name}" for right, name in zip(true, names, strict=True) if name in SYNONYMS.get(right, ())]
    return measured(
        "world.legible", float(len(names) - len(confusions)), 57, ">=", n=len(names),
        command=f"{COMMAND} --answers {answers}", seeds=f"{seed}..{seed + len(names) - 1}", model=fingerprint(),
        note=f"named by {who}, one picture at a time; confusions: {', '.join(confusions) or 'none'}; "
        f"taken for right: {', '.join(taken) or 'none'}",
    )  # fmt: skip


def write_quiz(folder: Path, count: int, seed: int) -> list[str]:
    """Pictures of one thing each, with names that tell nothing, for `legible`."""
    names = [f"{number:03d}.png" for number in range(count)]
    for number, name in enumerate(names):
        picture = render(sample(seed + number, count=1), 256, 256).picture
        write_picture(picture, folder / name)
    return names


def _seeds(scenes: int) -> str:
    return f"{SCORING}..{SCORING + scenes - 1}"


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return time.perf_counter() - start


def _loads_torch(code: str) -> bool:
    """Whether torch is loaded once `code` has run to its end."""
    check = (
        f"import sys\ntry:\n    exec({code!r})\nexcept SystemExit:\n    pass\nprint('LOADED', 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    return "LOADED True" in out


def _k_means(drawn: Render, colour_weight: float) -> NDArray[np.integer]:
    from innerlight.embedded.rivals import colour_segments  # loads torch

    return colour_segments(drawn.picture, len(np.unique(truth.instances(drawn))), colour_weight)


def _segments_iou(found: NDArray[np.integer], true: NDArray[np.integer]) -> float:
    """Mean IoU over true segments, each with its own found one (Hungarian)."""
    from scipy.optimize import linear_sum_assignment

    kinds = np.unique(true)
    masks, parts = true == kinds[:, None, None], found == np.arange(found.max() + 1)[:, None, None]
    shared = np.einsum("ihw,jhw->ij", masks.astype(float), parts.astype(float))
    union = masks.sum((1, 2))[:, None] + parts.sum((1, 2))[None] - shared
    iou = shared / union
    rows, columns = linear_sum_assignment(-iou)
    return float(iou[rows, columns].sum() / len(kinds))
