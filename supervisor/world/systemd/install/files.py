"""The files of an installation: their places and texts, and writing them so that it can be undone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.systemd.install.cut_short import as_note, mark_of, replaced_before
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.render import render, templates
from supervisor.world.systemd.install.site import SERVICE, Site
from supervisor.world.systemd.install.values import Wanted, values

_ELSEWHERE = {
    "leasehold.rules": "/etc/polkit-1/rules.d/50-leasehold.rules",
    "sysusers.conf": "/etc/sysusers.d/leasehold.conf",
    "tmpfiles.conf": "/etc/tmpfiles.d/leasehold.conf",
}
_OURS = "Written by `leasehold systemd install`"  # in the first line of every template


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
        except OSError:
            return False


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
    """Return those files of an installation that are there, the one last by which an installation is known."""
    found = [path for path in _places(site) if _is_ours(path)]
    return tuple(sorted(found, key=lambda path: path.name == SERVICE))


def foreign_paths(site: Site) -> tuple[Path, ...]:
    """Return what is in the place of a file of ours, and was not written by an installation."""
    return tuple(path for path in _places(site) if os.path.lexists(path) and not _is_ours(path))


@dataclass(frozen=True, slots=True)
class Written:
    """Files that were written, with what was there before; `mark` is the note of that, until it is settled."""

    before: Mapping[Path, str | None]
    mark: Path

    def undo(self) -> tuple[str, ...]:
        """Put back what was there; return what could not be put back, which stays noted."""
        faults = []
        for path, text in reversed(tuple(self.before.items())):
            try:
                if _read(path) != text:
                    _put(path, text)
            except OSError as error:
                faults.append(f"{path} cannot be put back: {error.strerror}")
        if not faults:
            self.settle()
        return tuple(faults)

    def settle(self) -> None:
        """Forget what was there before."""
        self.mark.unlink(missing_ok=True)


def write_files(site: Site, files: Iterable[UnitFile]) -> Written:
    """Write files, each at once and whole, and note before the first what they replace.

    What an installation before this one had replaced, and left at that, is what an undo puts back.

    Raises:
        InstallError: one cannot be written; the others are put back.
    """
    files, mark = tuple(files), mark_of(site)
    path = mark
    try:
        found: dict[Path, str | None] = {}
        for path in (file.path for file in files):
            found[path] = _read(path)
        written = Written(found | replaced_before(site), mark)
        if files:
            path = mark
            _write(mark, as_note(written.before))
    except OSError as error:
        raise InstallError(f"{path} cannot be written: {error.strerror}") from error
    for file in files:
        try:
            _write(file.path, file.text)
        except OSError as error:
            told = (f"{file.path} cannot be written: {error.strerror}", *written.undo())
            raise InstallError("; ".join(told)) from error
    return written


def left_over(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders of drop-ins that belong to units at `paths`."""
    for path in paths:
        folder = path.with_name(f"{path.name}.d")
        if folder.is_dir():
            yield folder


def _places(site: Site) -> list[Path]:
    return [place_of(site, name) for name in templates(site.name)]


def _is_ours(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return _OURS in file.readline(200)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return False


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _put(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o644)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
