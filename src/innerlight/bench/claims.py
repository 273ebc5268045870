"""Claims, run: raw scores scene by scene, kept as they come; then paired differences with their intervals."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from innerlight.backbones import WEIGHTS
from innerlight.backbones.hashing import hash_files
from innerlight.backbones.loading import EMBEDDED
from innerlight.bench.evidence import Row, interval, measured
from innerlight.embedded.oracle import JUDGE
from innerlight.files import Manifest
from innerlight.methods import Claim, Method, get, names
from innerlight.types import InputError

if TYPE_CHECKING:
    from innerlight.backbones import Backbone

SCORING = 100_000  # the first scoring seed
PACKAGES = ("torch", "diffusers", "numpy")

Progress = Callable[[int, int], None]


def run_claims(
    backbone: Backbone,
    wanted: Sequence[str] | None,
    *,
    scenes: int | None = None,
    least: int = 0,
    folder: Path,
    progress: Progress = lambda done, of: None,
) -> list[Row]:
    """Rows of the claims of methods (all, if none are named) on `scenes` scoring scenes, or as many as each asks for;
    of those claims that ask for more than `least`.

    Scores are kept in `folder`, by method and model: what is there is not computed again.
    """
    methods = [
        replace(one, claims=tuple(claim for claim in one.claims if claim.scenes > least))
        for one in map(get, wanted or names())
    ]
    total = sum(scenes or claim.scenes for method in methods for claim in method.claims)
    rows: list[Row] = []
    done = 0
    for method in methods:
        scores: dict[str, list[dict[str, Any]]] = {claim.id: [] for claim in method.claims}
        for claim, result in _scores(backbone, method, scenes, folder):
            scores[claim.id].append(result)
            done += 1
            progress(done, total)
        for claim in method.claims:
            rows += _rows(backbone, method, claim, scores[claim.id])
    return rows


@cache
def source_hash(method: Method) -> str:
    """Of the method's own file, and of those in which its tasks and rivals stand, and its training: other code, other
    scores.
    """
    return hash_of(Path(inspect.getfile(method.function)))


def hash_of(path: Path) -> str:
    """Of a module's code, and of that which it is scored by."""
    total = hashlib.sha256()
    for file in (path, *sorted(scored_by(path) - {path})):
        total.update(code_of(file).encode())
    return total.hexdigest()[:12]


def code_of(path: Path) -> str:
    """A file without its docstrings, and its lines that are empty or a comment: what it does."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            first, last = node.body[0].lineno, node.body[0].end_lineno or node.body[0].lineno
            if not lines[first - 1][: node.body[0].col_offset].strip():  # nothing before it in its line
                lines[first - 1 : last] = [""] * (last - first + 1)
    kept = [line.rstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join(kept) + "\n"


def scored_by(path: Path, *, seen: frozenset[Path] = frozenset()) -> set[Path]:
    """The files that a method's imports of `embedded`, of its family's own and of `tuning`, and of the methods that it
    gets by name; and theirs.
    """
    tree = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    modules = {node.module for node in tree if isinstance(node, ast.ImportFrom) and node.module}
    found = {
        Path(inspect.getfile(importlib.import_module(module)))
        for module in modules
        if module.startswith(("innerlight.embedded.", "innerlight.tuning.")) or re.search(r"\.methods\.\w+\._", module)
    }
    found |= {Path(inspect.getfile(get(name).function)) for name in rivals_of(path)}
    for file in found - seen - {path}:
        found |= scored_by(file, seen=seen | found | {path})
    return found


def rivals_of(path: Path) -> set[str]:
    """The registered methods that a file gets by name."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get"
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }


def judge_hash() -> str:
    """Of who scores; empty if nobody is there."""
    return hash_files([JUDGE]) if JUDGE.exists() else ""


def shipped_hash(name: str = EMBEDDED) -> str:
    """Of a model that ships."""
    return hash_files((WEIGHTS / name).rglob("*.safetensors"))


