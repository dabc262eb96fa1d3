"""Whether a session's work tree still is one: a session may have removed or replaced what ties it to the repository."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.git.repository import Repository

_LINK_MAX = 8192  # bytes; twice the longest path


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no work tree, or nothing in it."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Git's commands in the folder are about this work tree."""


@dataclass(frozen=True, slots=True)
class Severed:
    """There are files, and git would answer about something else, or not at all: `why` in words."""

    why: str


def tie(tree: Repository) -> Absent | Whole | Severed:
    """Return what the folder of a work tree is; the small file that leads git from there is put back if it is gone.

    Without that file git would take the folder for one of a repository around it, and with a `.git` of the
    session's own for all of another repository. Blocks for a few system calls.
    """
    try:
        if not os.listdir(tree.root):  # noqa: PTH208  - one name is enough, and no Path each
            return Absent()
    except FileNotFoundError:
        return Absent()
    except OSError as error:
        return Severed(f"it cannot be read: {error.strerror}")
    if not (tree.git_dir / "HEAD").exists():
        return Severed("git has forgotten that it is a work tree")
    link = tree.root / ".git"
    try:
        kind = link.lstat().st_mode
    except FileNotFoundError:
        return _tie_again(tree, link)
    if stat.S_ISDIR(kind):
        return Severed("its .git is a repository of its own")
    if stat.S_ISREG(kind) and _leads_to(link) == os.path.realpath(tree.git_dir):
        return Whole()
    return Severed("its .git leads elsewhere")


def _tie_again(tree: Repository, link: Path) -> Whole | Severed:
    try:
        link.write_bytes(b"gitdir: " + os.fsencode(tree.git_dir) + b"\n")
    except OSError as error:
        return Severed(f"its .git is gone: {error.strerror}")
    return Whole()


def _leads_to(link: os.PathLike[str]) -> str | None:
    try:
        with open(link, "rb") as file:  # noqa: PTH123
            text = file.read(_LINK_MAX)
    except OSError:
        return None
    if not text.startswith(b"gitdir: "):
        return None
    place = os.fsdecode(text.removeprefix(b"gitdir: ").rstrip(b"\r\n"))
    return os.path.realpath(os.path.join(os.path.dirname(link), place))  # noqa: PTH118, PTH120
