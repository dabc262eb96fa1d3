"""Walking a folder of task files: each folder once, links followed without going in circles."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 200_000  # directory entries
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, with its entries that may be task files, links and oddities included."""

    path: str
    candidates: tuple[os.DirEntry[str], ...]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something on the way that could not be used: where, what is wrong, and the way out."""

    path: str
    what: str
    fix: str


def is_shortage(error: OSError) -> bool:
    """Return whether the host was short of something, so that `error` says nothing about what was read."""
    return error.errno in _SHORTAGES


def is_candidate(name: str) -> bool:
    """Return whether a file of this name may be a task; a hidden one is an editor's, a README a human's."""
    return name.endswith(".md") and name[0] != "." and name.lower() != "readme.md"


def walk(root: str) -> Iterator[Folder | Obstacle]:
    """Yield `root` and all folders below it, except hidden ones.

    Links to folders are looked at last, so that a folder is known by its own path if it has one here.

    Raises:
        OSError: `root` itself cannot be read or is not a folder, or the host is short of something.
    """
    visited: set[tuple[int, int]] = set()
    pending = [root]
    links: list[str] = []
    left = _MOST
    while pending or links:
        path = pending.pop() if pending else links.pop()
        try:
            status = os.stat(path)  # noqa: PTH116 - text paths, thousands of them
            if (status.st_dev, status.st_ino) in visited:
                if _leads_up(path):
                    yield Obstacle(path, "is a symbolic link to a folder that it lies in", "remove the link")
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(path) as listing:
                entries = list(islice(listing, left + 1))
        except OSError as error:
            if path == root or is_shortage(error):
                raise
            yield obstacle(path, error)
            continue
        left -= len(entries)
        if left < 0:
            what = f"holds more than {_MOST} entries; the rest is not read"
            yield Obstacle(root, what, "point the source to the folder of tasks alone")
            return
        candidates = tuple(entry for entry in entries if is_candidate(entry.name))
        yield Folder(path, candidates)
        if len(candidates) < len(entries):
            yield from _sort_out(entries, pending, links)


def obstacle(path: str, error: OSError) -> Obstacle:
    """Return the obstacle that `error` is, with the way out of the usual ones."""
    match error.errno:
        case errno.ELOOP:
            return Obstacle(path, "is a symbolic link that leads back to itself", "remove the link")
        case errno.ENOENT:
            return Obstacle(path, "does not exist", "create it, or remove what points to it")
        case errno.EACCES | errno.EPERM:
            return Obstacle(
                path, "cannot be read: permission denied", "let the user of the supervisor read it"
            )
        case _:
            return Obstacle(path, f"cannot be read: {(error.strerror or 'unknown error').lower()}", "")


def _sort_out(entries: list[os.DirEntry[str]], pending: list[str], links: list[str]) -> Iterator[Obstacle]:
    """Add the folders among `entries` to `pending` and the links to folders to `links`."""
    linked: list[str] = []
    for entry in entries:
        if entry.name[0] == "." or is_candidate(entry.name):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            elif entry.is_symlink() and entry.is_dir():
                linked.append(entry.path)
        except OSError as error:
            yield obstacle(entry.path, error)
    links.extend(sorted(linked, reverse=True))


def _leads_up(link: str) -> bool:
    target = os.path.realpath(link)
    parent = os.path.realpath(os.path.dirname(link))  # noqa: PTH120 - text paths
    return os.path.commonpath((target, parent)) == target
