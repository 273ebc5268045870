"""One function for every method of inversion: DDIM (arXiv:2010.02502) and what was built on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.files import Source
from innerlight.sampling.generate import default_steps, guidance_of
from innerlight.sampling.guidance import Guidance
from innerlight.sampling.inversion.auto import REFINEMENTS, auto
from innerlight.sampling.inversion.ddim import ddim
from innerlight.sampling.inversion.edit_friendly import GUIDANCE, SKIP, edit_friendly
from innerlight.sampling.inversion.negative_prompt import negative_prompt
from innerlight.sampling.inversion.null_text import null_text
from innerlight.sampling.inversion.task import Task
from innerlight.sampling.inversion.value import Inversion
from innerlight.sampling.run import Run
from innerlight.types import InputError

USES = {  # the settings of each method
    "ddim": ("refinements", "reach"),
    "fixed_point": ("refinements", "reach"),
    "null_text": ("refinements", "iterations"),
    "negative_prompt": ("refinements",),
    "edit_friendly": ("skip", "seed"),
    "auto": ("iterations", "skip", "budget", "seed"),
}
METHODS = tuple(USES)
UNSET = {"refinements": 0, "iterations": 10, "skip": None, "reach": 1.0, "budget": None, "seed": 0}


def invert(
    backbone: Backbone,
    pictures: Source | Iterable[Source] | None = None,
    prompts: str | Sequence[str] = "",
    *,
    method: str = "ddim",
    latents: Tensor | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    refinements: int = 0,
    iterations: int = 10,
    skip: float | None = None,
    reach: float = 1.0,
    budget: int | None = None,
    seed: int | Sequence[int] = 0,
    size: Size | None = None,
    run: Run | None = None,
) -> Inversion:
    """Where sampling must begin to arrive at the pictures, or at `latents` (n, c, h, w), under the same prompts.

    "ddim" and "fixed_point" lead back without guidance, "negative_prompt", "null_text" and "edit_friendly" under
    `guidance` too; "auto" tries them within a `budget` of rows through the UNet for each picture.
    """
    own = {
        "refinements": refinements, "iterations": iterations, "skip": skip, "reach": reach, "budget": budget,
        "seed": seed,
    }  # fmt: skip
    _check(method, own)
    task = Task.of(backbone, pictures, latents, prompts, default_steps(backbone, steps), size, run or Run())
    weight, share = _weight(backbone, method, guidance), SKIP if skip is None else skip
    if method in ("ddim", "fixed_point"):
        return ddim(task, weight, refinements or (REFINEMENTS if method == "fixed_point" else 0), reach)
    if method == "null_text":
        return null_text(task, weight, iterations, refinements)
    if method == "negative_prompt":
        return negative_prompt(task, weight, refinements)
    if method == "edit_friendly":
        return edit_friendly(task, weight, share, seed)
    return auto(task, weight, budget, iterations, share, seed)


def _weight(backbone: Backbone, method: str, guidance: float | None) -> float:
    """As given, or as the method was made for."""
    if guidance is None and method in ("ddim", "fixed_point"):
        return 1.0
    if guidance is None and method == "edit_friendly":
        return GUIDANCE
    return Guidance(guidance).weight if guidance is not None else guidance_of(backbone, None).weight


def _check(method: str, own: Mapping[str, Any]) -> None:
    """Every setting is one that the method uses, and can be used."""
    if method not in USES:
        raise InputError(f"method: expected one of {', '.join(METHODS)}, got {method!r:.60}")
    idle = [name for name, value in own.items() if name not in USES[method] and value != UNSET[name]]
    if idle:
        raise InputError(f"{idle[0]}: {method} has no use for it, got {own[idle[0]]!r:.60}; leave it out")
    for name in ("refinements", "iterations"):
        if not isinstance(own[name], Integral) or own[name] < 0:
            raise InputError(f"{name}: expected a whole number from 0 on, got {own[name]!r:.60}")
    if not isinstance(own["reach"], Real) or not 0 <= float(own["reach"]) <= 1:
        raise InputError(f"reach: expected a share from 0 to 1, got {own['reach']!r:.60}")
    skip = 0.0 if own["skip"] is None else own["skip"]
    if not isinstance(skip, Real) or not 0 <= float(skip) < 1:
        raise InputError(f"skip: expected a share from 0 to below 1, got {skip!r:.60}")
    if own["budget"] is not None and (not isinstance(own["budget"], Integral) or own["budget"] < 1):
        raise InputError(f"budget: expected a whole number of passes from 1 on, got {own['budget']!r:.60}")
