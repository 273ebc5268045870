"""What a forward pass is told about itself: the step, the pass, and the names of its rows. Nobody counts calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from innerlight.types import InputError, NotFoundError

if TYPE_CHECKING:
    from innerlight.taps.sites import Grid


@dataclass(frozen=True)
class Rows:
    """The rows of a batch: a block of `images` rows for each name, in the order of the names."""

    names: tuple[str, ...] = ("only",)
    images: int = 1

    def __len__(self) -> int:
        return len(self.names) * self.images

    def of(self, wanted: str | Sequence[str] | None) -> tuple[int, ...]:
        """Row numbers of names or patterns (`*.cond`); of None: all. Names that are not in this pass have no rows."""
        if wanted is None:
            return tuple(range(len(self)))
        patterns = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        blocks = [k for k, name in enumerate(self.names) if any(fnmatchcase(name, p) for p in patterns)]
        return tuple(k * self.images + image for k in blocks for image in range(self.images))

    def block(self, name: str) -> tuple[int, ...]:
        """Row numbers of one name that must be there."""
        if name not in self.names:
            raise NotFoundError(f"no rows named {name!r} in this pass; it has {', '.join(self.names)}")
        return self.of(name)


@dataclass(frozen=True)
class Moment:
    """Where a run stands during one forward pass."""

    step: int = 0  # 0 is the noisiest
    steps: int = 1
    timestep: int = 0
    passing: str = "main"  # main, extra or gradient
    rows: Rows = Rows()
    latent: Grid = (0, 0)

    @cached_property
    def done(self) -> float:
        """The share of the run that lies behind, from the noisy end."""
        return self.step / self.steps


_now: ContextVar[Moment | None] = ContextVar("innerlight_moment", default=None)


def now() -> Moment:
    """The moment of the pass that runs in this thread."""
    return _now.get() or Moment()


@contextmanager
def at_moment(moment: Moment) -> Iterator[None]:
    """Passes inside are told `moment`."""
    token = _now.set(moment)
    try:
        yield
    finally:
        _now.reset(token)


def told(latent: Grid, batch: int) -> Moment:
    """The moment as told, with the latent's size; rows that nobody named are called "only"."""
    moment = _now.get()
    if moment is None:
        return Moment(rows=Rows(images=batch), latent=latent)
    if len(moment.rows) != batch:
        raise InputError(f"{len(moment.rows)} rows are named {', '.join(moment.rows.names)}, but the pass has {batch}")
    return replace(moment, latent=latent)
