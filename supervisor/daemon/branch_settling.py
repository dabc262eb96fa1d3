"""Settling a session that has a work tree of its own: what it left is kept, what it committed is integrated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio
import structlog

from supervisor.core.decisions.advance import landed
from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment
from supervisor.core.sessions.integration import Hitch, Integrated, Unintegrated, branch_of
from supervisor.core.sessions.outcome import Ending, Outcome
from supervisor.core.sessions.remains import Remains
from supervisor.core.sessions.roster import Session
from supervisor.daemon.clearing import Clearing
from supervisor.daemon.dead_locks import DeadLocks
from supervisor.daemon.integration.integrator import Integrator
from supervisor.daemon.integration.job import Job
from supervisor.daemon.salvaging import Salvager
from supervisor.daemon.touches import named, touches
from supervisor.daemon.worktrees import Worktrees
from supervisor.world.failpoint import failpoint
from supervisor.world.git.history import DATED_WITHIN, Commit, commits_since
from supervisor.world.git.integrate.combine import merge_base
from supervisor.world.git.integrate.move import integrated_as
from supervisor.world.git.left_behind import name_left_behind
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.tie import Whole, tie
from supervisor.world.git.worktrees import (
    delete_branch,
    drop_branch,
    is_ancestor,
    others_of,
    resolve,
    set_aside,
    tip_of,
)
from supervisor.world.threads import in_thread

log = structlog.get_logger("leasehold")

_UNFINISHED = "only what a session finishes is integrated"

Judge = Callable[[Remains], Ending]


@dataclass(frozen=True, slots=True)
class _Found:
    """What is there of a session: its branch ends at `tip`; `earlier` is the branch that its task left before."""

    tip: str | None
    target: str | None
    earlier: str
    remains: Remains


class BranchSettler:
    """Settles sessions whose commits are on branches of their own."""

    def __init__(
        self,
        tables: Tables,
        now: Callable[[], Moment],
        worktrees: Worktrees,
        salvager: Salvager,
        integrator: Integrator,
    ) -> None:
        self._tables = tables
        self._now = now
        self._worktrees = worktrees
        self._clearing = Clearing(salvager)
        self._integrator = integrator
        self._locks = DeadLocks()

    async def settle(
        self, session: Session, repo: Repository, judge: Judge, turn: anyio.CapacityLimiter
    ) -> Ending:
        """Return how the session ended, once its commits are where they belong, or known to stay on its branch.

        `turn` is held while the repository is read, and not while the integration waits for its own turn.
        """
        await self._integrator.withdraw(session.id)
        try:
            async with turn:
                found = await self._find(session, repo, judge)
            found = replace(found, remains=await self._integrate(session, repo, judge, found))
            failpoint("integrate.known")
            async with turn:
                return judge(await self._tidy(session, repo, found))
        except (GitError, OSError) as error:
            log.warning("git.failed", session=session.id, why=str(error))
            kept = Unintegrated(Hitch.FAULT, branch_of(session.id), session.intent.target, str(error))
            tree = self._worktrees.of(session, repo).root
            left = str(tree) if await in_thread(tree.exists) else ""
            return judge(Remains(unread=str(error), integration=kept, tree=left))

    # --- what is there ------------------------------------------------------------------------------

    async def _find(self, session: Session, repo: Repository, judge: Judge) -> _Found:
        """Read what the session committed and keep what it did not; its work tree is gone afterwards."""
        tree = self._worktrees.of(session, repo)
        tied = await in_thread(tie, tree)
        there = isinstance(tied, Whole)
        began = session.intent.created.wall
        lock = await self._locks.free(tree, began) if there else ""
        tip = await tip_of(repo, tree if there else None, session.id)
        if there:
            await name_left_behind(tree, session.id)
        target = await resolve(repo, HEADS + session.intent.target)
        if target is not None:
            self._landed(
                session, await commits_since(repo, began - DATED_WITHIN, ref=HEADS + session.intent.target)
            )
        others = await others_of(repo, session.id, tip.commit, target)
        stray = ", ".join(name for name in dict.fromkeys((tip.stray, *others)) if name)
        remains = Remains(stray=stray, lock=lock)
        if (mark := await integrated_as(repo, session.id)) is not None:
            own = await commits_since(repo, began - DATED_WITHIN, ref=mark)
            remains = replace(
                remains,
                integration=Integrated(session.intent.target, mark),
                commits=named(commit for commit in own if commit.session == session.id),
            )
        elif target is not None:
            remains = await self._in_two(session, repo, remains, tip.commit, target)
        remains = await self._clearing.empty(session, repo, tree, tied, remains, judge(remains).outcome)
        last = self._tables.backlog.track(session.key).last
        return _Found(tip.commit, target, last.branch if last is not None else "", remains)

    async def _in_two(
        self, session: Session, repo: Repository, remains: Remains, tip: str | None, target: str
    ) -> Remains:
        """Add what the session had integrated while it ran, and what is on its branch alone."""
        landed = await commits_since(repo, session.intent.created.wall - DATED_WITHIN, ref=target)
        interim = named(commit for commit in landed if commit.session == session.id)
        ahead = named(await commits_since(repo, target, ref=tip)) if tip is not None else ()
        remains = replace(remains, interim=interim, commits=ahead)
        if interim and not ahead:
            return replace(remains, integration=Integrated(session.intent.target, interim[-1].sha))
        return remains

    # --- where it goes ------------------------------------------------------------------------------

    async def _integrate(self, session: Session, repo: Repository, judge: Judge, found: _Found) -> Remains:
        remains = found.remains
        if remains.integration is not None or not remains.commits or found.tip is None:
            return remains
        branch, target = branch_of(session.id), session.intent.target
        if judge(remains).outcome is not Outcome.FINISHED:
            return replace(remains, integration=Unintegrated(Hitch.UNFINISHED, branch, target, _UNFINISHED))
        job = Job.of(session.intent, repo, found.tip, session.id, self._now().wall)
        result = await self._integrator.integrate(job)
        remains = replace(remains, integration=result)
        if isinstance(result, Integrated) and result.base:
            commits = await commits_since(repo, result.base, ref=result.commit)
            self._landed(session, commits)
            again = () if remains.interim else remains.commits  # it had all of them already
            return replace(remains, commits=named(commits) or again)
        return remains

    async def _tidy(self, session: Session, repo: Repository, found: _Found) -> Remains:
        """Let go of branches that nothing is on alone any more, and say of the others where the commits are."""
        branch, remains, tip = branch_of(session.id), found.remains, found.tip
        earlier = found.earlier if found.earlier != branch else ""
        old = await resolve(repo, HEADS + earlier) if earlier else None
        if isinstance(remains.integration, Integrated):
            if tip is not None:
                await drop_branch(repo, branch, tip)
            if old is not None:
                await set_aside(repo, earlier)
            return remains
        if old is not None:
            remains = await _unresolved(repo, remains, found, old)
        own = tip is not None and not (old is not None and await is_ancestor(repo, tip, old))
        if remains.commits and own:
            if old is not None and tip is not None:
                await (
                    drop_branch(repo, earlier, old)
                    if await is_ancestor(repo, old, tip)
                    else set_aside(repo, earlier)
                )
            return remains
        if (over := found.target if old is None else old) is not None:
            await delete_branch(repo, branch, contained_in=over)
        if old is None:
            return remains
        kept = remains.integration
        if not isinstance(kept, Unintegrated):
            kept = Unintegrated(Hitch.UNFINISHED, earlier, session.intent.target, _UNFINISHED)
        return replace(remains, integration=replace(kept, branch=earlier))

    def _landed(self, session: Session, commits: Sequence[Commit]) -> None:
        landed(self._tables, session.intent.repo, touches(commits), self._now())


async def _unresolved(repo: Repository, remains: Remains, found: _Found, old: str) -> Remains:
    """Say of a conflict that the session was told of whether it has left it as it was.

    One that it met although it came to terms with the target is a new one, and nobody's fault.
    """
    kept = remains.integration
    if not isinstance(kept, Unintegrated) or kept.hitch is not Hitch.CONFLICT:
        return remains
    if found.target is None or found.tip is None:
        return remains
    before = await merge_base(repo, found.target, old)
    if before != await merge_base(repo, found.target, found.tip):
        return remains
    why = f"{kept.why}, as before"
    return replace(remains, integration=replace(kept, hitch=Hitch.UNRESOLVED, why=why))
