"""The version of a program as its package's own files have it, without starting the program."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

_LINKS = 16  # that are followed from a command to its file
_LARGE = 1 << 20  # bytes; no package.json is as large


def packaged_version(package: str, command: Path) -> str:
    """Return the version of an "npm:NAME" or "pypi:NAME" that a command belongs to; "" where no file tells."""
    registry, _, name = package.partition(":")
    for file in _chain(command):
        found = _npm(name, file) if registry == "npm" else _pypi(name, file) if registry == "pypi" else ""
        if found:
            return found
    return ""


def _chain(command: Path) -> Iterator[Path]:
    """Yield a command and each file that its links lead to: a package's own program may be a link out of it."""
    file = command.absolute()
    for _ in range(_LINKS):
        yield file
        try:
            target = file.readlink()
        except OSError:
            return
        file = Path(os.path.normpath(os.path.realpath(file.parent) / target))


def _npm(name: str, file: Path) -> str:
    """Return the version from the nearest package.json of that name above a file, or beside the package that it is in.

    npm lets the command lead to either, where a package and the binary that it depends on bring the same one.
    """
    for folder in file.parents:
        manifest = folder / (f"{name}/package.json" if folder.name == "node_modules" else "package.json")
        try:
            if manifest.stat().st_size > _LARGE:
                continue
            told = json.loads(manifest.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(told, dict) and told.get("name") == name and isinstance(told.get("version"), str):
            return str(told["version"])
    return ""


def _pypi(name: str, file: Path) -> str:
    """Return the version from the distribution's folder in the environment whose bin a file is in."""
    plain = re.sub(r"[-_.]+", "_", name).lower()
    for folder in (file.parent.parent / "lib").glob("python3*/*-packages"):
        for info in folder.glob("*.dist-info"):
            known, _, version = info.name.removesuffix(".dist-info").rpartition("-")
            if re.sub(r"[-_.]+", "_", known).lower() == plain:
                return version
    return ""
