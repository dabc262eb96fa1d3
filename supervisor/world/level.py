"""How strongly leases are enforced on this host, and what it lacks for more."""

from __future__ import annotations

import enum
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


class Level(enum.IntEnum):
    """What enforces a lease; a higher one is stronger."""

    NONE = 0  # nothing: leases are kept apart at the start of sessions only
    HOOKS = 1  # the commit gate: a commit outside the leases does not land
    WORKTREE = 2
    KERNEL = 3  # the write itself: it fails before a byte changes, in whatever program

    @property
    def told(self) -> str:
        """The sentence for status, brief and doctor."""
        return _TOLD[self]


_TOLD = {
    Level.NONE: "none: leases keep sessions apart at their start, and nothing checks commits",
    Level.HOOKS: "hooks: a commit outside a session's leases does not land; writes themselves are not stopped",
    Level.WORKTREE: (
        "worktree: each session writes in a work tree of its own, and a commit outside its leases does not come into "
        "the target"
    ),
    Level.KERNEL: (
        "kernel: a write to a file that another session holds fails with EBUSY, whatever program tries it, "
        "and a commit outside a session's leases does not land"
    ),
}


@dataclass(frozen=True, slots=True)
class Bite:
    """Whether a write to what somebody else holds was refused when it was tried, and what was seen."""

    holds: bool
    told: str


class LevelError(Exception):
    """The configuration requires a level that does not hold here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that doctor looked at; `way_out` is empty when all is well."""

    name: str
    good: bool
    told: str
    way_out: str = ""


def look_at_tools() -> list[Finding]:
    """Return what this host offers to the supervisor and its sessions."""
    return [_python(), _flock(), _children_files(), _inotify()]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", good=sys.version_info >= (3, 11), told=f"{version} at {sys.executable}")


def _flock() -> Finding:
    path = shutil.which("flock")
    if path:
        return Finding("turns at git", good=True, told=f"sessions take turns at the index ({path})")
    return Finding(
        "turns at git",
        good=False,
        told="flock is not installed: sessions that commit at the same moment can fail on index.lock",
        way_out="install util-linux",
    )


def _children_files() -> Finding:
    if Path(f"/proc/self/task/{os.getpid()}/children").exists():
        return Finding("sweep", good=True, told="a session's whole tree can be found and ended")
    return Finding(
        "sweep",
        good=False,
        told="this kernel does not list the children of a process (CONFIG_PROC_CHILDREN)",
        way_out="use a kernel that has it; without it leaked processes may be missed",
    )


def _inotify() -> Finding:
    try:
        watches = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return Finding(
            "task folders",
            good=False,
            told="inotify is not available",
            way_out="after a change of task files, `leasehold reload`",
        )
    return Finding("task folders", good=watches >= 1024, told=f"changes are heard of ({watches} watches)")
