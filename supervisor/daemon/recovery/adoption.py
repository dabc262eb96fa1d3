"""Taking over the sessions of an earlier supervisor: alive, ended while nobody watched, or lost.

Nothing new is granted until every living worker has reported, or its time to do so is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import Life, Starting
from supervisor.core.sessions.roster import Intent, Session
from supervisor.core.tasks.standing import Assigned
from supervisor.daemon.authority import Authority
from supervisor.daemon.pacing_memory import PacingMemory
from supervisor.daemon.recovery.reconciling import Reconciler
from supervisor.world.journal.entries import SessionRow
from supervisor.world.journal.errors import JournalError
from supervisor.world.launch import records

log = structlog.get_logger("leasehold")

REPORT_WITHIN = 10.0  # seconds that living workers have to report before grants go on without them


def refuse_while_workers_live(sessions: Path) -> None:
    """Refuse to begin a new journal while sessions live that it would not know.

    Raises:
        JournalError: it names them; their tasks would be started a second time.
    """
    folders = sorted(sessions.iterdir()) if sessions.is_dir() else []
    living = [folder.name for folder in folders if records.lock_is_held(folder)]
    if living:
        named = ", ".join(f"{name} (worker pid {records.holder(sessions / name)})" for name in living[:5])
        raise JournalError(
            f"--recover would forget living sessions: {named}; end their workers with TERM first"
        )


class Adoption:
    """Goes through the sessions that the journal calls alive."""

    def __init__(self, authority: Authority, reconciler: Reconciler, memory: PacingMemory) -> None:
        self._authority = authority
        self._reconciler = reconciler
        self._memory = memory
        self._give_up_at: float | None = None
        authority.on_time(self._seconds_left, self._ring)

    def take_over(self, rows: Iterable[SessionRow]) -> int:
        """Put the sessions on the roster with their leases, and find out what became of each."""
        authority = self._authority
        now = authority.now()
        taken: list[tuple[Session, SessionRow]] = []
        for row in rows:
            try:
                intent = msgspec.convert(row.intent, Intent)
            except msgspec.ValidationError as error:
                log.error("session.unreadable", session=row.id, why=str(error))
                continue
            session = Session(intent, Life(Starting(now)), intent.budget, progress_at=now.mono)
            authority.tables.roster.add(session)
            self._memory.take_up(session)
            conflict = authority.tables.broker.restore(session.id, intent.leases)
            if conflict is not None:
                log.error("lease.not_restored", session=session.id, held_by=conflict.holder)
            authority.tables.backlog.put(
                session.key, authority.tables.backlog.track(session.key).moved(Assigned(session.id))
            )
            authority.tables.wait_for_reports.add(session.id)
            taken.append((session, row))
        self._memory.forget_sessions()
        for session, row in taken:
            self._reconciler.inherit(session, begun=row.state != "starting")
        if authority.tables.wait_for_reports:
            self._give_up_at = now.mono + REPORT_WITHIN
        return len(taken)

    def _seconds_left(self, now: Moment) -> float | None:
        if self._give_up_at is None or not self._authority.tables.wait_for_reports:
            return None
        return max(0.0, self._give_up_at - now.mono)

    def _ring(self, now: Moment) -> list[Effect]:
        waiting = self._authority.tables.wait_for_reports
        if not waiting or self._give_up_at is None or now.mono < self._give_up_at:
            return []
        late = sorted(waiting)
        waiting.clear()
        notes: list[Effect] = []
        for session in late:
            data = {"within": REPORT_WITHIN, "why": self._reconciler.silent(session)}
            notes.append(Note("session.no_report", session, data=data))
        return notes
