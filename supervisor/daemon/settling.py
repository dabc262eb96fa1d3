"""Settling a session: what it committed, what it left and where that is kept, what others landed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import structlog

from supervisor.core.decisions.advance import landed
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.coverage import Coverage
from supervisor.core.leases.lease import Lease, Mode
from supervisor.core.leases.scope import Kind, covers
from supervisor.core.moment import Moment
from supervisor.core.sessions.exit_record import NEVER_RAN, ExitRecord
from supervisor.core.sessions.lifecycle import Settling
from supervisor.core.sessions.outcome import Ending, Outcome, judge, judge_lost
from supervisor.core.sessions.remains import Remains
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.salvage import Salvage, Unsalvaged
from supervisor.core.sessions.verdicts import Told
from supervisor.daemon.authority import Authority
from supervisor.daemon.branch_settling import BranchSettler
from supervisor.daemon.dead_locks import DeadLocks
from supervisor.daemon.salvaging import Rescued, Salvager
from supervisor.daemon.touches import named, touches
from supervisor.daemon.worktrees import Worktrees
from supervisor.world.git.facts import DirtyFile, dirty, fingerprint
from supervisor.world.git.history import DATED_WITHIN, commits_since
from supervisor.world.git.loose import loose, name_loose
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.message import Label
from supervisor.world.git.salvage.stashes import Aside, keep_stashes
from supervisor.world.git.underway import operations
from supervisor.world.git.writers import identities, last_write, open_writers
from supervisor.world.processes import descendants
from supervisor.world.threads import in_thread

log = structlog.get_logger("leasehold")

_AT_ONCE = 8  # sessions; when a whole fleet ends, more gits at a time would only fight for the machine


class Settler:
    """Reads repositories about sessions, and keeps their work."""

    def __init__(
        self,
        tables: Tables,
        repos: Mapping[str, Repository],
        now: Callable[[], Moment],
        salvager: Salvager,
        worktrees: Worktrees,
        branches: BranchSettler,
    ) -> None:
        self._tables = tables
        self._repos = repos
        self._pinned: dict[str, Repository] = {}
        self._locks = DeadLocks()
        self._now = now
        self._salvager = salvager
        self._worktrees = worktrees
        self._branches = branches
        self._turns = anyio.CapacityLimiter(_AT_ONCE)

    def configure(self, repos: Mapping[str, Repository]) -> None:
        """Take up other repositories. A session that lives stays with the one that it was started in."""
        for session in self._tables.roster:
            repo = self._repo_of(session)
            if repo is not None and repos.get(session.intent.repo) != repo:
                self._pinned[session.id] = repo
        self._repos = repos

    def _repo_of(self, session: Session) -> Repository | None:
        return self._pinned.get(session.id) or self._repos.get(session.intent.repo)

    async def settle(self, session: Session, told: Told | None = None) -> Ending:
        """Return how the session ended; remember every commit that landed, keep what it left uncommitted.

        `told` is the last word of its harness.
        """
        found = (
            session.life.state.found if isinstance(session.life.state, Settling) else "it was not settling"
        )

        def ending(remains: Remains) -> Ending:
            if isinstance(found, ExitRecord):
                return judge(found, remains, session.expects(), refused=session.refused, told=told)
            return judge_lost(found, remains, told)

        repo = self._repo_of(session)
        if session.intent.target and repo is not None:
            judged = await self._branches.settle(session, repo, ending, self._turns)
            self._pinned.pop(session.id, None)
            return judged
        if isinstance(found, ExitRecord) and found.cause in NEVER_RAN:
            return ending(Remains())  # the checkout is as it was; git may be what could not be started
        async with self._turns:
            remains = await self._committed(session)
            judged = ending(await self._keep(session, remains, ending(remains).outcome))
        self._pinned.pop(session.id, None)
        return judged

    async def fingerprint(self, session: Session, folder: Path) -> str:
        """Return a text that changes when the session's HEAD or tree do, and what its harness does.

        A harness that is not understood is taken to do something whenever it prints.
        """
        logs: object = (
            session.heard.progress()
            if session.heard is not None and session.heard.heard
            else [path.stat().st_size for name in ("out.log", "err.log") if (path := folder / name).exists()]
        )
        repo = self._repo_of(session)
        if repo is None:
            return repr(logs)
        try:
            return f"{await fingerprint(self._worktrees.of(session, repo))} {logs}"
        except GitError as error:
            log.warning("git.failed", session=session.id, why=str(error))
            return repr(logs)

    async def last_write(self, lease: Lease, session: Session | None) -> float | None:
        """Return when (CLOCK_BOOTTIME) the lease's scope was last written; now, if it is open for writing."""
        repo = self._repos.get(lease.scope.repo)
        if repo is None:
            return None
        now = self._now()
        if session is not None:
            if isinstance(session.life.state, Settling):
                return now.mono  # its commits are on their way, and go by the lease
            repo = self._worktrees.of(session, repo)
        worker = session.worker() if session else None
        return await in_thread(_last_write, lease, repo, worker.pid if worker else None, now)

    async def still_open(self, leases: Sequence[Lease], session: Session | None) -> frozenset[int]:
        """Return the tokens of the leases below which a process of the session has a file open for writing."""
        repo = self._repo_of(session) if session is not None else None
        worker = session.worker() if session is not None else None
        if session is None or repo is None or worker is None:
            return frozenset()
        repo = self._worktrees.of(session, repo)
        return await in_thread(_still_open, leases, repo, worker.pid)

    async def _committed(self, session: Session) -> Remains:
        repo = self._repo_of(session)
        if repo is None:
            return Remains()
        try:
            commits = await commits_since(repo, session.intent.created.wall - DATED_WITHIN)
            # where nobody had a branch to begin with, commits belong on HEAD
            apart = await loose(repo) if repo.branch is not None else None
            unnamed = apart.commits if apart is not None else frozenset()
            stray = ""
            if (
                apart is not None
                and any(c.session == session.id for c in commits if c.sha in unnamed)
                and "rebase"
                not in operations(repo, 0.0)  # what that has replayed is on its branch in the old version
            ):
                stray = await name_loose(repo, session.id, apart)
        except GitError as error:
            log.warning("git.failed", session=session.id, why=str(error))
            return Remains(unread=str(error))
        commits = tuple(commit for commit in commits if commit.sha not in unnamed)
        landed(self._tables, session.intent.repo, touches(commits), self._now())
        return Remains(named(commit for commit in commits if commit.session == session.id), stray=stray)

    async def _keep(self, session: Session, remains: Remains, outcome: Outcome) -> Remains:
        """Add what the session left uncommitted, and the salvage that has it by now."""
        repo = self._repo_of(session)
        if repo is None:
            return remains
        began = session.intent.created.wall
        lock = await self._locks.free(repo, began)
        try:
            files = await dirty(repo)
        except GitError as error:
            log.warning("git.failed", session=session.id, why=str(error))
            held = tuple(
                lease.scope.key
                for lease in self._tables.broker.held(session.id)
                if lease.scope.kind is Kind.FILE
            )
            why = f"git could not be asked for uncommitted files: {error}"
            return replace(remains, unread=str(error), salvage=Unsalvaged(why, held, held=held), lock=lock)
        rescued = await self._salvager.rescue(session, repo, files, outcome)
        if session.level == "kernel" and isinstance(rescued.result, Salvage):
            self._tables.collisions.writes_unattributed += len(rescued.result.unleased)
        aside = await self._aside(session, repo, outcome)
        alone = not any(s.intent.repo == session.intent.repo for s in self._tables.roster if s is not session)
        return replace(
            remains,
            dirty=self._still_dirty(session, repo, files, rescued),
            salvage=rescued.result,
            salvages=tuple(dict.fromkeys((*rescued.open_, *aside))),
            aside=aside,
            under_way=operations(repo, began) if alone else (),
            lock=lock,
        )

    async def _aside(self, session: Session, repo: Repository, outcome: Outcome) -> tuple[str, ...]:
        """Keep what the session stashed of the paths that it holds, and did not bring back."""
        held = [lease.scope for lease in self._tables.broker.held(session.id) if lease.mode is Mode.EXCLUSIVE]
        covered = Coverage(held, fold_case=repo.fold_case)
        label = Label(session=session.id, task=session.key, outcome=outcome.value)
        try:
            return await keep_stashes(
                repo, repo, Aside(session.id, session.intent.created.wall, covered), label
            )
        except (GitError, OSError) as error:
            log.warning("git.failed", session=session.id, why=str(error))
            return ()

    def _still_dirty(
        self, session: Session, repo: Repository, files: tuple[DirtyFile, ...], rescued: Rescued
    ) -> tuple[str, ...]:
        held = Coverage(
            (lease.scope for lease in self._tables.broker.held(session.id)), fold_case=repo.fold_case
        )
        cleaned = set(rescued.result.cleaned) if isinstance(rescued.result, Salvage) else set()
        return tuple(file.path for file in files if file.path not in cleaned and file.path in held)


