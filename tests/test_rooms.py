"""A room imports only rooms above it, and only the rooms that may know a library import it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import innerlight

ROOT = Path(innerlight.__file__).parent
ROOMS = (
    "types", "files", "viz", "world", "maps", "matching", "metrics", "taps", "prompts", "backbones", "sampling",
    "tuning", "embedded", "methods", "bench", "cli",
)  # fmt: skip
FREE_OF_TORCH = ("types", "files", "viz", "world", "cli")
DOOR = "backbones"  # the only room that knows diffusers and transformers


def modules(room: str) -> list[Path]:
    single = ROOT / f"{room}.py"
    return [single] if single.exists() else sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """All modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_of(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("innerlight.") and name.split(".")[1] in ROOMS}


def test_every_module_belongs_to_a_room():
    top = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert top - {"__init__", "__main__", "__pycache__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str):
    below = set(ROOMS[ROOMS.index(room) + 1 :])
    for path in modules(room):
        wrong = rooms_of(imported(path)) & below
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}, which come after {room}"


@pytest.mark.parametrize("room", FREE_OF_TORCH)
def test_light_rooms_import_no_network_library(room: str):
    for path in modules(room):
        wrong = {name for name in imported(path) if name.split(".")[0] in ("torch", "torchvision")}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("room", [room for room in ROOMS if room != DOOR])
def test_foreign_networks_come_in_by_one_door(room: str):
    for path in modules(room):
        wrong = {name for name in imported(path) if name.split(".")[0] in ("diffusers", "transformers")}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"
