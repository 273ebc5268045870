"""Searching an index without looking at every picture, by a graph of neighbours (extra `search`: usearch)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from innerlight.files import WriteError, atomic_path, read_json, write_json
from innerlight.matching.store import COUNT, ROWS, Index
from innerlight.types import InnerlightError, InputError

CONNECTIVITY, ADD, SEARCH = 32, 256, 512  # neighbours of a picture; candidates while it is added, and searched for


def search_approximately(index: Index, query: Mapping[str, Tensor], count: int) -> tuple[Tensor, Tensor]:
    """As `Index.search`, nearly: the same scores of nearly the same pictures. The graph is kept beside the vectors,
    where that can be written, and grows with them.
    """
    kinds = sorted(query)
    exact = index.check(query)
    graph = _graph(index, kinds)
    wanted = torch.cat([exact[kind] for kind in kinds]).numpy()
    found = graph.search(wanted, min(count, len(index.keys)), threads=1)
    numbers = torch.from_numpy(np.asarray(found.keys).astype(np.int64))
    scores = torch.stack([index.vectors[kind][numbers] @ vector for kind, vector in exact.items()]).mean(0)
    order = scores.argsort(descending=True, stable=True)
    return numbers[order], scores[order]


def _graph(index: Index, kinds: list[str]) -> Any:
    """The neighbours of all pictures by some kinds of vectors; those that it lacks are added."""
    try:
        from usearch.index import Index as Graph
    except ImportError as error:
        raise InputError("approximate search needs usearch; install it: pip install 'innerlight[search]'") from error
    vectors = np.concatenate([index.vectors[kind].numpy() for kind in kinds], axis=1)
    path = Path(index.folder) / f"approximate-{'-'.join(kinds)}.usearch"

    def empty() -> Any:
        return Graph(
            ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=CONNECTIVITY, expansion_add=ADD,
            expansion_search=SEARCH,
        )  # fmt: skip

    graph, done = empty(), _known(index, path)
    if done:
        with suppress(OSError, RuntimeError, ValueError):  # then it is not as long as told, and made anew
            graph.load(str(path))
    if len(graph) != done:
        graph, done = empty(), 0
    if done < len(vectors):
        graph.add(np.arange(done, len(vectors)), vectors[done:])
        with suppress(WriteError):  # where nothing can be written it serves this search alone
            with atomic_path(path) as temporary:
                graph.save(str(temporary))
            write_json({COUNT: len(vectors), ROWS: index.rows(len(vectors))}, path.with_suffix(".json"))
    return graph


def _known(index: Index, path: Path) -> int:
    """How many pictures the graph at `path` has, if they are the first of this index; else 0."""
    with suppress(InnerlightError, ValueError):
        told = read_json(path.with_suffix(".json"))
        if isinstance(told, dict) and isinstance(count := told.get(COUNT), int) and told.get(ROWS) == index.rows(count):
            return count
    return 0
