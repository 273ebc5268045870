"""The `evidence` directive: the tables of what was measured, as they are kept in `evidence/`.

.. evidence::

"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from innerlight.bench.evidence import Row, claimed, read_folder
from innerlight.bench.promised import PROMISED
from innerlight.methods import names, summaries

FOLDER = Path(__file__).parent.parent.parent / "evidence"


class Evidence(SphinxDirective):
    """First how many claims of each method hold, and what is not measured yet; then all rows, by method and by part of
    the library.
    """

    def run(self) -> list[nodes.Node]:
        for table in FOLDER.glob("*.json"):
            self.env.note_dependency(str(table))
        rows = read_folder(FOLDER)
        heads = dict.fromkeys((*names(), *(row.id.partition(".")[0] for row in rows)))
        groups = {head: [row for row in rows if row.id.startswith(f"{head}.")] for head in heads}
        text = [*overview(groups), *missing(rows)]
        text += [line for head, own in groups.items() if own for line in section(head, own)]
        return self.parse_text_to_nodes("\n".join([*text, *measured_on(rows)]), allow_section_headings=True)


def overview(groups: dict[str, list[Row]]) -> list[str]:
    """Methods, their summaries, and the verdicts on their claims."""
    told = summaries()
    lines = []
    for name in names():
        verdicts = claimed(groups[name], name)
        found = ", ".join(f"{verdict}: {count}" for verdict, count in verdicts.items()) or "not measured yet"
        lines.append((f"``{name}``", told[name][1], found))
    return listed(("method", "what it is", "claims"), lines, widths=(20, 55, 25))


def missing(rows: Sequence[Row]) -> list[str]:
    """What is promised and not measured yet."""
    absent = sorted(set(PROMISED) - {row.id for row in rows})
    return ["", f"Not measured yet: {', '.join(f'``{id}``' for id in absent)}.", ""] if absent else []


def section(head: str, rows: Sequence[Row]) -> list[str]:
    """All rows of one method, or of one part of the library."""
    lines = [
        (f"``{row.id}``", _number(row), _interval(row), str(row.n), f"**{row.verdict}**{_conditions(row)}")
        for row in rows
    ]
    columns = ("row", "value", "limit and interval", "n", "verdict")
    return [head, "-" * len(head), "", *listed(columns, lines, widths=(38, 20, 22, 8, 12))]


def measured_on(rows: Sequence[Row]) -> list[str]:
    """Versions and machines."""
    latest = max(rows, key=lambda row: row.date)
    packages = ", ".join(f"{name} {number}" for name, number in latest.versions.items())
    machines = "; ".join(sorted({row.hardware for row in rows}))
    dates = sorted(row.date for row in rows)
    return [f"Measured from {dates[0]} to {dates[-1]} on {machines}; lately with {packages}.", ""]


def listed(heads: Sequence[str], lines: Iterable[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """A table in reStructuredText."""
    table = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for line in (heads, *lines):
        table += [f"   {'*' if number == 0 else ' '} - {cell}" for number, cell in enumerate(line)]
    return [*table, ""]


def _number(row: Row) -> str:
    if row.score is None or row.rival is None:
        return f"{row.value:.4g}" + (f" over {row.baseline}" if row.baseline else "")
    return f"{row.score:.3f}, {row.baseline}: {row.rival:.3f}"


def _interval(row: Row) -> str:
    limit = "no limit" if row.limit is None else f"``{row.sense} {row.limit:g}``"
    return limit if row.low is None or row.high is None else f"{limit}; {row.low:.3g} to {row.high:.3g}"


def _conditions(row: Row) -> str:
    """Those that are not met."""
    unmet = [f"{name}: {value:+.3g}" for name, value in row.conditions.items() if value <= 0]
    return f" ({'; '.join(unmet)})" if unmet else ""


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("evidence", Evidence)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
