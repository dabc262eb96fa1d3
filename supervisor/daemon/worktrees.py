"""Where each session works: in a work tree of its own below the state directory, or in the checkout itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from supervisor.core.sessions.roster import Session
from supervisor.core.tasks.standing import LastRun
from supervisor.daemon.integration.check import end_leftover_checks
from supervisor.world.git.integrate.move import forget_marks
from supervisor.world.git.integrate.scratch import remove_scratch
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.worktrees import add, resolve, worktree_of

log = structlog.get_logger("leasehold")


@dataclass(frozen=True, slots=True)
class Worktrees:
    """The work trees of sessions, in a folder for each repository."""

    folder: Path

    def of(self, session: Session, repo: Repository) -> Repository:
        """Return where the session works, whether that is there or not."""
        if not session.intent.target:
            return repo
        return worktree_of(repo, self.folder / session.intent.repo / session.id, session.id)

    async def make(self, session: Session, repo: Repository, last: LastRun | None) -> Repository:
        """Return where the session is to work; its own work tree is made, on the earlier commits of its task.

        Raises:
            GitError: git could not make it.
            OSError: there is no room for it.
        """
        if not session.intent.target:
            return repo
        start = HEADS + session.intent.target
        if last is not None and last.branch and await resolve(repo, HEADS + last.branch):
            start = HEADS + last.branch
        return await add(repo, self.of(session, repo).root, session.id, start)

    async def clear_up(self, name: str, repo: Repository, living: Iterable[str]) -> None:
        """Remove what an earlier supervisor's integrations left in a repository; `living` are the sessions that are not over."""
        folder = self.folder / name
        if not folder.is_dir():
            return
        await end_leftover_checks(folder)
        await remove_scratch(repo, folder)
        try:
            await forget_marks(repo, tuple(living))
        except GitError as error:
            log.warning("git.failed", repo=name, why=str(error))
