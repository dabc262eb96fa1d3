"""Bring git's index up to date with the files, so that a later `git status` need not read them."""

from __future__ import annotations

import time

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError, GitTimeoutError, git
from supervisor.world.git.underway import free_lock, locks
from supervisor.world.threads import in_thread

_PATIENCE = 10.0  # seconds; a clean filter that runs for thousands of files may take longer


async def refresh_index(repo: Repository) -> None:
    """Note in the index the times of files whose content is as it was.

    Takes git's lock on the index, if nobody else has it. Nothing that git reports changes by it, so what goes
    wrong is left for the next command to report; files of a merge in conflict, for one, cannot be refreshed.
    """
    began = time.time()
    try:
        await git(repo.root, "update-index", "-q", "--refresh", timeout=_PATIENCE)
    except GitTimeoutError:
        index_lock = locks(repo)[0]
        await in_thread(free_lock, repo, index_lock, began)  # it was killed with the lock
    except GitError:
        return
