"""Settling a session: what it committed, what it left, and what others landed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import anyio.to_thread
import structlog

from supervisor.core.decisions.advance import landed
from supervisor.core.decisions.tables import Tables
from supervisor.core.history.recent import Touch
from supervisor.core.leases.lease import Lease
from supervisor.core.leases.scope import covers
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import Settling
from supervisor.core.sessions.outcome import Ending, ExitRecord, Landed, Remains, judge, judge_lost
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.world.git.facts import dirty, fingerprint
from supervisor.world.git.history import Commit, commits_since
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.writers import last_write, open_writers
from supervisor.world.processes import descendants

log = structlog.get_logger("leasehold")

_SLACK = 2.0  # seconds: git dates commits in whole seconds


class Settler:
    """Reads repositories about sessions. `repos` is replaced at a reload."""

    def __init__(self, tables: Tables, repos: Mapping[str, Repository], now: Callable[[], Moment]) -> None:
        self._tables = tables
        self.repos = repos
        self._now = now

    async def settle(self, session: Session) -> Ending:
        """Return how the session ended; remember every commit that landed while it ran."""
        found = (
            session.life.state.found if isinstance(session.life.state, Settling) else "it was not settling"
        )
        remains = await self._remains(session)
        if isinstance(found, ExitRecord):
            return judge(found, remains, session.expects(), refused=session.refused)
        return judge_lost(found, remains)

    async def fingerprint(self, session: Session, folder: Path) -> str:
        """Return a text that changes when the session's HEAD, tree or log do."""
        logs = [path.stat().st_size for name in ("out.log", "err.log") if (path := folder / name).exists()]
        repo = self.repos.get(session.intent.repo)
        if repo is None:
            return repr(logs)
        try:
            return f"{await fingerprint(repo)} {logs}"
        except GitError as error:
            log.warning("git.failed", session=session.id, why=str(error))
            return repr(logs)

    async def last_write(self, lease: Lease, session: Session | None) -> float | None:
        """Return when (CLOCK_BOOTTIME) the lease's scope was last written; now, if it is open for writing."""
        repo = self.repos.get(lease.scope.repo)
        if repo is None:
            return None
        now = self._now()
        worker = session.worker() if session else None
        return await anyio.to_thread.run_sync(_last_write, lease, repo, worker.pid if worker else None, now)

    async def _remains(self, session: Session) -> Remains:
        repo = self.repos.get(session.intent.repo)
        if repo is None:
            return Remains()
        try:
            commits = await commits_since(repo, session.intent.created.wall - _SLACK)
            files = await dirty(repo)
        except GitError as error:
            log.warning("git.failed", session=session.id, why=str(error))
            return Remains(unread=str(error))
        landed(self._tables, session.intent.repo, map(touch, reversed(commits)), self._now())
        own = [commit for commit in commits if commit.session == session.id]
        scopes = [lease.scope for lease in self._tables.broker.held(session.id)]
        left = tuple(
            file.path
            for file in files
            if any(covers(scope, file.path, fold_case=repo.fold_case) for scope in scopes)
        )
        return Remains(
            tuple(Landed(c.sha, c.subject, c.at_wall, c.paths) for c in reversed(own)),
            left,
        )


def _last_write(lease: Lease, repo: Repository, worker: int | None, now: Moment) -> float | None:
    def covered(path: str) -> bool:
        return covers(lease.scope, path, fold_case=repo.fold_case)

    if worker is not None and open_writers(descendants(worker), repo.root, covered):
        return now.mono
    newest = last_write(repo.root, [lease.scope], fold_case=repo.fold_case)
    return None if newest is None else now.mono - (now.wall - newest)


def touch(commit: Commit) -> Touch:
    """Return a commit as the memory of recent commits keeps it."""
    return Touch(
        commit.at_wall, commit.session or "", commit.task or "", commit.sha, commit.subject, commit.paths
    )


async def remember_history(authority: Authority, repos: Mapping[str, Repository]) -> None:
    """Remember what landed before this supervisor started, as far as it still counts as recent."""
    window = authority.tables.recent.window
    for name, repo in repos.items():
        try:
            commits = await commits_since(repo, authority.now().wall - window)
        except GitError as error:
            log.warning("git.failed", repo=name, why=str(error))
            continue
        landed(authority.tables, name, map(touch, reversed(commits)), authority.now())
