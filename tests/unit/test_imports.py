"""The rings: an inner one never imports an outer one, and the per-session path imports little."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IO_MODULES = {
    "anyio",
    "asyncio",
    "os",
    "socket",
    "subprocess",
    "threading",
    "time",
    "random",
    "logging",
    "io",
}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files("supervisor/core"), ids=lambda path: path.stem)
def test_the_core_imports_no_outer_ring_and_nothing_that_does_something(path):
    for name in imported(path):
        top = name.split(".")[0]
        if top == "supervisor":
            assert name.startswith("supervisor.core"), f"{path.name} imports {name}"
        else:
            assert top in sys.stdlib_module_names or top == "cronsim", f"{path.name} imports {name}"
            assert top not in IO_MODULES, f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "path", files("supervisor/world"), ids=lambda path: f"{path.parent.name}.{path.stem}"
)
def test_the_world_imports_no_outer_ring(path):
    for name in imported(path):
        assert not name.startswith(
            ("supervisor.daemon", "supervisor.cli", "supervisor.demo", "supervisor.mcp")
        )


@pytest.mark.parametrize("path", files("workers"), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_what_runs_beside_a_session_imports_the_standard_library_only(path):
    for name in imported(path):
        top = name.split(".")[0]
        assert top == "workers" or top in sys.stdlib_module_names, f"{path} imports {name}"


def test_no_file_is_longer_than_one_thought():
    too_long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("supervisor", "workers")
        for path in files(folder)
        if (lines := len(path.read_text().splitlines())) > 350
    }
    assert too_long == {}
