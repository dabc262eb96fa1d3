"""Seeing that workers can act: one that stands still ends no session and keeps no budget.

Anybody with the account of the session can stop its worker by a signal, the session itself too. Such a worker is
let go on when its session is to end, and killed when that does not help: then its session is cleared away.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import Ended, Paused, ProcessId, Run, Settling, Stop, Unkillable
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.world.processes import open_pidfd
from supervisor.world.stopped import why_stopped

log = structlog.get_logger("leasehold")

SLACK = 10.0  # seconds that a worker has to act on what is due
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds between two looks
_LET_GO_ON = 3  # times a worker is let go on before it is killed


@dataclass(frozen=True, slots=True)
class _Watch:
    """How often a worker was looked at and found standing still, since when (CLOCK_BOOTTIME), and the next look."""

    since: float
    at: float
    looks: int = 0
    stood: int = 0


class Insistence:
    """Looks at the worker of a session that is to end, or that is over its budget; at no other.

    `worker_of` returns the worker that is watched for a session.
    """

    def __init__(self, authority: Authority, worker_of: Callable[[str], ProcessId | None]) -> None:
        self._authority = authority
        self._worker_of = worker_of
        self._watches: dict[str, _Watch] = {}
        authority.on_time(self._seconds_left, self._ring)

    def _seconds_left(self, now: Moment) -> float | None:
        due = [at for session in self._authority.tables.roster if (at := self._due(session, now)) is not None]
        return max(0.0, min(due) - now.mono) if due else None

    def _due(self, session: Session, now: Moment) -> float | None:
        if isinstance(session.life.state, Settling | Unkillable | Ended) or not self._worker_of(session.id):
            return None
        wanted = not isinstance(session.life.wish, Run)
        over = session.intent.created.mono + session.paused_for + session.budget.wall + session.budget.grace
        if not wanted and (isinstance(session.life.state, Paused) or now.mono < over + SLACK):
            self._watches.pop(session.id, None)
            return None if isinstance(session.life.state, Paused) else over + SLACK
        watch = self._watches.get(session.id)
        return watch.at if watch is not None else now.mono

    def _ring(self, now: Moment) -> list[Effect]:
        roster = self._authority.tables.roster
        for gone in [name for name in self._watches if name not in roster]:
            del self._watches[gone]
        effects: list[Effect] = []
        for session in roster:
            due = self._due(session, now)
            if due is not None and due <= now.mono:
                effects += self._look(session, now.mono)
        return effects

    def _look(self, session: Session, now: float) -> list[Effect]:
        worker = self._worker_of(session.id)
        assert worker is not None  # noqa: S101  - else nothing would be due
        watch = self._watches.get(session.id) or _Watch(now, now)
        pause = _PAUSES[min(watch.looks, len(_PAUSES) - 1)]
        how = why_stopped(worker.pid)
        self._watches[session.id] = _Watch(watch.since, now + pause, watch.looks + 1, watch.stood + bool(how))
        if not how:
            return []
        wish = session.life.wish
        grace = (
            (session.budget.grace if wish.grace is None else wish.grace) if isinstance(wish, Stop) else 0.0
        )
        kill = watch.stood >= _LET_GO_ON and now >= watch.since + grace
        if not _signal(worker, signal.SIGKILL if kill else signal.SIGCONT):
            return []
        if watch.stood and not kill:
            return []  # it was said
        data = {"worker_pid": worker.pid, "why": how, "done": "killed" if kill else "let go on"}
        return [Note("worker.stood_still", session.id, session.key, data)]


def _signal(worker: ProcessId, number: signal.Signals) -> bool:
    pidfd = open_pidfd(worker)
    if pidfd is None:
        return False
    try:
        signal.pidfd_send_signal(pidfd, number)
    except OSError as error:
        log.warning("worker.not_signalled", pid=worker.pid, why=error.strerror)
        return False
    finally:
        os.close(pidfd)
    return True
