"""Places inside a network, by names that mean the same on every network.

`up.s4.2.text` is the third text attention of the decoder at a fourth of the latent's side; ordinals count in the
order of execution. A file of `backbones` says which module a site is; here nothing is known of diffusion.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from innerlight.types import InputError, NotFoundError

if TYPE_CHECKING:
    from torch import nn

ATTENTION = ("self", "text")
FEATURES = ("residual", "output", "incoming", "skip")
ROLES = ("semantic", "appearance", "layout", "match")

Grid = tuple[int, int]  # rows, columns of cells


@dataclass(frozen=True)
class Site:
    """One place where something can be read, replaced, or where a pass can end."""

    branch: str  # down, mid, up
    stride: int  # latent cells per cell of the block it belongs to
    ordinal: int
    kind: str  # self, text: attention; residual, output, incoming, skip: features
    grid_stride: int  # latent cells per cell of what is found here: an up block's output is finer than the block
    width: int  # channels
    heads: int  # 0 for features
    path: str  # of the module, from the network's root
    order: int  # place in the order of execution

    @property
    def name(self) -> str:
        """As it is written in patterns, tables and errors."""
        return f"{self.branch}.s{self.stride}.{self.ordinal}.{self.kind}"

    def grid(self, latent: Grid) -> Grid:
        """Cells (rows, columns) for a latent of this size; halving rounds up."""
        return -(-latent[0] // self.grid_stride), -(-latent[1] // self.grid_stride)


class Sites(Mapping[str, Site]):
    """All sites of one network, in the order of execution, and the roles that methods ask for."""

    def __init__(self, root: nn.Module, sites: Iterable[Site], latent: Grid) -> None:
        self.root, self.latent = root, latent  # `latent`: the model's default size
        self._by_name = {site.name: site for site in sorted(sites, key=lambda site: site.order)}

    def __getitem__(self, name: str) -> Site:
        if name not in self._by_name:
            near = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.4)
            raise NotFoundError(f"no site {name!r}; did you mean {', '.join(near or list(self._by_name)[:3])}?")
        return self._by_name[name]

    def __eq__(self, other: object) -> bool:  # two networks are never the same
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def select(self, wanted: str | Sequence[str]) -> tuple[Site, ...]:
        """Sites by name, by pattern (`up.*.text`) or by role and kind (`semantic.text`), in the order of execution."""
        patterns = [wanted] if isinstance(wanted, str) else list(wanted)
        if not patterns:
            raise InputError("sites: expected a name, a pattern, a role, or several; got none")
        names = {name for pattern in patterns for name in self._names(pattern)}
        return tuple(site for site in self._by_name.values() if site.name in names)

    def _names(self, pattern: str) -> list[str]:
        role, _, kind = pattern.partition(".")
        if role in ROLES:
            return [site.name for site in self.role(role, kind or None)]
        if any(mark in pattern for mark in "*?["):
            found = [name for name in self._by_name if fnmatchcase(name, pattern)]
            if not found:
                raise NotFoundError(f"no site matches {pattern!r}; sites are named like {', '.join(list(self)[:3])}")
            return found
        return [self[pattern].name]

    def role(self, role: str, kind: str | None = None) -> tuple[Site, ...]:
        """The sites that play a role on this network, of one kind if one is named.

        semantic: the coarsest decoder level with attention and at least 8 x 8 cells at the default size;
        appearance: the finest decoder level with self-attention; layout: decoder self-attention from the one to the
        other; match: the decoder feature whose grid is half the latent's.
        """
        found = self._playing(role)
        if kind is not None:
            found = [site for site in found if site.kind == kind]
        if not found:
            what = f"{role}.{kind}" if kind else role
            raise InputError(f"this network has no site for the role {what}; name one of its sites: {', '.join(self)}")
        return tuple(found)

    def _playing(self, role: str) -> list[Site]:
        decoder = [site for site in self._by_name.values() if site.branch == "up"]
        attention = [site for site in decoder if site.kind in ATTENTION]
        if role == "match":
            return [site for site in decoder if site.kind == "output" and site.grid_stride == 2][:1]
        if role == "layout":
            return [site for site in attention if site.kind == "self" and site.stride <= self._semantic(attention)]
        if role == "semantic":
            return [site for site in attention if site.stride == self._semantic(attention)]
        if role == "appearance":
            finest = min((site.stride for site in attention if site.kind == "self"), default=0)
            return [site for site in attention if site.stride == finest]
        raise NotFoundError(f"no role {role!r}; roles are {', '.join(ROLES)}")

    def _semantic(self, attention: Sequence[Site]) -> int:
        wide = [site.stride for site in attention if min(site.grid(self.latent)) >= 8]
        return max(wide) if wide else min((site.stride for site in attention), default=1)

    def __str__(self) -> str:
        """A table: name, grid at the default size, channels, heads, roles."""
        roles: dict[str, list[str]] = {}
        for role in ROLES:
            for site in self._playing(role):
                roles.setdefault(site.name, []).append(role)
        lines = [("site", "grid", "width", "heads", "roles")]
        for site in self._by_name.values():
            rows, columns = site.grid(self.latent)
            heads = str(site.heads or "")
            lines.append((site.name, f"{rows} x {columns}", str(site.width), heads, " ".join(roles.get(site.name, []))))
        widths = [max(len(line[k]) for line in lines) for k in range(4)]
        return "\n".join("  ".join([*(line[k].ljust(widths[k]) for k in range(4)), line[4]]).rstrip() for line in lines)
