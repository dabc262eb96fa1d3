"""Signs of writing that no counter shows: files held open for writing, and when a scope last changed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from supervisor.core.leases.pattern import pattern
from supervisor.core.leases.scope import Kind, Scope, covers
from workers.guard.resolve import Eyes

_ACCESS = 0o3  # of the open flags: 0 is read-only


@dataclass(frozen=True, slots=True)
class OpenWriter:
    """A process that can change `path` without opening it again; `how` is "open" or "mapped"."""

    pid: int
    path: str
    how: str


Identity = tuple[int, int]
"""Device and inode of a file."""


def identities(root: Path, scopes: Iterable[Scope]) -> dict[Identity, str]:
    """Return the files that scopes name one by one and that are there, by what they are whatever their name."""
    found = {}
    for scope in scopes:
        if scope.kind is Kind.FILE:
            with contextlib.suppress(OSError):
                status = (root / scope.key).lstat()
                found[(status.st_dev, status.st_ino)] = scope.key
    return found


def open_writers(
    pids: Iterable[int],
    root: Path,
    covered: Callable[[str], bool],
    known: Mapping[Identity, str] = MappingProxyType({}),
) -> tuple[OpenWriter, ...]:
    """Return which of the processes hold a file below `root` open, or mapped, for writing.

    `root` is a real path; `covered` is asked with paths relative to it. Files that are `known` are found under
    their other names too. A process that has ended, or that we may not look into, has none. Descriptors in
    flight over a socket cannot be seen.
    """
    prefix = f"{root}/" if str(root) != "/" else "/"
    found: dict[OpenWriter, None] = {}
    for pid in pids:
        for how, paths in (
            ("open", _descriptors(pid, prefix, known)),
            ("mapped", _mappings(pid, prefix, known)),
        ):
            for relative in paths:
                if covered(relative):
                    found[OpenWriter(pid, relative, how)] = None
    return tuple(found)


def _descriptors(pid: int, prefix: str, known: Mapping[Identity, str]) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)  # noqa: PTH208  - thousands of them: a string each is enough
        is_apart = _mounts(pid) != _mounts("self")
    except OSError:
        return
    for name in names:
        try:
            path = os.readlink(f"{folder}/{name}")  # noqa: PTH115  - the same
            if not path.startswith("/") or path.startswith("/dev/") or not _writes(pid, name):
                continue
            if path.startswith(prefix):
                yield path.removeprefix(prefix).removesuffix(" (deleted)")
            elif is_apart:  # it may have the folder mounted under another name
                seen = os.fsdecode(Eyes(os.fsencode(prefix.rstrip("/") or "/")).behind(pid, int(name)) or b"")
                if seen.startswith(prefix):
                    yield seen.removeprefix(prefix).removesuffix(" (deleted)")
            status = os.stat(f"{folder}/{name}")  # noqa: PTH116  - the same
            if (status.st_dev, status.st_ino) in known:
                yield known[(status.st_dev, status.st_ino)]
        except OSError:
            continue  # closed meanwhile


def _mounts(pid: int | str) -> str:
    return os.readlink(f"/proc/{pid}/ns/mnt")  # noqa: PTH115  - no file system path


def _writes(pid: int, fd: str) -> bool:
    for line in Path(f"/proc/{pid}/fdinfo/{fd}").read_text(encoding="ascii").splitlines():
        if line.startswith("flags:"):
            return bool(int(line.split()[1], 8) & _ACCESS)
    return False


def _mappings(pid: int, prefix: str, known: Mapping[Identity, str]) -> Iterator[str]:
    try:
        maps = os.fsdecode(Path(f"/proc/{pid}/maps").read_bytes())
    except OSError:
        return
    for line in maps.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 6 or "w" not in fields[1] or "s" not in fields[1]:
            continue
        if fields[5].startswith(prefix):
            yield fields[5].removeprefix(prefix).replace("\\012", "\n").removesuffix(" (deleted)")
        major, _, minor = fields[3].partition(":")
        identity = (os.makedev(int(major, 16), int(minor, 16)), int(fields[4]))
        if identity in known:
            yield known[identity]


def last_write(root: Path, scopes: Iterable[Scope], *, fold_case: bool = False) -> float | None:
    """Return when anything in `scopes` below `root` last changed, in Unix seconds; `None` if nothing is there.

    The time is of the inode's change, which no copying or unpacking program can set back; in a tree it
    includes the folders, so that a removal shows. Reads every entry of a tree, so call it from a thread.
    """
    newest: float | None = None
    for scope in scopes:
        for changed in _changes(root, scope, fold_case=fold_case):
            if newest is None or changed > newest:
                newest = changed
    return newest


def _changes(root: Path, scope: Scope, *, fold_case: bool) -> Iterator[float]:
    if scope.kind is Kind.RESOURCE:
        return
    start = pattern(scope.key).anchor if scope.kind is Kind.GLOB else scope.key
    if fold_case or not start.isascii():
        start = ""  # the key need not be spelt as on disk: look at every name instead
    top = root / start
    try:
        seen = top.lstat()
    except OSError:
        return
    if covers(scope, start, fold_case=fold_case):
        yield seen.st_ctime
    if (stat.S_ISDIR(seen.st_mode) and scope.kind is not Kind.FILE) or not start:
        yield from _below(str(top), start, scope, fold_case=fold_case)


def _below(folder: str, relative: str, scope: Scope, *, fold_case: bool) -> Iterator[float]:
    todo = [(folder, relative)]
    while todo:
        at, name = todo.pop()
        try:
            entries = os.scandir(at)
        except OSError:
            continue  # removed meanwhile, or not ours to read
        with entries:
            for entry in entries:
                if entry.name == ".git":
                    continue
                below = f"{name}/{entry.name}" if name else entry.name
                if entry.is_dir(follow_symlinks=False):
                    todo.append((entry.path, below))
                if covers(scope, below, fold_case=fold_case):
                    with contextlib.suppress(OSError):
                        yield entry.stat(follow_symlinks=False).st_ctime