def _still_open(leases: Sequence[Lease], repo: Repository, worker: int) -> frozenset[int]:
    found: set[int] = set()

    def covered(path: str) -> bool:
        tokens = {lease.token for lease in leases if covers(lease.scope, path, fold_case=repo.fold_case)}
        found.update(tokens)
        return bool(tokens)

    known = identities(repo.root, (lease.scope for lease in leases))
    open_writers(descendants(worker), repo.root, covered, known)
    return frozenset(found)


def _last_write(lease: Lease, repo: Repository, worker: int | None, now: Moment) -> float | None:
    def covered(path: str) -> bool:
        return covers(lease.scope, path, fold_case=repo.fold_case)

    known = identities(repo.root, (lease.scope,))
    if worker is not None and open_writers(descendants(worker), repo.root, covered, known):
        return now.mono
    newest = last_write(repo.root, [lease.scope], fold_case=repo.fold_case)
    return None if newest is None else now.mono - (now.wall - newest)


async def remember_history(authority: Authority, repos: Mapping[str, Repository]) -> None:
    """Remember what landed before this supervisor started, as far as it still counts as recent."""
    window = authority.tables.recent.window
    for name, repo in repos.items():
        try:
            integration = authority.tables.policy.integration(name)
            ref = HEADS + integration.target if integration is not None else None
            commits = await commits_since(repo, authority.now().wall - window, ref=ref)
        except GitError as error:
            log.warning("git.failed", repo=name, why=str(error))
            continue
        landed(authority.tables, name, touches(commits), authority.now())