def settings_of(calibration: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """What a model's calibration says of some methods, and of all alike: not what belongs to other methods."""
    told = {key: value for key, value in calibration.items() if key not in ("vocabulary", "fitted")}
    return {key: value for key, value in told.items() if owner(key) in (None, *wanted)}


def owner(key: str) -> str | None:
    """The method that a setting of a model belongs to; None: to all."""
    known = sorted(names(), key=len, reverse=True)  # pdm_voting_threshold is not a setting of pdm
    return next((name for name in known if key.startswith(f"{name}_")), None)


def journal(folder: Path, id: str, task: str, settings: Mapping[str, Any]) -> Manifest:
    """Raw scores under these settings; others have a file of their own."""
    return Manifest.open(_path(folder, id, settings), task=task, settings=settings)


def raw_scores(backbone: Backbone, method: Method, claim: Claim, folder: Path) -> dict[int, Mapping[str, float]]:
    """By scene, the scores of all arms, of what was scored and not dropped."""
    path = _path(folder, claim.id, _settings(backbone, method, claim))
    kept = Manifest.read(path, task="claim")[1] if path.exists() else {}
    return {int(seed): scores for seed, scores in kept.items() if scores}


def _path(folder: Path, id: str, settings: Mapping[str, Any]) -> Path:
    return folder / f"{id}-{digest(settings)}.jsonl"


def digest(settings: Mapping[str, Any]) -> str:
    """What a file of these settings is called by."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def _scores(
    backbone: Backbone, method: Method, scenes: int | None, folder: Path
) -> Iterator[tuple[Claim, dict[str, Any]]]:
    """One result a claim and seed: scores by arm, or {} where the claim dropped the scene. All claims of a scene come
    together, for they may share what was computed for it.
    """
    with ExitStack() as opened:
        journals = [opened.enter_context(_journal(backbone, method, claim, folder)) for claim in method.claims]
        for number in range(max((scenes or claim.scenes for claim in method.claims), default=0)):
            seed = SCORING + number
            for claim, kept in zip(method.claims, journals, strict=True):
                if number >= (scenes or claim.scenes):
                    continue
                if not kept.done(str(seed)):
                    kept.record(str(seed), **(claim.score(backbone, seed) or {}))
                yield claim, dict(kept.result(str(seed)))


def _journal(backbone: Backbone, method: Method, claim: Claim, folder: Path) -> Manifest:
    return journal(folder, claim.id, "claim", _settings(backbone, method, claim))


def _settings(backbone: Backbone, method: Method, claim: Claim) -> dict[str, Any]:
    """What scores are kept by. The rooms below a method (sampling, taps, the world) are not in it: who changes what
    they give deletes the scores.
    """
    return {"claim": claim.id, **taken_by(backbone, method)}


def taken_by(backbone: Backbone, method: Method) -> dict[str, Any]:
    """What decides the results of a method beside its inputs: its text, the model and its settings, the judge."""
    rivals = rivals_of(Path(inspect.getfile(method.function)))
    told = {
        "method": source_hash(method), "model": backbone.hash, "judge": judge_hash(),
        "calibration": settings_of(backbone.calibration, {method.name, *rivals}),
    }  # fmt: skip
    where = backbone.device.type, str(backbone.dtype).removeprefix("torch.")
    return told if where == ("cpu", "float32") else told | {"device": where[0], "dtype": where[1]}


def _rows(backbone: Backbone, method: Method, claim: Claim, scores: Sequence[dict[str, Any]]) -> list[Row]:
    """One row for each baseline; the first has the claim's own id."""
    kept = [one for one in scores if one]
    if len(kept) < 2:
        raise InputError(f"{claim.id}: {len(kept)} of {len(scores)} scenes could be scored; give more: --scenes")
    own = np.array([one["method"] for one in kept])
    dropped = 1 - len(kept) / len(scores)
    arms = dict.fromkeys(arm for one in kept for arm in one if arm not in ("method", *claim.baselines))
    others = {arm: [one[arm] for one in kept if arm in one] for arm in arms if not arm.endswith(" edit")}
    beside = "".join(f", {arm} {np.mean(found):.3f}" for arm, found in others.items())
    size = "" if len(scores) == claim.scenes else f" --scenes {len(scores)}"
    rows = []
    for number, baseline in enumerate(claim.baselines):
        other = np.array([one[baseline] for one in kept])
        low, high = interval(own - other)
        slug = re.sub(r"[^a-z0-9]+", "_", baseline.lower())
        conditions, edits = _guarded(claim, kept, baseline)
        rows.append(
            measured(
                claim.id if number == 0 else f"{claim.id}_over_{slug}", float((own - other).mean()), claim.margin, ">",
                n=len(kept), command=f"innerlight bench {method.name}{size}", low=low, high=high, baseline=baseline,
                score=float(own.mean()), rival=float(other.mean()),
                seeds=f"{SCORING}..{SCORING + len(scores) - 1}", model=backbone.hash, packages=PACKAGES,
                note=f"{own.mean():.3f} against {other.mean():.3f}{beside if number == 0 else ''}; {edits}"
                f"{dropped:.0%} of the scenes dropped; "
                f"{claim.says}",
                conditions=conditions, whole=len(scores) >= claim.scenes,
            )
        )  # fmt: skip
    return rows


def _guarded(claim: Claim, kept: Sequence[dict[str, Any]], baseline: str) -> tuple[dict[str, float], str]:
    """The conditions of a guarded claim, each above 0 where it is met, and how often each arm made the edit."""
    if claim.guard is None:
        return {}, ""
    own, other, nothing = (np.array([one[f"{arm} edit"] for one in kept]) for arm in ("method", baseline, "identity"))
    conditions = {
        f"edits at least {claim.guard:g} as often": interval(own - claim.guard * other)[0],
        "doing nothing does not": -interval(nothing - claim.guard * other)[0],
    }
    return conditions, f"edits made {own.mean():.3f}, {other.mean():.3f}, by doing nothing {nothing.mean():.3f}; "
