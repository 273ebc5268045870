"""Rows of evidence: every number that is claimed, with what it was measured on and whether it holds."""

from __future__ import annotations

import datetime
import math
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal

from innerlight import __version__
from innerlight.files import read_json, write_json
from innerlight.methods import summaries
from innerlight.types import InputError, NotFoundError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KINDS = ("claim", "cost", "parity")
SENSES = (">=", "<=", ">", "<")
_KINDS: dict[str, Any] = {"id": str, "kind": str, "sense": str, "note": str, "command": str, "holds": bool, "n": int}
_KINDS |= {"value": (int, float), "limit": (int, float, NoneType), "low": (int, float, NoneType)}
_KINDS |= {"high": (int, float, NoneType), "model": (str, NoneType)}
_KINDS |= {"score": (int, float, NoneType), "rival": (int, float, NoneType), "conditions": dict, "versions": dict}
_KINDS |= {"commit": str, "hardware": str, "date": str, "baseline": (str, NoneType), "seeds": (str, NoneType)}
_KINDS |= {"whole": bool}
Verdict = Literal["holds", "does not hold", "undecided"]
_SAID: dict[Verdict, tuple[str, str]] = {  # of one, of several
    "holds": ("holds", "hold"), "does not hold": ("does not", "do not"), "undecided": ("undecided", "undecided"),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One measured number; for a claim against a `baseline` the paired difference, with its interval."""

    id: str
    kind: str
    value: float
    limit: float | None
    sense: str
    holds: bool
    n: int
    command: str
    low: float | None = None
    high: float | None = None
    baseline: str | None = None
    score: float | None = None  # of the method; `value` is its difference to that of the rival
    rival: float | None = None
    seeds: str | None = None
    model: str | None = None
    note: str = ""
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    hardware: str = ""
    date: str = ""
    conditions: dict[str, float] = field(default_factory=dict)  # beside the limit; each must be above 0
    whole: bool = True  # measured on as many scenes as the claim asks for

    @property
    def verdict(self) -> Verdict:
        """Undecided is a claim whose interval has its limit inside, and that nothing else refutes."""
        within = self.low is not None and self.high is not None and self.limit is not None
        if not self.holds and within and self.low <= self.limit <= self.high and _met(self.conditions):  # type: ignore[operator]
            return "undecided"
        return "holds" if self.holds else "does not hold"

    def as_json(self) -> dict[str, Any]:
        """As it is kept in `evidence/NAME.json`."""
        return asdict(self)


def measured(
    id: str,
    value: float,
    limit: float | None,
    sense: str,
    *,
    n: int,
    command: str,
    kind: str = "claim",
    low: float | None = None,
    high: float | None = None,
    baseline: str | None = None,
    score: float | None = None,
    rival: float | None = None,
    seeds: str | None = None,
    model: str | None = None,
    note: str = "",
    packages: Sequence[str] = ("numpy",),
    conditions: dict[str, float] | None = None,
    whole: bool = True,
) -> Row:
    """A row for a number just measured: decides whether it holds, and adds commit, versions, hardware and date."""
    return Row(
        id=id,
        kind=kind,
        value=value,
        limit=limit,
        sense=sense,
        holds=_holds(value, limit, sense, low, high) and _met(conditions or {}),
        n=n,
        command=command,
        low=low,
        high=high,
        baseline=baseline,
        score=score,
        rival=rival,
        seeds=seeds,
        model=model,
        note=note,
        commit=_commit(),
        versions=_versions(packages),
        hardware=hardware(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        conditions=conditions or {},
        whole=whole,
    )


def interval(values: NDArray[np.floating], draws: int = 2000) -> tuple[float, float]:
    """Bootstrapped 95 % interval of the mean of `values` (n,)."""
    import numpy as np

    generator = np.random.default_rng(0)
    means = values[generator.integers(0, len(values), (draws, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Put `rows` into the table at `path`, in place of those with the same ids."""
    kept = {row.id: row for row in read_rows(path)} if path.exists() else {}
    kept |= {row.id: row for row in rows}
    write_json([kept[id].as_json() for id in sorted(kept)], path)


def measure_all(
    measures: Sequence[Callable[[], list[Row]]], path: Path, progress: Callable[[int, int], None]
) -> list[Row]:
    """The rows of all `measures`, written to `path` as they come."""
    rows: list[Row] = []
    for done, measure in enumerate(measures):
        progress(done, len(measures))
        found = measure()
        write_rows(path, found)
        rows += found
    progress(len(measures), len(measures))
    return rows


def read_rows(path: Path) -> list[Row]:
    """The rows of one table."""
    found = read_json(path)
    if not isinstance(found, list) or not found:
        raise InputError(f"{path}: expected a list of rows of evidence, got {found!r:.60}; write it anew")
    return [_row(entry, f"{path}, row {number}") for number, entry in enumerate(found, start=1)]


def _row(entry: object, where: str) -> Row:
    """One row of a table, its fields of the right kinds."""
    fields = Row.__dataclass_fields__
    if not isinstance(entry, dict) or not entry.keys() <= fields.keys():
        raise InputError(f"{where}: expected a row with {', '.join(fields)}, got {entry!r:.60}; write it anew")
    try:
        row = Row(**entry)
    except TypeError as error:
        raise InputError(f"{where} is incomplete ({error}); write it anew") from error
    for name, kinds in _KINDS.items():
        value = getattr(row, name)
        if isinstance(value, bool) != (kinds is bool) or not isinstance(value, kinds):
            raise InputError(f"{where}: {name} is {value!r:.40}, which is of the wrong kind; write it anew")
    if not all(isinstance(value, int | float) for value in row.conditions.values()):
        raise InputError(f"{where}: conditions are numbers, got {row.conditions!r:.40}; write it anew")
    return row


def read_folder(folder: Path) -> list[Row]:
    """All rows of all tables of a folder."""
    tables = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not tables:
        raise NotFoundError(f"no tables of evidence in {folder}; give their folder, or measure: make bench")
    return [row for path in tables for row in read_rows(path)]


def faults(rows: Sequence[Row], *, promised: Collection[str] = (), current: Collection[str] = ()) -> list[str]:
    """What is missing of the `promised` ids, stale (measured on something that is not `current`), or contradicts
    itself: a verdict that its own numbers do not bear out, an id twice, an unknown kind; and what was measured on part
    of its scenes.
    """
    found = [f"{id}: stands {n} times" for id, n in Counter(row.id for row in rows).items() if n > 1]
    found += [f"{id}: is missing; measure it: make bench" for id in sorted(set(promised) - {row.id for row in rows})]
    for row in rows:
        known = row.kind in KINDS and row.sense in SENSES
        if not known:
            found.append(f"{row.id}: kind {row.kind!r} or sense {row.sense!r} is unknown")
        elif row.holds != (_holds(row.value, row.limit, row.sense, row.low, row.high) and _met(row.conditions)):
            found.append(f"{row.id}: says holds={row.holds}, but its numbers say otherwise")
        if row.n < 1 or not row.command:
            found.append(f"{row.id}: lacks a count or the command that prints it")
        if not row.whole:
            found.append(f"{row.id}: was not measured on all scenes that it asks for, but by {row.command}")
        if row.model is not None and row.model not in current:
            found.append(f"{row.id}: is stale, measured on {row.model}, which is no more; measure it again: make bench")
    return found


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    lines = [("id", "value", "limit", "interval", "n", "holds", "note")]
    for row in rows:
        interval = "" if row.low is None or row.high is None else f"{row.low:.4g} .. {row.high:.4g}"
        limit = "no limit" if row.limit is None else f"{row.sense} {row.limit:g}"
        verdict = row.verdict if row.holds else row.verdict.upper()
        beside = "; ".join(f"{name}: {value:+.3f}" for name, value in row.conditions.items())
        note = "; ".join(part for part in (beside, row.note) if part)
        lines.append((row.id, f"{row.value:.4g}", limit, interval, str(row.n), verdict, note))
    widths = [max(len(line[k]) for line in lines) for k in range(6)]
    return "\n".join("  ".join([*(line[k].ljust(widths[k]) for k in range(6)), line[6]]).rstrip() for line in lines)


def claimed(rows: Iterable[Row], method: str) -> Counter[Verdict]:
    """How many claims of a method hold, do not, are undecided: a claim stands by the worst of its rivals."""
    order: tuple[Verdict, ...] = ("holds", "undecided", "does not hold")
    worst: dict[str, Verdict] = {}
    for row in _claims_of(method, rows):
        claim = row.id.partition("_over_")[0]
        pair: tuple[Verdict, Verdict] = (worst.get(claim, "holds"), row.verdict)
        worst[claim] = max(pair, key=order.index)
    return Counter(worst.values())


def _claims_of(method: str, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.kind == "claim" and row.id.startswith(f"{method}.")]


def methods_table(rows: Sequence[Row]) -> str:
    """Registered methods and the verdicts on their claims, in Markdown, as README has them."""
    lines = ["| method | what it is | claims, measured |", "| --- | --- | --- |"]
    for name, (_, summary) in summaries().items():
        verdicts = claimed(rows, name)
        counts = [(verdicts[verdict], said) for verdict, said in _SAID.items() if verdict in verdicts]
        told = ", ".join(f"{count} {said[count > 1]}" for count, said in counts)
        if not all(row.whole for row in _claims_of(name, rows)):
            told += ", on part of the scenes"
        lines.append(f"| `{name}` | {summary.rstrip('.')} | {told or 'not measured yet'} |")
    return "\n".join(lines)


def _holds(value: float, limit: float | None, sense: str, low: float | None, high: float | None) -> bool:
    """An interval holds when its worse end passes the limit."""
    upward = sense.startswith(">")
    worst = (low if upward else high) if low is not None and high is not None else value
    if worst is None or not math.isfinite(worst):
        return False
    if limit is None:
        return True
    return {">=": worst >= limit, "<=": worst <= limit, ">": worst > limit, "<": worst < limit}[sense]


def _met(conditions: dict[str, float]) -> bool:
    return all(value > 0 for value in conditions.values())


def _commit() -> str:
    """The commit the code stands at, with a plus if files differ from it; empty outside a checkout."""
    here = Path(__file__).parent
    try:
        run = [
            subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, timeout=10, check=True).stdout
            for words in (("rev-parse", "--short=10", "HEAD"), ("status", "--porcelain", "--", ".."))
        ]
    except (OSError, subprocess.SubprocessError):
        return ""
    return run[0].strip() + ("+" if run[1].strip() else "")


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {"python": platform.python_version(), "innerlight": __version__}
    return found | {name: metadata.version(name) for name in packages}


def hardware() -> str:
    """Processor and cores, as the system names them."""
    try:
        cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        name = next((line.split(":", 1)[1].strip() for line in cpu.splitlines() if line.startswith("model name")), "")
    except OSError:
        name = ""
    return f"{name or platform.processor() or platform.machine()}, {os.cpu_count()} cores"
