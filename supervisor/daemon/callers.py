"""Who may ask what on the control socket: a session is known by its capability, or by the worker above its process."""

from __future__ import annotations

from supervisor.core.sessions.roster import Roster
from supervisor.world.control.access import Access
from supervisor.world.processes import parent

_GENERATIONS = 64  # between a process of a session and its worker; deeper ones are not believed


def access(roster: Roster, *, guarded: bool) -> Access:
    """Return the rules for callers; `guarded` says that the socket is one that a service manager handed over."""

    def session_of(pid: int) -> str | None:
        workers = {worker.pid: session.id for session in roster if (worker := session.worker())}
        at: int | None = pid
        for _ in range(_GENERATIONS):
            if at is None or at <= 1:
                return None
            if at in workers:
                return workers[at]
            at = parent(at)
        return None

    return Access(resolve=roster.by_capability, session_of=session_of, guarded=guarded)
