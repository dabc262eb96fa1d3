"""What a valid configuration needs of the host it is to run on: repositories, programs, folders, secrets."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.core.sessions.brief import misspelt
from supervisor.world.config.credentials import pass_through
from supervisor.world.config.effective import looks_secret
from supervisor.world.config.faults import Fault
from supervisor.world.config.harness_program import first_program
from supervisor.world.config.models import Settings
from supervisor.world.git.repository import Repository, RepositoryError, open_repository


@dataclass(frozen=True, slots=True)
class HostReport:
    """`faults` keep sessions from running; `warnings` may be as meant; `repositories` are those that opened."""

    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    repositories: Mapping[str, Repository]


async def look_at_host(settings: Settings, environ: Mapping[str, str]) -> HostReport:
    """Return what this host lacks for the configuration; changes nothing."""
    faults = [*_programs(settings, environ), *_folders(settings)]
    warnings = [*_secrets(settings, environ), *_templates(settings), *_idle(settings)]
    repositories = {}
    async for name, opened in _repositories(settings):
        if isinstance(opened, Repository):
            repositories[name] = opened
            if opened.notice:
                warnings.append(Fault(("repos", name, "path"), f"repos.{name}.path: {opened.notice}"))
        else:
            faults.append(opened)
    return HostReport(tuple(faults), tuple(warnings), repositories)


async def _repositories(settings: Settings) -> AsyncIterator[tuple[str, Repository | Fault]]:
    for name, repo in settings.repos.items():
        try:
            yield name, await open_repository(repo.path)
        except RepositoryError as error:
            yield name, Fault(("repos", name, "path"), f"repos.{name}.path: {error}")


def _programs(settings: Settings, environ: Mapping[str, str]) -> Iterator[Fault]:
    folders = [repo.path for repo in settings.repos.values()] or [settings.directory]
    for name, harness in settings.harness.items():
        path = harness.env.get("PATH", environ.get("PATH", os.defpath))
        program, key = first_program(harness)
        lack = _lack(program, path, folders)
        if lack:
            yield Fault(("harness", name, key), f"harness.{name}.{key}: {lack}")
        if harness.brief is not None and not harness.brief.is_file():
            yield Fault(
                ("harness", name, "brief"), f"harness.{name}.brief: no file {harness.brief}; write it"
            )
    for name, source in settings.sources.items():
        if source.command:
            repo = settings.repos.get(source.repo or "")
            folder = repo.path if repo else settings.directory
            lack = _lack(source.command[0], environ.get("PATH", os.defpath), [folder])
            if lack:
                yield Fault(("sources", name, "command"), f"sources.{name}.command: {lack}")


def _lack(program: str, search: str, folders: list[Path]) -> str:
    """Return why `program` cannot be started in one of `folders`, or ""."""
    if "/" not in program:
        found = shutil.which(program, path=search)
        return "" if found else f'no program "{program}" in PATH; install it or write its whole path'
    for path in (folder / program for folder in folders):
        if not path.is_file():
            return f"no file {path}; install it or correct the path"
        if not os.access(path, os.X_OK):
            return f"{path} is not executable; run `chmod +x {path}`"
    return ""


def _folders(settings: Settings) -> Iterator[Fault]:
    for key in ("state_dir", "runtime_dir"):
        path: Path = getattr(settings.supervisor, key)
        try:
            existing = next(folder for folder in (path, *path.parents) if folder.exists())
        except PermissionError as error:
            lack = f"{error.filename} cannot be reached by uid {os.geteuid()}"
        else:
            if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
                continue
            fact = "cannot be written" if existing.is_dir() else "is not a folder"
            lack = f"{existing} {fact}"
        yield Fault(("supervisor", key), f"supervisor.{key}: {lack}; set it to a folder of your own")


def _secrets(settings: Settings, environ: Mapping[str, str]) -> Iterator[Fault]:
    for name, harness in settings.harness.items():
        for variable in pass_through(harness.env_from, environ).missing:
            yield Fault(
                ("harness", name, "env_from"),
                f"harness.{name}.env_from: {variable} is neither in this environment nor a credential; "
                "the supervisor's own may have it",
            )
        for variable in filter(looks_secret, harness.env):
            yield Fault(
                ("harness", name, "env"),
                f"harness.{name}.env: {variable} looks like a secret; "
                f'take it out and write env_from = ["{variable}"]',
            )


def _templates(settings: Settings) -> Iterator[Fault]:
    for name, harness in settings.harness.items():
        if harness.brief is None or not harness.brief.is_file():
            continue
        try:
            odd = misspelt(harness.brief.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            odd = [f"it cannot be read, so sessions get the usual brief: {error}"]
        for why in odd:
            yield Fault(("harness", name, "brief"), f"harness.{name}.brief: {harness.brief}: {why}")


def _idle(settings: Settings) -> Iterator[Fault]:
    if not settings.sources:
        yield Fault(
            ("sources",), 'no [sources.NAME], so there is nothing to do; add kind = "markdown" or "queue"'
        )
    for name, source in settings.sources.items():
        if source.path is not None and not source.path.is_dir():
            yield Fault(
                ("sources", name, "path"), f"sources.{name}.path: no folder {source.path}; `mkdir` it"
            )
