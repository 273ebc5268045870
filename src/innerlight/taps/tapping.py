"""Taps: read, replace, or stop, inside one forward or many; a `with` block that leaves the network as it found it.

    maps = Read("semantic.text", "probabilities", rows="cond", reduce=HeadMean(), keep="mean")
    with tapped(backbone.sites, maps) as seen:
        ...passes...
    seen[maps]["up.s4.0.text"]

Order at one site: input, contexts, heads (q, k, v), logits, probabilities, mixed (before the projection), output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from innerlight.taps.heads import Heads, together
from innerlight.taps.moment import Moment, Rows
from innerlight.taps.reducers import HeadMean, Reducer
from innerlight.taps.sites import ATTENTION, Grid, Site, Sites
from innerlight.types import InnerlightError, InputError, NotFoundError

OPENED = ("logits", "probabilities")  # what the fused kernel never shows
INSIDE = ("heads", *OPENED, "mixed")  # where q, k and v meet
CONTEXTS = ("key_context", "value_context", "context")
AROUND = ("input", *CONTEXTS, "output")
FEATURE = "features"
READABLE = ("input", "key_context", "value_context", "heads", "probabilities", "mixed", "output", FEATURE)
WRITABLE = (*AROUND, *INSIDE, FEATURE)


class TapError(InnerlightError):
    """A tap that cannot do its work on this network, or two that want different things of one place."""


@dataclass(frozen=True, eq=False)
class View:
    """What a write is shown: `own`, the rows it writes, and by name the rows of the same pass beside them. They are
    the network's own numbers: what is written is a new tensor.
    """

    values: Any  # Tensor or Heads, whose first axis are the rows in `present`
    present: tuple[int, ...]
    writes: tuple[int, ...]
    site: Site
    moment: Moment
    queries: slice = field(default_factory=lambda: slice(None))  # of logits and probabilities

    @property
    def own(self) -> Any:
        """The rows this write answers for."""
        return self._take(self.writes)

    def __getitem__(self, name: str) -> Any:
        return self._take(self.moment.rows.block(name))

    @property
    def grid(self) -> Grid:
        """Cells (rows, columns) at this site."""
        return self.site.grid(self.moment.latent)

    def _take(self, rows: Sequence[int]) -> Any:
        missing = [row for row in rows if row not in self.present]
        if missing:
            raise TapError(f"{self.site.name}: rows {missing} are not at hand; name them in sees=")
        at = together([self.present.index(row) for row in rows])
        return self.values.take(at) if isinstance(self.values, Heads) else self.values[at]


def always(moment: Moment) -> bool:
    """At every step of every pass."""
    del moment
    return True


def main_passes(moment: Moment) -> bool:
    """At every step, but not in extra or gradient passes."""
    return moment.passing == "main"


@dataclass(frozen=True, eq=False)
class Read:
    """Keep what is found at `sites`: the last, the mean or sum over passes, or all of them."""

    sites: str | Sequence[str]
    what: str = FEATURE
    rows: str | Sequence[str] | None = None
    reduce: Reducer | None = None  # of probabilities; HeadMean if none is given
    keep: Literal["last", "mean", "sum", "all"] = "last"  # mean: of all that was added, over passes and pooled sites
    pool: Literal["site", "grid"] = "site"  # grid: all sites with one grid are summed into one
    when: Callable[[Moment], bool] = always
    gradient: bool = False
    name: str = "a read"

    def __post_init__(self) -> None:
        if self.what not in READABLE:
            raise InputError(f"what: expected one of {', '.join(READABLE)}, got {self.what!r}")
        if self.what == "heads" and self.adds:
            raise InputError("heads are kept one by one: use keep='last' or keep='all', and pool='site'")

    @property
    def adds(self) -> bool:
        """Are values added up?"""
        return self.keep in ("sum", "mean") or self.pool == "grid"

    @property
    def reduced(self) -> bool:
        """Is what is kept computed for this read alone?"""
        return self.what == "probabilities"


@dataclass(frozen=True, eq=False)
class Write:
    """Replace what is found at `sites` in some rows by `change` of it.

    `change` takes a View and returns what replaces its `own` rows: a tensor of the same shape; for heads a Heads,
    whose keys may be more. `sees`: rows beside its own that it needs of logits and probabilities.
    """

    sites: str | Sequence[str]
    what: str
    change: Callable[[View], Any]
    rows: str | Sequence[str] | None = None
    sees: str | Sequence[str] = ()
    when: Callable[[Moment], bool] = always
    name: str = "a write"

    def __post_init__(self) -> None:
        if self.what not in WRITABLE:
            raise InputError(f"what: expected one of {', '.join(WRITABLE)}, got {self.what!r}")


class Tap:
    """An open `with tapped(...)` block; indexed by a Read, it gives what was kept: by site name, or by grid."""

    def __init__(self, sites: Sites, items: Sequence[Read | Write], *, stop: bool, max_bytes: int | None) -> None:
        self.sites, self.stop, self.max_bytes = sites, stop, max_bytes
        self.reads = {item: sites.select(item.sites) for item in items if isinstance(item, Read)}
        self.writes = {item: sites.select(item.sites) for item in items if isinstance(item, Write)}
        self.at: dict[str, list[Read | Write]] = {}
        for item, places in {**self.reads, **self.writes}.items():
            for site in places:
                _check_kind(item, site)
                self.at.setdefault(site.name, []).append(item)
        self._kept: dict[Read, dict[Any, Tensor | list[Tensor]]] = {read: {} for read in self.reads}
        self._count: dict[tuple[Read, Any], int] = {}

    def __getitem__(self, read: Read) -> Mapping[Any, Any]:
        if read not in self._kept:
            raise NotFoundError(f"{read.name} of {read.sites!r} is not among the reads of this block")
        found = self._kept[read]
        if read.keep != "mean":
            return found
        return {key: value / self._count[read, key] for key, value in found.items() if isinstance(value, Tensor)}

    def counts(self, read: Read) -> dict[Any, int]:
        """How many values went into what was kept, by site or grid."""
        return {key: count for (one, key), count in self._count.items() if one is read}

    def last_site(self, moment: Moment) -> int | None:
        """Where a pass may end: the place of the last site that is read in it."""
        if not self.stop:
            return None
        wanted = (places[-1].order for read, places in self.reads.items() if _applies(read, moment))
        return max(wanted, default=None)

    def total(self, read: Read, site: Site, moment: Moment) -> Tensor | None:
        """What a read that adds up has so far, if more may be added to it where it stands."""
        found = self._kept[read].get(_key(read, site, moment)) if read.adds and not read.gradient else None
        return found if isinstance(found, Tensor) else None

    def add(self, read: Read, site: Site, value: Any, moment: Moment) -> None:
        """Keep `value`, found at `site`; or the total itself, to which it was added."""
        if not all(finite(part) for part in _tensors(value)):
            raise TapError(f"step {moment.step}, {site.name}: not all of {read.what} is finite; try float32")
        key = _key(read, site, moment)
        kept = self._kept[read]
        self._count[read, key] = self._count.get((read, key), 0) + 1
        if kept.get(key) is value:
            return
        value = value if read.gradient else _detached(value)
        # the network's own tensor is not for us to add to, and FreeU writes into features in place
        borrowed = read.what == FEATURE or (read.adds and not read.reduced)
        if read.keep == "all":
            before = kept.setdefault(key, [])
            assert isinstance(before, list)
            before.append(value.clone() if borrowed else value)
        elif not read.adds or key not in kept:
            kept[key] = value.clone() if borrowed else value
        else:
            total = kept[key]
            assert isinstance(total, Tensor)
            if total.shape != value.shape:
                raise TapError(
                    f"{site.name}: {read.what} of shape {tuple(value.shape)} cannot be added to {tuple(total.shape)}, "
                    f"which was kept before for {key}; read it apart (pool='site', keep='last' or 'all')"
                )
            kept[key] = total + value if read.gradient else total.add_(value)

    def begin(self, moment: Moment, sample: Tensor, states: Tensor | None) -> None:
        """A forward begins: what is kept of the last pass only is forgotten, and the plan is checked."""
        for read in self.reads:
            if read.keep == "last" and _applies(read, moment):
                self._kept[read].clear()
                self._count = {key: count for key, count in self._count.items() if key[0] is not read}
        if self.max_bytes is not None:
            context = (states.shape[1], states.shape[2]) if states is not None else None
            planned = planned_bytes(self.sites, list(self.reads), moment, context, sample.element_size())
            if planned > self.max_bytes:
                raise InputError(
                    f"reading this would take {planned / 1e6:.3g} MB, more than max_bytes "
                    f"({self.max_bytes / 1e6:.3g} MB); "
                    "read fewer sites, rows or tokens, or reduce them (HeadMean, Columns, keep='mean')"
                )


def planned_bytes(
    sites: Sites,
    reads: Sequence[Read],
    moment: Moment,
    context: tuple[int, int] | None = None,
    number: int = 4,
) -> int:
    """What the reads will keep of one pass at this moment, in bytes.

    `context`: tokens and width of the text states (None: 77 of 768); `number`: bytes of one of the network's numbers.
    """
    tokens, wide = context or (77, 768)
    total = 0
    for read in reads:
        kept: dict[Any, int] = {}
        for site in sites.select(read.sites) if _applies(read, moment) else ():
            rows, columns = site.grid(moment.latent)
            cells, count = rows * columns, len(rows_of(read, moment.rows))
            keys = cells if site.kind == "self" else tokens
            if read.what == "probabilities":  # always in float32
                shape = (read.reduce or HeadMean()).shape((count, site.heads, cells, keys))
                size = 4 * torch.Size(shape).numel()
            elif read.what == "heads":
                size = number * count * site.width * (cells + 2 * keys)
            elif read.what in CONTEXTS:
                size = number * count * keys * (site.width if site.kind == "self" else wide)
            else:
                size = number * count * cells * site.width
            key = (rows, columns) if read.pool == "grid" else site.name
            kept[key] = size if read.keep != "all" else kept.get(key, 0) + size
        total += sum(kept.values())
    return total


_open: ContextVar[tuple[Tap, ...]] = ContextVar("innerlight_taps", default=())


class Stopped(Exception):  # noqa: N818 - not an error
    """A pass ended on purpose: all that a tap wanted was seen."""

    def __init__(self, tap: Tap) -> None:
        super().__init__("stopped")
        self.tap = tap


@contextmanager
def tapped(sites: Sites, *items: Read | Write, stop: bool = False, max_bytes: int | None = None) -> Iterator[Tap]:
    """Open taps on a network for this thread; blocks nest. With `stop` the pass ends after the last site that is
    read, and so does the block. `max_bytes` refuses, before a pass, to keep more than that of it.
    """
    from innerlight.taps.wiring import wired

    tap = Tap(sites, items, stop=stop, max_bytes=max_bytes)
    with wired(sites, tap.at):
        token = _open.set((*_open.get(), tap))
        try:
            yield tap
        except Stopped as stopped:
            if stopped.tap is not tap:
                raise
        finally:
            _open.reset(token)


def open_taps(sites: Sites) -> list[Tap]:
    """The taps that this thread has open on a network, outermost first."""
    return [tap for tap in _open.get() if tap.sites is sites]


def _applies(read: Read, moment: Moment) -> bool:
    """Does a pass have something for a read?"""
    return read.when(moment) and bool(rows_of(read, moment.rows))


def _key(read: Read, site: Site, moment: Moment) -> Any:
    """What is kept goes by grid or by site."""
    return site.grid(moment.latent) if read.pool == "grid" else site.name


def rows_of(item: Read | Write, rows: Rows) -> tuple[int, ...]:
    """The rows of this pass that an item is about."""
    return rows.of(item.rows)


def _check_kind(item: Read | Write, site: Site) -> None:
    feature = site.kind not in ATTENTION
    if feature != (item.what == FEATURE):
        wanted = FEATURE if feature else f"one of {', '.join(w for w in READABLE if w != FEATURE)}"
        raise InputError(f"{site.name}: expected what={wanted}, got {item.what!r}")


def _tensors(value: Any) -> tuple[Tensor, ...]:
    return (value.q, value.k, value.v) if isinstance(value, Heads) else (value,)


def finite(values: Tensor) -> bool:
    """Are all of them? By the ends alone, which pass a nan on and need no second copy of the values."""
    return all(torch.isfinite(end) for end in torch.aminmax(values.detach()))


def _detached(value: Any) -> Any:
    if isinstance(value, Heads):
        return replace(value, q=value.q.detach(), k=value.k.detach(), v=value.v.detach())
    return value.detach()
