"""The data of a file with what it leaves to its surroundings: places, the only repository, the time zone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supervisor.world.config.places import absolute, base_directory, runtime_directory, state_directory
from supervisor.world.config.zone import local_zone


def tables(data: Mapping[str, Any], section: str) -> dict[str, dict[str, Any]]:
    """Return the well-formed tables [section.NAME]; what is malformed is told by validation."""
    found = data.get(section)
    if not isinstance(found, dict):
        return {}
    return {name: table for name, table in found.items() if isinstance(table, dict)}


def entries(data: Mapping[str, Any], section: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the well-formed entries of a [[section]] with their numbers from 0."""
    found = data.get(section)
    if not isinstance(found, list | tuple):
        return []
    return [(number, entry) for number, entry in enumerate(found) if isinstance(entry, dict)]


def complete(data: dict[str, Any], config: Path, environ: Mapping[str, str]) -> None:
    """Make every path in `data` absolute, and fill in what was left out, in place."""
    base = base_directory(config)
    supervisor = data.setdefault("supervisor", {})
    if isinstance(supervisor, dict):
        _place_state(supervisor, config, environ)
    for table in (*tables(data, "repos").values(), *tables(data, "sources").values()):
        if isinstance(table.get("path"), str):
            table["path"] = absolute(table["path"], base, environ)
    for table in tables(data, "harness").values():
        if isinstance(table.get("brief"), str):
            table["brief"] = absolute(table["brief"], base, environ)
    repos = tables(data, "repos")
    for table in repos.values():
        if isinstance(table.get("confine_writable"), list):
            table["confine_writable"] = [
                absolute(text, base, environ) if isinstance(text, str) else text
                for text in table["confine_writable"]
            ]
    if len(repos) == 1:
        for source in tables(data, "sources").values():
            source.setdefault("repo", next(iter(repos)))
    for _, entry in entries(data, "schedule"):
        entry.setdefault("timezone", local_zone(environ))


def _place_state(supervisor: dict[str, Any], config: Path, environ: Mapping[str, str]) -> None:
    chosen = {key: supervisor.get(key) for key in ("state_dir", "runtime_dir")}
    if not all(value is None or isinstance(value, str) for value in chosen.values()):
        return
    state_dir = state_directory(config, chosen["state_dir"], environ)
    supervisor["state_dir"] = state_dir
    supervisor["runtime_dir"] = runtime_directory(config, chosen["runtime_dir"], state_dir, environ)
