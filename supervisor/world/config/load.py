"""Loading the configuration: parsed, completed, checked as a whole, and every fault told with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from supervisor.world.config.complete import complete
from supervisor.world.config.faults import Fault, Where, from_validation, unknown
from supervisor.world.config.lines import line_of
from supervisor.world.config.models import Settings
from supervisor.world.config.overrides import SECTIONS, Overridden, override
from supervisor.world.config.places import base_directory, folder_of
from supervisor.world.config.references import across_sections
from supervisor.world.config.sections import section_around

_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has one line for each fault, in the order of the file."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Return the configuration in `path`; variables LEASEHOLD__SECTION__KEY of `environ` outrank the file.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown key or an impossible value, or
            names a repository, harness or source that is not there.
    """
    text = read_text(path)
    merged = override(parse(path, text), environ)
    complete(merged.data, path, environ)
    faults = [*merged.faults, *across_sections(merged.data)]
    settings: Settings | None = None
    strangers = [name for name in merged.data if name not in SECTIONS]
    try:
        settings = Settings.model_validate(
            {
                **{name: merged.data[name] for name in merged.data if name not in strangers},
                "path": folder_of(path) / path.name,
                "directory": base_directory(path),
            }
        )
    except ValidationError as error:
        faults += [from_validation(entry, section_around(tuple(entry["loc"]))) for entry in error.errors()]
    faults += [unknown((name,), Settings) for name in strangers]
    if faults or settings is None:
        raise ConfigError(_lines(path, text, merged, faults))
    return settings


def read_text(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: it is missing, unreadable or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file; `leasehold init` writes one"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: byte {error.start} is not UTF-8, which TOML must be"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error


def parse(path: Path, text: str) -> dict[str, Any]:
    """Return the data of a configuration file.

    Raises:
        ConfigError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.search(str(error))
        reason = str(error)[: found.start()] if found else str(error)
        line = (found[1] if found else None) or len(text.splitlines())
        raise ConfigError([f"{path}:{line}: not TOML: {reason[:1].lower()}{reason[1:]}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{path}: not TOML: nested too deeply"]) from error


def place(path: Path, text: str, where: Where) -> str:
    """Return the place of a key as messages begin with it: "config.toml:12"."""
    line = line_of(text, where)
    return f"{path}:{line}" if line else f"{path}"


def _lines(path: Path, text: str, merged: Overridden, faults: Iterable[Fault]) -> list[str]:
    """Return one line for each fault: those of the file by line, then those of the environment."""
    told: dict[tuple[int, str], str] = {}
    for fault in faults:
        variable = merged.variable(fault.where)
        if variable:
            told[len(text), variable] = f"{variable}: {fault.what}"
        else:
            line = line_of(text, fault.where) or 0
            told[line, fault.what] = f"{place(path, text, fault.where)}: {fault.what}"
    return [told[key] for key in sorted(told)]
