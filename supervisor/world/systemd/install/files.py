"""The files of an installation: their places and texts, and writing them so that it can be undone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.render import render, templates
from supervisor.world.systemd.install.site import Site
from supervisor.world.systemd.install.values import Wanted, values

_ELSEWHERE = {
    "leasehold.rules": "/etc/polkit-1/rules.d/50-leasehold.rules",
    "sysusers.conf": "/etc/sysusers.d/leasehold.conf",
    "tmpfiles.conf": "/etc/tmpfiles.d/leasehold.conf",
}


@dataclass(frozen=True, slots=True)
class UnitFile:
    """One file of the installation."""

    path: Path
    text: str

    @property
    def current(self) -> bool:
        """Whether it is there as it should be, as far as the one who asks may see (root installs, and may)."""
        try:
            return _read(self.path) == self.text
        except PermissionError:
            return True


def wanted_files(site: Site, wanted: Wanted) -> tuple[UnitFile, ...]:
    """Return every file of the installation."""
    filled = values(wanted)
    return tuple(
        UnitFile(place_of(site, name), render(site.name, name, filled)) for name in templates(site.name)
    )


def place_of(site: Site, template: str) -> Path:
    """Return where the file of a template goes."""
    if template in _ELSEWHERE:
        return site.path(_ELSEWHERE[template])
    return site.units / template


def installed_paths(site: Site) -> tuple[Path, ...]:
    """Return those files of an installation that are there."""
    return tuple(path for name in templates(site.name) if (path := place_of(site, name)).exists())


@dataclass(frozen=True, slots=True)
class Written:
    """Files that were written, with what was there before."""

    before: tuple[tuple[Path, str | None], ...]

    def undo(self) -> None:
        """Put back what was there."""
        for path, text in reversed(self.before):
            if text is None:
                path.unlink(missing_ok=True)
            else:
                _write(path, text)


def write_files(files: Iterable[UnitFile]) -> Written:
    """Write files, each at once and whole.

    Raises:
        InstallError: one cannot be written; those before it are put back.
    """
    before: list[tuple[Path, str | None]] = []
    for file in files:
        try:
            was = _read(file.path)
            _write(file.path, file.text)
        except OSError as error:
            Written(tuple(before)).undo()
            raise InstallError(f"{file.path} cannot be written: {error.strerror}") from error
        before.append((file.path, was))
    return Written(tuple(before))


def left_over(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders of drop-ins that belong to units at `paths`."""
    for path in paths:
        folder = path.with_name(f"{path.name}.d")
        if folder.is_dir():
            yield folder


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
