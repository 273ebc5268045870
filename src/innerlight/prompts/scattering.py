"""Vectors in place of rows of a token embedding: how a learnt token is tried, or trained, without growing a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from innerlight.types import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

Rows = Mapping[int, "Tensor"]

_NONE: Mapping[nn.Module, Rows] = MappingProxyType({})
# Context variables are a thread's own: another thread neither sees the rows nor the tokens being read.
_open: ContextVar[Mapping[nn.Module, Rows]] = ContextVar("rows of each embedding that is open", default=_NONE)
_reading: ContextVar[Tensor | None] = ContextVar("tokens that an embedding is reading", default=None)


@contextmanager
def scattered(embedding: nn.Module, rows: Rows, spelt: Tensor | None = None) -> Iterator[None]:
    """While open, tokens of these ids get these vectors (d,) wherever `embedding` is called, in this thread.

    All other positions are as they were, to the bit; gradients flow to the vectors; ids may lie beyond the table. Of
    nested blocks the inner one decides about an id that both name. `spelt` are the ids that are meant where the
    network is shown others in their place.
    """
    _refuse_unfit(embedding, rows)
    merged = {**_open.get().get(embedding, {}), **rows}

    def known_ids(module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any] | None:
        if _open.get().get(embedding) is not merged:
            return None  # another thread, or a block further in that has our rows too
        (shown,) = args or named.values()
        ids = shown if spelt is None else spelt
        _reading.set(ids)
        return (ids.masked_fill(_among(ids, merged), 0),), {}

    def with_vectors(module: nn.Module, args: tuple[Any, ...], found: Tensor) -> Tensor | None:
        if _open.get().get(embedding) is not merged:
            return None
        ids = _reading.get()
        _reading.set(None)
        assert ids is not None
        for id, vector in merged.items():
            found = vector.to(found).where((ids == id)[..., None], found)
        return found

    handles = [
        embedding.register_forward_pre_hook(known_ids, with_kwargs=True),
        embedding.register_forward_hook(with_vectors),
    ]
    token = _open.set({**_open.get(), embedding: merged})
    try:
        yield
    finally:
        _open.reset(token)
        for handle in reversed(handles):
            handle.remove()


def _among(ids: Tensor, rows: Rows) -> Tensor:
    """A mask like `ids` (...): where one of the rows is meant."""
    mask = ids != ids
    for id in rows:
        mask |= ids == id
    return mask


def _refuse_unfit(embedding: nn.Module, rows: Rows) -> None:
    width = getattr(embedding, "embedding_dim", None)
    for id, vector in rows.items():
        if id < 0:
            raise InputError(f"rows: expected ids of tokens, from 0 on, got {id}")
        if vector.ndim != 1 or width not in (None, len(vector)):
            raise InputError(f"rows: expected a vector ({width or 'd'},) for id {id}, got {tuple(vector.shape)}")
