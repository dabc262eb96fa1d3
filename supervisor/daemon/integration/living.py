"""Integration that a session asks for while it lives: its commits come into the target, and it goes on from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from supervisor.core.decisions import requests
from supervisor.core.decisions.advance import landed
from supervisor.core.decisions.effects import Note
from supervisor.core.decisions.entrusting import disown
from supervisor.core.leases.lease import Want
from supervisor.core.sessions.integration import Integrated, Unintegrated, branch_of
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.integration.integrator import Integrator
from supervisor.daemon.integration.job import Job
from supervisor.daemon.integration.refusal import refusal
from supervisor.daemon.touches import touches
from supervisor.daemon.worktrees import Worktrees
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.git.history import commits_since
from supervisor.world.git.integrate.follow import follow
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.worktrees import resolve


@dataclass(frozen=True, slots=True)
class LivingIntegration:
    """Integrates what living sessions have committed so far."""

    authority: Authority
    worktrees: Worktrees
    integrator: Integrator

    async def bring_in(self, session: Session, repo: Repository, patience: float | None) -> dict[str, Any]:
        """Integrate the commits that are on the session's branch; return what came in, and whether its branch follows.

        It waits for `patience` seconds at most, `None` for as long as is usual.

        Raises:
            RpcError: they stay on the branch, with the reason and what to do next.
            GitError: the repository cannot be read.
        """
        tree, branch, target = self.worktrees.of(session, repo), branch_of(session.id), session.intent.target
        tip, onto = await _ends(session, repo, tree)
        if not await commits_since(repo, onto, ref=tip, limit=1):
            return {"session": session.id, "target": target, "commits": [], "follows": True, "why": ""}
        session.progress_at = self.authority.now().mono
        result = await self._integrated(session, repo, tip, patience)
        session.progress_at = self.authority.now().mono
        if isinstance(result, Unintegrated):
            raise await refusal(self.authority.tables, session, repo, result, tip)
        commits = await commits_since(repo, result.base, ref=result.commit)
        shas = [commit.sha for commit in reversed(commits)]
        if shas:
            now, name = self.authority.now(), session.intent.repo
            landed(self.authority.tables, name, touches(commits), now)
            data = {**result.as_json(), "commits": shas, "by": f"session {session.id}"}
            self.authority.do([Note("session.integrated", session.id, session.key, data)])
        why = await follow(tree, branch, tip, result.commit)
        return {
            "session": session.id,
            **result.as_json(),
            "commits": shas,
            "follows": not why,
            "why": why,
        }

    async def _integrated(
        self, session: Session, repo: Repository, tip: str, patience: float | None
    ) -> Integrated | Unintegrated:
        had = {lease.token for lease in self.authority.tables.broker.held(session.id)}
        job = Job.of(session.intent, repo, tip, session.id, self.authority.now().wall)
        job.living, job.patience = True, patience
        try:
            return await self.integrator.integrate(job)
        finally:
            self._give_back(session, job, had)

    def _give_back(self, session: Session, job: Job, had: set[int]) -> None:
        """End the leases that were taken for this: to keep them would keep everybody else from integrating."""
        tables = self.authority.tables
        wants = [
            Want(lease.scope, lease.mode)
            for lease in tables.broker.held(session.id)
            if lease.token not in had and lease.scope.text in job.paths
        ]
        if wants:
            ended, effects = requests.release(tables, session.id, wants, self.authority.now())
            self.authority.do([*disown(tables, session.id, ended), *effects])


async def _ends(session: Session, repo: Repository, tree: Repository) -> tuple[str, str]:
    """Return the commits at which the session's branch and its target are."""
    branch, target = branch_of(session.id), session.intent.target
    tip, onto = await resolve(repo, HEADS + branch), await resolve(repo, HEADS + target)
    if onto is None:
        raise RpcError(Code.REFUSED, f"there is no branch {target} any more")
    if tip is None or await resolve(tree, "HEAD") != tip:
        why = f"your work tree is not on your branch {branch}; end what is under way there, or `git switch {branch}`"
        raise RpcError(Code.REFUSED, why, {"reason": "elsewhere"})
    return tip, onto
