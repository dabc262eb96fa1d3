"""What a git that died left behind: an operation half done, or the index locked by nobody."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.git.repository import Repository

_MARKS = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
_LOCK = "index.lock"


@dataclass(frozen=True, slots=True)
class Removed:
    """The lock had no owner any more and is gone."""


@dataclass(frozen=True, slots=True)
class Present:
    """The index is locked, and `why` it was left so."""

    why: str


def operations(repo: Repository, since: float) -> tuple[str, ...]:
    """Return the git operations under way in the checkout that were begun after `since` (Unix seconds)."""
    found = []
    for name, operation in _MARKS.items():
        try:
            changed = os.lstat(repo.git_dir / name).st_ctime
        except OSError:
            continue
        if changed >= since and operation not in found:
            found.append(operation)
    # a rebase stops with CHERRY_PICK_HEAD set; that is one operation, not two
    if "rebase" in found and "cherry-pick" in found:
        found.remove("cherry-pick")
    return tuple(found)


def free_index(repo: Repository, since: float) -> Removed | Present | None:
    """Remove index.lock if a git that is proven dead left it; `None` when the index is not locked.

    It is proven when the file was made after `since` (Unix seconds) by this user, no process of this user
    has it open, and none that could be git is at work in the repository: git closes the file while it
    waits for a hook or an editor. Reads the whole process table, so call it from a thread.
    """
    lock = repo.git_dir / _LOCK
    try:
        seen = lock.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Present(error.strerror or str(error))
    if seen.st_ctime < since:
        return Present("it is older than the session")
    if seen.st_uid != os.geteuid():
        return Present(f"it belongs to uid {seen.st_uid}")
    user = _user_of(repo, str(lock))
    if user is not None:
        return Present(user)
    try:
        again = lock.lstat()
        if (again.st_ino, again.st_ctime_ns) != (seen.st_ino, seen.st_ctime_ns):
            return Present("it has just been made anew")
        lock.unlink()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Present(f"it cannot be removed: {error.strerror}")
    return Removed()


def _user_of(repo: Repository, lock: str) -> str | None:
    """Return who may own the lock, in words, or `None` when nobody can."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            if process.stat().st_uid != os.geteuid():
                continue
            if _is_git_in(repo, process):
                return f"process {process.name} is git, at work in this repository"
            if _has_open(process, lock):
                return f"process {process.name} has it open"
        except PermissionError:
            if _comm(process).startswith("git"):
                return f"process {process.name} is git, and cannot be looked into"
        except OSError:
            continue  # it has ended
    return None


def _is_git_in(repo: Repository, process: Path) -> bool:
    if not _comm(process).startswith("git"):
        return False
    at = (process / "cwd").readlink()
    if at.is_relative_to(repo.root) or at.is_relative_to(repo.common_dir):
        return True
    words = os.fsdecode((process / "cmdline").read_bytes())
    return str(repo.root) in words or str(repo.common_dir) in words


def _has_open(process: Path, path: str) -> bool:
    with os.scandir(process / "fd") as descriptors:
        for descriptor in descriptors:
            try:
                if os.readlink(descriptor.path) == path:  # noqa: PTH115  - thousands of them: a string each is enough
                    return True
            except OSError:
                continue
    return False


def _comm(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
