"""Which methods there are. Names and summaries are read from files, without importing torch; the rest on demand.

A method is one function `name(backbone, inputs..., config, *, seed)` in `methods/FAMILY/name.py`, registered there:

    @method(family="reading", paper="arXiv:2210.04885", claims=(...,))
    def daam(backbone, prompts, words=None, config=DaamConfig(), *, seed=0, run=None): ...
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

from innerlight.types import InputError, NotFoundError

FAMILIES = ("reading", "editing", "teaching", "segmentation", "correspondence", "retrieval")
_HERE = Path(__file__).parent

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Claim:
    """An effect that a paper promises, as a score on scenes whose truth is known.

    `score(backbone, seed)` gives one scene's scores by the names "method" and those of `baselines`, or None where the
    rule of the claim drops the scene. The claim holds if the paired difference to every baseline is above `margin`.

    With a `guard`, an effect that doing nothing would have too must not cost the edit itself: the scores then say
    under "method edit" and the like, also of "identity", whether the change was made. The method must make it at
    least `guard` times as often as the baseline, and doing nothing must not.
    """

    id: str  # METHOD.measure
    says: str
    baselines: tuple[str, ...]
    score: Callable[[Any, int], Scores | None]
    margin: float = 0.0
    scenes: int = 200
    guard: float | None = None


@dataclass(frozen=True)
class Method:
    """A registered method."""

    name: str
    family: str
    paper: str
    summary: str
    function: Callable[..., Any]
    config: type
    claims: tuple[Claim, ...] = ()

    def part(self, config: Any) -> Any:
        """An editing method with its settings, to be combined with others: by the function `part` of its file."""
        if self.family != "editing":
            raise InputError(f"{self.name} is no method of editing; those are {', '.join(names('editing'))}")
        return importlib.import_module(self.function.__module__).part(config)

    def finder(self, *given: Any, **named: Any) -> Any:
        """Of a method of correspondence what finds a source's points in one target after another."""
        if self.family != "correspondence":
            told = ", ".join(names("correspondence"))
            raise InputError(f"{self.name} is no method of correspondence; those are {told}")
        return importlib.import_module(self.function.__module__).finder(*given, **named)


_registered: dict[str, Method] = {}


def method(*, family: str, paper: str, claims: tuple[Claim, ...] = ()) -> Callable[[Callable[..., Any]], Any]:
    """Register a function where it is defined: by its own name, which is that of its file."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        module = function.__module__
        assert module == f"innerlight.methods.{family}.{name}", (
            f"{module}.{name} must stand in methods/{family}/{name}.py"
        )
        parameters = inspect.signature(function).parameters
        assert next(iter(parameters)) == "backbone", f"{name}: the first argument is the backbone"
        assert parameters["seed"].kind is inspect.Parameter.KEYWORD_ONLY, f"{name}: seed is given by name"
        config = type(parameters["config"].default)
        assert is_dataclass(config), f"{name}: settings are a frozen dataclass, with defaults"
        assert all(claim.id.startswith(f"{name}.") for claim in claims), f"{name}: claims are called {name}.MEASURE"
        summary = _first_line(Path(inspect.getfile(function)))
        _registered[name] = Method(name, family, paper, summary, function, config, claims)
        return function

    return register


def names(family: str | None = None) -> tuple[str, ...]:
    """All methods, or those of one family, in the order of families and of the alphabet."""
    wanted = FAMILIES if family is None else (family,)
    if family is not None and family not in FAMILIES:
        raise NotFoundError(f"family: expected one of {', '.join(FAMILIES)}, got {family!r}")
    return tuple(path.stem for one in wanted for path in _files(one))


def summaries() -> dict[str, tuple[str, str]]:
    """Of each method its family and its first line, read without importing it."""
    return {path.stem: (family, _first_line(path)) for family in FAMILIES for path in _files(family)}


def of_config(config: Any) -> Method:
    """The method whose settings these are."""
    for name in names():
        if get(name).config is type(config):
            return get(name)
    raise NotFoundError(f"{type(config).__name__} are the settings of no method; there are {', '.join(names())}")


def get(name: str) -> Method:
    """One method."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4)
        raise NotFoundError(f"no method {name!r}; there are {', '.join(near or names())}")
    if name not in _registered:
        importlib.import_module(f"innerlight.methods.{summaries()[name][0]}.{name}")
    return _registered[name]


def _files(family: str) -> list[Path]:
    return sorted(path for path in (_HERE / family).glob("*.py") if not path.stem.startswith("_"))


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]
