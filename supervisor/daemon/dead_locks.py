"""Locks that a git left when it died: freed when a session is settled or next has its turn at git, where that is proven."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from supervisor.world.git.repository import Repository
from supervisor.world.git.underway import InUse, Present, Removed, free_lock, locks
from supervisor.world.threads import in_thread

_SETTLED = 0.25  # seconds; a lock that is younger may be between two steps of a program that is no git


def is_locked(repo: Repository) -> bool:
    """Tell whether something is there that would keep git from committing."""
    return any(lock.exists() for lock in locks(repo))


async def free_at_turn(repo: Repository, began: float) -> list[str]:
    """Free the locks that a dead git left since `began` (Unix seconds); return their names.

    For when a session has its turn: no other session's git is at work then.
    """
    freed = []
    for lock in locks(repo):
        with contextlib.suppress(OSError):
            young = lock.lstat().st_ctime + _SETTLED - time.time()
            await anyio.sleep(min(_SETTLED, max(0.0, young)))
        if isinstance(await in_thread(free_lock, repo, lock, began), Removed):
            freed.append(lock.name)
    return freed


@dataclass(slots=True)
class DeadLocks:
    """Frees locks; `since` (Unix seconds) remembers from when on one that had to stay may be a session's."""

    since: dict[Path, float] = field(default_factory=dict)

    async def free(self, repo: Repository, began: float) -> str:
        """Free the locks that a git of this session left, or of one before it; say what was found."""
        since = min(began, self.since.get(repo.git_dir, began))
        found = await in_thread(lambda: {lock.name: free_lock(repo, lock, since) for lock in locks(repo)})
        if any(isinstance(result, Present | InUse) for result in found.values()):
            self.since[repo.git_dir] = since  # else who comes later would take it for somebody else's
        else:
            self.since.pop(repo.git_dir, None)
        told = {name: result for name, result in found.items() if isinstance(result, Removed | Present)}
        return "; ".join(_lock_sentence(name, result) for name, result in told.items())


def _lock_sentence(name: str, found: Removed | Present) -> str:
    match found:
        case Removed():
            return f"the {name} of a git that died was removed"
        case Present(why):
            return f"git is locked by {name}, which was left because {why}"
