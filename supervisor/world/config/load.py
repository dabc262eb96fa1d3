"""Loading the configuration: parsed, checked as a whole, and every fault told with its line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from supervisor.world.config.discover import (
    base_directory,
    default_runtime_dir,
    default_state_dir,
    socket_path,
    too_long,
)
from supervisor.world.config.lines import line_of
from supervisor.world.config.models import Settings

_TABLES_BY_NAME = {"repos", "harness", "sources", "quotas"}


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has one line for each fault."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Return the configuration in `path`; variables LEASEHOLD__SECTION__KEY outrank the file.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown key or an impossible value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file; `leasehold init` writes one"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: not TOML: {error}"]) from error
    reserved = [f"{path}: unknown section [{name}]" for name in ("path", "directory") if name in data]
    if reserved:
        raise ConfigError(reserved)
    try:
        settings = Settings(**data, path=path.resolve(), directory=base_directory(path))
    except ValidationError as error:
        raise ConfigError(_sentence(path, text, fault) for fault in error.errors()) from error
    settings = _with_paths(settings, environ)
    problems = [f"{_place(path, text, where)}: {what}" for where, what in _cross_checks(settings)]
    if problems:
        raise ConfigError(problems)
    return settings


def _with_paths(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Make every path absolute, and fill in those that were left out."""
    base = settings.directory

    def absolute(path: Path) -> Path:
        return Path(base, path.expanduser()).resolve()

    supervisor = settings.supervisor
    state_dir = (
        absolute(supervisor.state_dir)
        if "state_dir" in supervisor.model_fields_set
        else default_state_dir(settings.path, environ)
    )
    runtime_dir = (
        absolute(supervisor.runtime_dir)
        if "runtime_dir" in supervisor.model_fields_set
        else default_runtime_dir(state_dir, environ)
    )
    only_repo = next(iter(settings.repos)) if len(settings.repos) == 1 else None
    return settings.model_copy(
        update={
            "supervisor": supervisor.model_copy(update={"state_dir": state_dir, "runtime_dir": runtime_dir}),
            "repos": {
                name: repo.model_copy(update={"path": absolute(repo.path)})
                for name, repo in settings.repos.items()
            },
            "sources": {
                name: source.model_copy(
                    update={
                        "path": absolute(source.path) if source.path is not None else None,
                        "repo": only_repo if source.repo is None else source.repo,
                    }
                )
                for name, source in settings.sources.items()
            },
        }
    )


def _cross_checks(settings: Settings) -> Iterable[tuple[tuple[Any, ...], str]]:
    """Yield what no single section can see: names that lead nowhere, and doubles."""
    for name, source in settings.sources.items():
        if source.repo and source.repo not in settings.repos:
            yield ("sources", name, "repo"), _nowhere("repository", source.repo, settings.repos)
        if source.harness and source.harness not in settings.harness:
            yield ("sources", name, "harness"), _nowhere("harness", source.harness, settings.harness)
    queues = [name for name, source in settings.sources.items() if source.kind == "queue"]
    if len(queues) > 1:
        yield (
            ("sources", queues[1], "kind"),
            f"there is one queue already ([sources.{queues[0]}]); remove one",
        )
    seen: set[str] = set()
    for number, entry in enumerate(settings.schedule):
        if entry.name in seen:
            yield ("schedule", number, "name"), f'a second schedule "{entry.name}"; names must differ'
        seen.add(entry.name)
        if entry.harness and entry.harness not in settings.harness:
            yield ("schedule", number, "harness"), _nowhere("harness", entry.harness, settings.harness)
    for name, quota in settings.quotas.items():
        for harness in quota.harness:
            if harness not in settings.harness:
                yield ("quotas", name, "harness"), _nowhere("harness", harness, settings.harness)
    if not settings.harness:
        yield (
            ("harness",),
            'no harness: add a section, for instance [harness.agent] with command = ["claude", "-p", "{prompt}"]',
        )
    if too_long(socket_path(settings)):
        yield (
            ("supervisor", "runtime_dir"),
            f"the socket path {socket_path(settings)} is too long; set supervisor.runtime_dir to a shorter one",
        )


def _nowhere(what: str, name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, 1)
    meant = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(known) or 'none'}"
    return f'no {what} "{name}"; {meant}'


def _sentence(path: Path, text: str, fault: Any) -> str:
    where: tuple[Any, ...] = tuple(fault["loc"])
    place = _place(path, text, where)
    if fault["type"] == "extra_forbidden":
        key, section = str(where[-1]), _section_name(where[:-1])
        near = get_close_matches(key, _known_keys(where[:-1]), 1)
        meant = f'; did you mean "{near[0]}"?' if near else ""
        what = f'unknown key "{key}" in {section}' if where[:-1] else f"unknown section [{key}]"
        return f"{place}: {what}{meant}"
    named = ".".join(map(str, where))
    if fault["type"] == "missing":
        return f"{place}: {named} is missing"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {named}: {message[:1].lower()}{message[1:]}"


def _place(path: Path, text: str, where: tuple[Any, ...]) -> str:
    line = line_of(text, where)
    return f"{path}:{line}" if line else f"{path}"


def _section_name(where: tuple[Any, ...]) -> str:
    if len(where) == 2 and isinstance(where[1], int):
        return f"[[{where[0]}]]"
    return f"[{'.'.join(map(str, where))}]"


def _known_keys(where: tuple[Any, ...]) -> list[str]:
    """Return the keys of the section that `where` leads to."""
    model: type[BaseModel] | None = Settings
    for part in where:
        if model is None or not isinstance(part, str) or part not in model.model_fields:
            continue  # a name chosen by the user, or a place in a list
        found = [model.model_fields[part].annotation]
        inner = getattr(found[0], "__args__", ())
        model = next((a for a in (*found, *inner) if isinstance(a, type) and issubclass(a, BaseModel)), None)
    hidden = {"path", "directory"} if model is Settings else set()
    return [name for name in (model.model_fields if model else ()) if name not in hidden]
