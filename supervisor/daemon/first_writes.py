"""First writes that were granted and are not told of yet: a storm of them is one event for each session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from supervisor.core.decisions.effects import Note
from supervisor.core.sessions.roster import Session
from supervisor.world.timer import BootTimer

_TOGETHER = 0.05  # seconds that one waits for others
_MOST = 1_000  # files that one event names


class FirstWrites:
    """The session goes on when its lease is in the tables; who follows the events hears of it a moment later.

    `tell` is called when it is time to: it asks for `notes`. A timer of the kernel says so: with one of the loop's own pending,
    the kernel sets and takes back its clock at each turn of the loop, while sessions wait for their answers.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._scopes: dict[str, tuple[Session, list[str]]] = {}
        self._timer: BootTimer | None = None

    def add(self, session: Session, scope: str) -> None:
        """Take note that a session was granted a file."""
        known = self._scopes.get(session.id)
        if known is None:
            self._scopes[session.id] = (session, [scope])
            if self._timer is None:
                self._set_timer()
            return
        known[1].append(scope)
        if len(known[1]) >= _MOST:
            self._tell()

    def _set_timer(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._timer = BootTimer()
        except OSError:  # no descriptor is left: then without waiting for others
            loop.call_soon(self._tell)
            return
        self._timer.set(_TOGETHER)
        loop.add_reader(self._timer.fd, self._tell)

    def notes(self) -> list[Note]:
        """Return what there is to tell, which counts as told then."""
        if not self._scopes:
            return []
        if self._timer is not None:
            asyncio.get_running_loop().remove_reader(self._timer.fd)
            self._timer.close()
            self._timer = None
        told, self._scopes = self._scopes, {}
        return [
            Note(
                "lease.granted",
                session.id,
                session.key,
                {"scopes": scopes, "holder": session.id, "discovered": True},
            )
            for session, scopes in told.values()
        ]
