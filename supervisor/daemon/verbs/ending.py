"""session.stop and session.kill: answered when none of its processes is left, or when that does not come about."""

from __future__ import annotations

import asyncio

from supervisor.core.decisions import orders
from supervisor.core.duration import format_duration
from supervisor.core.sessions.lifecycle import Kill, Paused, Running, Starting, Stop, Stopping, Unkillable
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.fleet import Workers
from supervisor.daemon.recovery.strays import Strays
from supervisor.daemon.situation import Situation
from supervisor.daemon.verbs.answers import carried, who
from supervisor.daemon.verbs.named import OneSession, find, living
from supervisor.world.control.caller import Caller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method
from supervisor.world.journal.journal import Journal
from supervisor.world.processes import describe
from supervisor.world.stopped import why_stopped

# Seconds beyond the grace: a tree is swept in 10, and a worker that stands still is killed sooner.
_PATIENCE = 30.0


class StopSession(OneSession, kw_only=True):
    """`grace` in seconds; `None` is the harness's own."""

    why: str = ""
    grace: float | None = None


class EndingVerbs:
    """Ends sessions, and with `kill` also what lives without the journal's knowledge."""

    def __init__(
        self, authority: Authority, workers: Workers, journal: Journal, situation: Situation, strays: Strays
    ) -> None:
        self._authority = authority
        self._workers = workers
        self._journal = journal
        self._situation = situation
        self._strays = strays

    def methods(self) -> list[Method[StopSession]]:
        """Return the verbs."""
        return [
            Method("session.stop", StopSession, self.stop),
            Method("session.kill", StopSession, self.kill),
        ]

    def stop(self, caller: Caller, params: StopSession) -> object:
        """Ask a session to end; answered when none of its processes is left."""
        if self._is_stray(params.session):
            raise RpcError(
                Code.REFUSED,
                f"session {params.session} is a stray: {self._situation.strays[params.session]}",
            )
        wish = Stop("stop", who(caller), params.why or "asked at the command line", params.grace)
        return self._end(params.session, wish)

    def kill(self, caller: Caller, params: StopSession) -> object:
        """End a session without asking it; answered when none of its processes is left."""
        if self._is_stray(params.session):
            later = Later()
            self._strays.kill(params.session, who(caller), later)
            return later
        return self._end(params.session, Kill(who(caller), params.why or "asked at the command line"))

    def _is_stray(self, name: str) -> bool:
        session = find(self._authority.tables, name)
        return name in self._situation.strays and (session is None or not session.live())

    def _end(self, name: str, wish: Stop | Kill) -> Later:
        authority = self._authority
        session = living(authority.tables, self._journal, name)
        if isinstance(session.life.state, Unkillable):
            self._workers.look_again(session.id)  # now that somebody cares
            raise _unkillable(session.id, session.life.state)
        later = Later()
        limit = _grace(session, wish) + _PATIENCE
        timer = asyncio.get_running_loop().call_later(limit, self._give_up, session, later, limit)

        def verdict(changed: Session) -> object | RpcError | None:
            found = _when_gone(changed)
            if found is not None:
                timer.cancel()
            return found

        authority.promises.when_session(session.id, later, verdict)
        carried(authority, orders.wish(authority.tables, session.id, wish, authority.now()))
        return later

    def _give_up(self, session: Session, later: Later, limit: float) -> None:
        """Answer who waits for an end that does not come; what was asked still holds."""
        if not isinstance(session.life.state, Starting | Running | Paused | Stopping):
            return  # its end has begun, and is bounded
        worker = self._workers.worker(session.id)
        if worker is None:
            why = self._situation.unknown().get(session.id, "its worker is on its way")
        else:
            how = why_stopped(worker.pid) or f"it is {describe(worker.pid)}"
            why = f"its worker, pid {worker.pid}, does not act: {how}"
        told = f"session {session.id} is still {session.state_name} after {format_duration(limit)}: {why}"
        later.refuse(RpcError(Code.TRY_LATER, f"{told}; what was asked still holds"))


def _grace(session: Session, wish: Stop | Kill) -> float:
    """Return the seconds that the harness has to leave by itself."""
    if isinstance(wish, Kill):
        return 0.0
    return session.budget.grace if wish.grace is None else wish.grace


def _when_gone(session: Session) -> object | RpcError | None:
    if isinstance(session.life.state, Unkillable):
        return _unkillable(session.id, session.life.state)
    ending = session.ending()
    if ending is None:
        return None
    answer = {"session": session.id, "outcome": ending.outcome.value, "sentence": ending.sentence}
    if survivors := ending.evidence.get("survivors"):
        named = ", ".join(f"{p.get('pid')} ({p.get('command', '?')})" for p in survivors)
        return RpcError(
            Code.REFUSED, f"some processes of session {session.id} could not be killed: {named}", answer
        )
    return answer


def _unkillable(session: str, state: Unkillable) -> RpcError:
    named = ", ".join(state.survivors)
    return RpcError(
        Code.REFUSED,
        f"some processes of session {session} could not be killed: {named}; it keeps its leases until they are gone",
        {"session": session, "survivors": list(state.survivors)},
    )
