"""Answers that are due when something has happened: a lease granted, a session running or gone."""

from __future__ import annotations

from collections.abc import Callable

from supervisor.core.leases.lease import TimedOut, Woken
from supervisor.core.sessions.roster import Session
from supervisor.world.control.errors import RpcError
from supervisor.world.control.later import Later

Settle = Callable[[Later, Session], None]


class Promises:
    """Who waits for what. Nothing here is decided; the answers are made by those who promised."""

    def __init__(self) -> None:
        self._leases: dict[int, Callable[[Woken | TimedOut], None]] = {}
        self._sessions: dict[str, list[tuple[Later, Callable[[Session], object | RpcError | None]]]] = {}

    def when_decided(self, waiter: int, then: Callable[[Woken | TimedOut], None]) -> None:
        """Call `then` with the result of a queued lease request."""
        self._leases[waiter] = then

    def forget_waiter(self, waiter: int) -> None:
        """Drop a request whose client has gone."""
        self._leases.pop(waiter, None)

    def decided(self, result: Woken | TimedOut) -> bool:
        """Deliver the result of a queued request; return False when nobody waits for it any more."""
        then = self._leases.pop(result.waiter, None)
        if then is None:
            return False
        then(result)
        return True

    def when_session(
        self, session: str, later: Later, verdict: Callable[[Session], object | RpcError | None]
    ) -> None:
        """Answer `later` with the first thing but `None` that `verdict` makes of the session's changes."""
        self._sessions.setdefault(session, []).append((later, verdict))

    def session_changed(self, session: Session) -> None:
        """Look again at what was promised about this session."""
        waiting = self._sessions.get(session.id)
        if not waiting:
            return
        left = []
        for later, verdict in waiting:
            found = verdict(session)
            if found is None:
                left.append((later, verdict))
            elif isinstance(found, RpcError):
                later.refuse(found)
            else:
                later.answer(found)
        if left:
            self._sessions[session.id] = left
        else:
            del self._sessions[session.id]
