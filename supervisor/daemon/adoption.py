"""Taking over the sessions of an earlier supervisor: alive, ended while nobody watched, or lost.

Nothing new is granted until every living worker has reported, or its time to do so is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import Life, Starting
from supervisor.core.sessions.roster import Intent, Session
from supervisor.core.tasks.standing import Assigned
from supervisor.daemon.authority import Authority
from supervisor.daemon.fleet import Places, Workers
from supervisor.world.failpoint import failpoint
from supervisor.world.journal.entries import SessionRow
from supervisor.world.journal.errors import JournalError
from supervisor.world.launch import records
from supervisor.world.processes import open_pidfd

log = structlog.get_logger("leasehold")

REPORT_WITHIN = 10.0  # seconds that living workers have to report before grants go on without them
_TO_LOCK = 1.0  # seconds in which a worker that was just started takes its lock


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

    def __init__(self, authority: Authority, workers: Workers, places: Places, group: TaskGroup) -> None:
        self._authority = authority
        self._workers = workers
        self._places = places
        self._group = group
        self._give_up_at: float | None = None
        authority.on_time(self._seconds_left, self._ring)

    def take_over(self, rows: Iterable[SessionRow]) -> int:
        """Put the sessions on the roster with their leases, and find out what became of each."""
        authority = self._authority
        now = authority.now()
        count = 0
        for row in rows:
            try:
                intent = msgspec.convert(row.intent, Intent)
            except msgspec.ValidationError as error:
                log.error("session.unreadable", session=row.id, why=str(error))
                continue
            session = Session(intent, Life(Starting(now)), intent.budget, progress_at=now.mono)
            authority.tables.roster.add(session)
            conflict = authority.tables.broker.restore(session.id, intent.leases)
            if conflict is not None:
                log.error("lease.not_restored", session=session.id, held_by=conflict.holder)
            authority.tables.backlog.put(
                session.key, authority.tables.backlog.track(session.key).moved(Assigned(session.id))
            )
            count += 1
            failpoint("adopt.found")
            self._look(session)
        if authority.tables.wait_for_reports:
            self._give_up_at = now.mono + REPORT_WITHIN
        return count

    def _look(self, session: Session) -> None:
        folder = self._places.folder(session.id)
        if records.lock_is_held(folder):
            try:
                worker = records.read_worker(folder)
            except records.RecordError as error:
                log.error("worker.unreadable", session=session.id, why=str(error))
                worker = None
            pidfd = open_pidfd(worker) if worker else None
            if worker is not None and pidfd is not None:
                self._authority.tables.wait_for_reports.add(session.id)
                self._authority.do(
                    [Note("session.adopted", session.id, session.key, {"worker_pid": worker.pid})]
                )
                self._workers.adopt(session.id, worker, pidfd)
                return
        self._group.start_soon(self._no_worker, session, name=f"session {session.id}")

    async def _no_worker(self, session: Session) -> None:
        """End a session without a living worker, unless that is only just starting."""
        folder = self._places.folder(session.id)
        if folder.exists() and not (folder / "exit.json").exists() and not (folder / "worker.json").exists():
            await anyio.sleep(_TO_LOCK)
            records.withdraw(folder)
            if records.lock_is_held(folder):
                self._look(session)
                return
        await self._workers.finalise(session.id)

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
        return [Note("session.no_report", session, data={"within": REPORT_WITHIN}) for session in late]
