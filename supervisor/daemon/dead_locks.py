"""Locks that a git left when it died: freed when a session is settled, where that is proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread

from supervisor.world.git.repository import Repository
from supervisor.world.git.underway import InUse, Present, Removed, free_lock, locks


@dataclass(slots=True)
class DeadLocks:
    """Frees locks; `since` (Unix seconds) remembers from when on one that had to stay may be a session's."""

    since: dict[Path, float] = field(default_factory=dict)

    async def free(self, repo: Repository, began: float) -> str:
        """Free the locks that a git of this session left, or of one before it; say what was found."""
        since = min(began, self.since.get(repo.git_dir, began))
        found = await anyio.to_thread.run_sync(
            lambda: {lock.name: free_lock(repo, lock, since) for lock in locks(repo)}
        )
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
