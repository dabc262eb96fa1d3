"""Secrets of a harness: named in the file, taken from the environment or from systemd's credentials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Passed:
    """Variables with their values, and the names for which there was none."""

    values: Mapping[str, str]
    missing: tuple[str, ...]

    def __repr__(self) -> str:
        """Name the variables and hide their values, which must not reach a log."""
        return f"Passed({', '.join(self.values)}; missing {', '.join(self.missing) or 'none'})"


def pass_through(names: Iterable[str], environ: Mapping[str, str]) -> Passed:
    """Return the variables that `env_from` names.

    A variable of the environment comes first; else the file of that name in $CREDENTIALS_DIRECTORY, where
    systemd puts what LoadCredential= and its like name, without the line break at its end.
    """
    values: dict[str, str] = {}
    missing: list[str] = []
    for name in names:
        value = environ.get(name)
        if value is None:
            value = _credential(name, environ.get("CREDENTIALS_DIRECTORY"))
        if value is None:
            missing.append(name)
        else:
            values[name] = value
    return Passed(values, tuple(missing))


def _credential(name: str, directory: str | None) -> str | None:
    if not directory:
        return None
    try:
        return Path(directory, name).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        return None
