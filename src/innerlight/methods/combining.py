"""Several editing methods in one run: each with its settings, refused by name where two want different things."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from innerlight.backbones import Backbone, Size
from innerlight.files import Source
from innerlight.methods._registry import of_config
from innerlight.sampling import Inversion, Run
from innerlight.sampling.editing import Edited, edit


def combine(
    backbone: Backbone,
    source: str | Sequence[str],
    target: str | Sequence[str],
    configs: Sequence[Any],
    *,
    image: Source | Iterable[Source] | None = None,
    inversion: Inversion | str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    negative: str | None = None,
    size: Size | None = None,
    seed: int | Sequence[int] = 0,
    run: Run | None = None,
) -> Edited:
    """An edit by all methods whose settings are in `configs`, at once:

    `combine(backbone, "a cat", "a dog", [PromptToPromptConfig(blend=("cat", "dog")), AttendAndExciteConfig()])`
    """
    parts = [of_config(config).part(config) for config in configs]
    return edit(
        backbone, source, target, parts, image=image, inversion=inversion, steps=steps, guidance=guidance,
        negative=negative, size=size, seed=seed, run=run,
    )  # fmt: skip
