"""What a git that died left behind: an operation half done, or a lock that nobody has."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.clock import boottime
from supervisor.world.git.repository import Repository
from supervisor.world.processes import start_ticks
from workers.guard.gitline import CommandLine

_MARKS = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
_LOCK = "index.lock"
# Commands that are kept running to be asked, and never take a lock; each guard has one.
_READERS = frozenset({b"check-ignore", b"check-attr", b"cat-file", b"fsmonitor--daemon"})
_CLEARLY = 1.0  # seconds; the two clocks that are compared are read one after the other, in ticks


@dataclass(frozen=True, slots=True)
class Removed:
    """The lock had no owner any more and is gone."""


@dataclass(frozen=True, slots=True)
class Present:
    """The index is locked, and `why` it was left so."""

    why: str


@dataclass(frozen=True, slots=True)
class InUse:
    """A living git is at work under the lock: `why` in words. Nothing is wrong with that."""

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


def locks(repo: Repository) -> tuple[Path, ...]:
    """Return the files with which a git that dies can keep every later one from committing here."""
    branch = (repo.common_dir / "refs/heads" / f"{repo.branch}.lock",) if repo.branch else ()
    return (repo.git_dir / _LOCK, repo.git_dir / "HEAD.lock", *branch, repo.common_dir / "packed-refs.lock")


def free_lock(repo: Repository, lock: Path, since: float) -> Removed | Present | InUse | None:
    """Remove one of `locks` if a git that is proven dead left it; `None` when it is not there.

    It is proven when the file was made after `since` (Unix seconds) by this user, no process of this user
    has it open, and none that could be git, and was there when the file was made, is at work in the
    repository: git closes the file while it waits for a hook or an editor. In a busy checkout there is
    always some git that began later and fails because of this very file. Reads the whole process table,
    so call it from a thread.
    """
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
    user = _user_of(repo, str(lock), time.time() - seen.st_ctime)
    if user is not None:
        return user
    try:
        again = lock.lstat()
        if (again.st_ino, again.st_ctime_ns) != (seen.st_ino, seen.st_ctime_ns):
            return InUse("it has just been made anew")
        lock.unlink()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Present(f"it cannot be removed: {error.strerror}")
    return Removed()


def _user_of(repo: Repository, lock: str, age: float) -> InUse | Present | None:
    """Return who may own the lock, made `age` seconds ago, or `None` when nobody can."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            if process.stat().st_uid != os.geteuid():
                continue
            if _is_git_in(repo, process) and not began_later(int(process.name), age):
                return InUse(f"process {process.name} is git, at work in this repository")
            if _has_open(process, lock):
                return Present(f"process {process.name} has it open")
        except PermissionError:
            if _comm(process).startswith("git"):
                return Present(f"process {process.name} is git, and cannot be looked into")
        except OSError:
            continue  # it has ended
    return None


def began_later(pid: int, age: float) -> bool:
    """Tell whether a process began clearly after something that was made `age` seconds ago."""
    ticks = start_ticks(pid)
    if ticks is None:
        return False
    return boottime() - ticks / os.sysconf("SC_CLK_TCK") < age - _CLEARLY


def _is_git_in(repo: Repository, process: Path) -> bool:
    if not _comm(process).startswith("git"):
        return False
    line = (process / "cmdline").read_bytes()
    if CommandLine(line.split(b"\0"), {}).command in _READERS:
        return False
    at = (process / "cwd").readlink()
    if at.is_relative_to(repo.root) or at.is_relative_to(repo.common_dir):
        return True
    words = os.fsdecode(line)
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
