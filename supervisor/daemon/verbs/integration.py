"""session.integrate: bring the commits on a session's branch into their target, at an operator's word or its own."""

from __future__ import annotations

from typing import Any

import msgspec

from supervisor.core.decisions import orders, requests
from supervisor.core.decisions.advance import landed
from supervisor.core.sessions.integration import Integrated, Unintegrated, branch_of
from supervisor.core.sessions.roster import Intent, Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.integration.integrator import Integrator
from supervisor.daemon.integration.job import Job
from supervisor.daemon.integration.living import LivingIntegration
from supervisor.daemon.spawn import Spawn
from supervisor.daemon.touches import touches
from supervisor.daemon.verbs.answers import asking, who
from supervisor.daemon.verbs.named import recorded
from supervisor.daemon.workshop import Workshop
from supervisor.world.control.caller import Caller, SessionCaller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.git.history import commits_since
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.worktrees import drop_branch, resolve
from supervisor.world.journal.journal import Journal


class IntegrateSession(Params, kw_only=True):
    """A session by id, or the last session of a task by its key; a session asks for itself and names none.

    `wait` (seconds) is how long a session waits at most for leases and for a target that cannot be moved just now.
    """

    session: str = ""
    wait: float | None = None


class IntegrationVerbs:
    """Answers about integration."""

    def __init__(
        self,
        authority: Authority,
        shop: Workshop,
        integrator: Integrator,
        journal: Journal,
        spawn: Spawn,
    ) -> None:
        self._authority = authority
        self._shop = shop
        self._integrator = integrator
        self._asking: set[str] = set()  # living sessions whose commits are on their way
        self._living = LivingIntegration(authority, shop.worktrees, integrator)
        self._journal = journal
        self._spawn = spawn

    def methods(self) -> list[Method[Any]]:
        """Return the verbs."""
        return [Method("session.integrate", IntegrateSession, self.integrate, Who.ANYONE)]

    def integrate(self, caller: Caller, params: IntegrateSession) -> object:
        """Integrate what an ended session left on its branch; answered when that is done, or known to fail.

        A session whose integration is held already is tried again at once.
        """
        if isinstance(caller, SessionCaller):
            return self._own(asking(self._authority, caller), params)
        roster = self._authority.tables.roster
        session = roster.get(params.session) or roster.of_task(params.session)
        if session is not None:
            return self._try_again(session.id)
        intent = msgspec.convert(recorded(self._journal, params.session).intent, Intent)
        repo = self._shop.repos.get(intent.repo)
        if repo is None:
            raise RpcError(Code.REFUSED, f'repository "{intent.repo}" is no longer configured')
        if not intent.target:
            raise RpcError(
                Code.REFUSED, f"session {intent.session} worked in the checkout itself and has no branch"
            )
        if (other := roster.of_task(intent.task.key)) is not None:
            raise RpcError(
                Code.REFUSED, f"session {other.id} goes on with {intent.task.key}; wait for it, or stop it"
            )
        if self._integrator.poke(intent.session):
            raise RpcError(Code.REFUSED, f"session {intent.session} is being integrated already")
        later = Later()
        self._spawn(lambda: self._integrate(intent, repo, who(caller), later))
        return later

    def _own(self, session: Session, params: IntegrateSession) -> Later:
        if params.session not in {"", session.id, session.key}:
            raise RpcError(
                Code.DENIED, "a session integrates its own commits only; the rest is an operator's"
            )
        repo = self._shop.repos.get(session.intent.repo)
        if repo is None or not session.intent.target:
            why = "this session works in the checkout itself: what it commits is where it belongs"
            raise RpcError(Code.REFUSED, why, {"reason": "shared"})
        if session.id in self._asking:
            why = "this session's commits are being integrated already; wait for that answer"
            raise RpcError(Code.REFUSED, why, {"reason": "twice"})
        self._asking.add(session.id)
        later = Later(on_gone=lambda: self._spawn(lambda: self._integrator.withdraw(session.id)))

        async def bring_in() -> None:
            try:
                later.answer(await self._living.bring_in(session, repo, params.wait))
            except RpcError as error:
                later.refuse(error)
            except (GitError, OSError) as error:
                later.refuse(RpcError(Code.REFUSED, str(error)))
            finally:
                self._asking.discard(session.id)

        self._spawn(bring_in)
        return later

    def _try_again(self, session: str) -> Later:
        authority = self._authority
        if not self._integrator.poke(session):
            raise RpcError(
                Code.REFUSED, f"session {session} lives; its commits are integrated when it has ended"
            )
        later = Later()
        authority.promises.when_session(
            session,
            later,
            lambda changed: (
                None
                if (ending := changed.ending()) is None
                else {
                    "session": session,
                    "outcome": ending.outcome.value,
                    "sentence": ending.sentence,
                    **{name: ending.evidence[name] for name in ("integrated",) if name in ending.evidence},
                }
            ),
        )
        return later

    async def _integrate(self, intent: Intent, repo: Repository, by: str, later: Later) -> None:
        branch, holder = branch_of(intent.session), f"integration {intent.session}"
        authority = self._authority
        try:
            tip = await resolve(repo, HEADS + branch)
            if tip is None:
                why = f"there is no branch {branch}; its commits are integrated, or were never made"
                later.refuse(RpcError(Code.NOT_FOUND, why))
                return
            job = Job.of(intent, repo, tip, holder, authority.now().wall)
            result = await self._integrator.integrate(job)
            if isinstance(result, Integrated):
                await self._landed(intent, repo, job, result, by)
        except GitError as error:
            later.refuse(RpcError(Code.REFUSED, str(error)))
            return
        finally:
            _, effects = requests.release(authority.tables, holder, None, authority.now())
            authority.do(effects)
        match result:
            case Integrated():
                later.answer({"session": intent.session, "integrated": result.as_json()})
            case Unintegrated():
                later.refuse(RpcError(Code.REFUSED, result.sentence(), result.as_json()))

    async def _landed(self, intent: Intent, repo: Repository, job: Job, result: Integrated, by: str) -> None:
        authority = self._authority
        commits = await commits_since(repo, result.base, ref=result.commit)
        await drop_branch(repo, job.branch, job.tip)
        landed(authority.tables, job.name, touches(commits), authority.now())
        shas = [commit.sha for commit in reversed(commits)]
        authority.do(
            orders.integrated(
                authority.tables, intent.task.key, job.session, result, shas, by, authority.now()
            )
        )
