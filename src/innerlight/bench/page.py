"""The page of evidence: one file that holds tables, plots and pictures of what was measured."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from innerlight import __version__
from innerlight.backbones import Backbone
from innerlight.bench.claims import raw_scores, shipped_hash
from innerlight.bench.evidence import Row, Verdict, claimed, read_folder
from innerlight.bench.shown import Took, shown
from innerlight.files import write_text
from innerlight.methods import get, names

Progress = Callable[[int, int], None]
WIDE, TALL = 220.0, 34.0  # of a plot, in pixels
QUALITY = 82


@dataclass(frozen=True)
class Scene:
    """One scoring scene behind a claim, and how far the method is above its baseline there."""

    which: str  # best, median, worst
    seed: int
    above: float
    picture: str  # as a data address
    took: Took


@dataclass(frozen=True)
class Line:
    """A row as it stands in a table."""

    row: Row
    says: str
    interval: str  # SVG: the difference, its interval, the limit and zero
    scenes: str  # SVG: the differences of all scenes, in their order


@dataclass(frozen=True)
class Section:
    """A method, or a part of the library beside them."""

    name: str
    family: str
    paper: str
    summary: str
    lines: Sequence[Line]
    pictures: Sequence[Scene]

    @property
    def verdicts(self) -> Counter[Verdict]:
        """How many claims hold, do not, are undecided; other rows left out."""
        return claimed([line.row for line in self.lines], self.name)

    @property
    def took(self) -> Took | None:
        """What the median scene took."""
        return next((one.took for one in self.pictures if one.which == "median"), None)


def write_page(
    folder: Path, backbone: Backbone, drawn: Collection[str] = (), progress: Progress = lambda done, of: None
) -> Path:
    """`index.html` in a folder of tables, raw scores and pictures; returns it.

    Of the methods `drawn` the best, the median and the worst scene of the first claim are run again and shown, if they
    were not yet; of others if they were.
    """
    from jinja2 import Environment, PackageLoader

    rows = read_folder(folder)
    sections = []
    for done, name in enumerate(names()):
        progress(done, len(names()))
        sections.append(_method(name, rows, backbone, folder, draws=name in drawn))
    progress(len(names()), len(names()))
    rest = [row for row in rows if row.id.partition(".")[0] not in names()]
    rooms = dict.fromkeys(row.id.partition(".")[0] for row in rest)
    others = [
        Section(room, "", "", "", [_line(row, "", {}) for row in rest if row.id.startswith(f"{room}.")], ())
        for room in rooms
    ]
    templates = Environment(loader=PackageLoader("innerlight.bench"), autoescape=True, trim_blocks=True)
    page = templates.get_template("evidence.html").render(
        sections=sections, others=others, version=__version__, models=_models(rows, backbone),
        verdicts=Counter(row.verdict for row in rows), hardware=sorted({row.hardware for row in rows}),
        dates=sorted({row.date for row in rows}), versions=max(rows, key=lambda row: row.date).versions,
    )  # fmt: skip
    write_text(page, folder / "index.html")
    return folder / "index.html"


def chosen(above: Mapping[int, float]) -> dict[str, int]:
    """The scenes where a method is furthest above its baseline, in the middle, and furthest below."""
    order = sorted(above, key=lambda seed: (-above[seed], seed))
    return dict(zip(("best", "median", "worst"), (order[0], order[len(order) // 2], order[-1]), strict=True))


def _models(rows: Sequence[Row], backbone: Backbone) -> list[str]:
    """What methods were measured on; of a model that is not at hand the hash is all that is known."""
    hashes = sorted({row.model for row in rows if row.model and row.id.partition(".")[0] in names()} or {backbone.hash})
    known, ships = {backbone.hash: f"{backbone.name} {backbone.hash}"}, shipped_hash()
    return [known.get(one, f"a model of hash {one}") + ", the model that ships" * (one == ships) for one in hashes]


def _method(name: str, rows: Sequence[Row], backbone: Backbone, folder: Path, *, draws: bool) -> Section:
    method = get(name)
    raw = {claim.id: raw_scores(backbone, method, claim, folder / "scores") for claim in method.claims}
    says = {claim.id: claim.says for claim in method.claims}
    lines = [
        _line(row, says.get(_claim_of(row, says), ""), _above(raw.get(_claim_of(row, says), {}), row.baseline))
        for row in rows
        if row.id.startswith(f"{name}.")
    ]
    pictures = []
    if method.claims:
        first = method.claims[0]
        above = _above(raw[first.id], first.baselines[0])
        for which, seed in chosen(above).items() if len(above) >= 3 else ():
            found = shown(backbone, name, seed, folder / "shown", draws=draws)
            if found is not None:
                pictures.append(Scene(which, seed, above[seed], _inlined(found[0]), found[1]))
    return Section(name, method.family, method.paper, method.summary, lines, pictures)


def _claim_of(row: Row, known: Collection[str]) -> str:
    """The claim that a row is of: its id, or the longest that it goes on from."""
    return max((id for id in known if row.id == id or row.id.startswith(f"{id}_over_")), key=len, default="")


def _above(raw: Mapping[int, Mapping[str, float]], baseline: str | None) -> dict[int, float]:
    """By scene, the method's score less that of the baseline."""
    return {
        seed: one["method"] - one[baseline] for seed, one in raw.items() if baseline is not None and baseline in one
    }


def _line(row: Row, says: str, above: Mapping[int, float]) -> Line:
    return Line(row, says, _interval(row), _scenes(sorted(above.values(), reverse=True)))


def _interval(row: Row) -> str:
    """A dot at the difference, a bar over its interval, a stroke at the limit and a faint one at zero."""
    if row.low is None or row.high is None:
        return ""
    limit = row.limit or 0.0
    reach = 1.15 * max(abs(one) for one in (row.low, row.high, row.value, limit, 1e-9))
    left, middle, right, edge, zero = (
        (one / reach + 1) * WIDE / 2 for one in (row.low, row.value, row.high, limit, 0.0)
    )
    return (
        f'<svg class="{row.verdict.replace(" ", "-")}" viewBox="0 0 {WIDE:g} 18" width="{WIDE:g}" height="18">'
        f'<path class="zero" d="M{zero:.1f} 0V18"/><path class="limit" d="M{edge:.1f} 2V16"/>'
        f'<path class="bar" d="M{left:.1f} 9H{right:.1f}"/><circle cx="{middle:.1f}" cy="9" r="4"/></svg>'
    )


def _scenes(above: Sequence[float]) -> str:
    """A stroke for each scene, the best first, up where the method is above."""
    if len(above) < 3:
        return ""
    reach = max(max(map(abs, above)), 1e-9)
    step = WIDE / len(above)
    strokes = {
        side: "".join(
            f"M{(k + 0.5) * step:.1f} {TALL / 2:g}V{TALL / 2 * (1 - one / reach):.1f}"
            for k, one in enumerate(above)
            if np.sign(one) == sign
        )
        for side, sign in (("up", 1), ("down", -1))
    }
    return (
        f'<svg viewBox="0 0 {WIDE:g} {TALL:g}" width="{WIDE:g}" height="{TALL:g}" stroke-width="{max(step, 0.6):.2f}">'
        f'<path class="zero" d="M0 {TALL / 2:g}H{WIDE:g}"/><path class="up" d="{strokes["up"]}"/>'
        f'<path class="down" d="{strokes["down"]}"/></svg>'
    )


def _inlined(path: Path) -> str:
    """A picture as a data address, so that the page is one file."""
    data = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").save(data, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"
