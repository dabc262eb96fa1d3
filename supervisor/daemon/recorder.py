"""Writing down what happened: one note becomes a journal event, a log line and an event on the stream."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import structlog

from supervisor.core.decisions.effects import Note, SaveSession, SaveTask
from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import Ended
from supervisor.core.sessions.roster import Session
from supervisor.daemon.pacing_memory import PacingMemory
from supervisor.world.control.subscription import Subscription
from supervisor.world.journal.entries import Entry, Event, SessionRow, TaskRow
from supervisor.world.journal.errors import EntryRefusedError, JournalError, JournalOverflowError
from supervisor.world.journal.journal import Journal
from supervisor.world.journal.ticket import Ticket

log = structlog.get_logger("leasehold")

_LOUD = {  # what an operator wants to see without asking for more
    "session.ended": "info",
    "session.running": "info",
    "session.salvaged": "info",
    "session.unsalvaged": "error",
    "session.integrated": "info",
    "session.unintegrated": "warning",
    "session.integration_waits": "warning",
    "session.wish": "info",
    "session.unkillable": "error",
    "session.stray": "warning",
    "session.stray_ended": "info",
    "session.no_report": "warning",
    "session.unhooked": "warning",
    "worker.stood_still": "warning",
    "commit.refused": "warning",
    "lease.expired": "warning",
    "task.parked": "warning",
    "lane.paused": "warning",
    "lane.canary_failed": "warning",
    "lane.resumed": "info",
    "intensity.paused": "error",
    "intensity.canary_failed": "warning",
    "intensity.resumed": "info",
    "disk.low": "error",
    "disk.freed": "info",
    "harness.resting": "warning",
    "harness.stopped": "error",
    "harness.resumed": "info",
    "quota.used_up": "warning",
    "supervisor.admission": "info",
    "supervisor.reprioritized": "info",
    "supervisor.reloaded": "info",
    "supervisor.reload_refused": "error",
    "supervisor.signal": "info",
    "supervisor.started": "info",
    "supervisor.stopping": "info",
    "clock.stepped": "warning",
    "source.problem": "warning",
    "worktree.orphans": "warning",
    "worktree.salvaged": "warning",
    "schedule.skipped": "info",
}


_TOGETHER = 0.05  # seconds that an event waits for others, so that they are one write
_LATEST = 10_000  # events; the journal is behind by a few at most, or failing, and then it keeps them itself


class Recorder:
    """The one way into the journal.

    `quiet` says that nobody reads lines of level debug. `memory` adds what it finds changed to each batch.
    `stream` carries every event to those who follow; `latest` holds those that may not be on disk yet.
    """

    def __init__(
        self, tables: Tables, journal: Journal, memory: PacingMemory, *, quiet: bool = False
    ) -> None:
        self._tables = tables
        self._quiet = quiet
        self._journal = journal
        self._memory = memory
        self._seq = journal.last_seq()
        self._waiting: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self.stream = Subscription()
        self.latest: deque[Event] = deque(maxlen=_LATEST)

    @property
    def failure(self) -> JournalError | None:
        """Why nothing can be written just now; `None` while all is well."""
        return self._journal.failure

    @property
    def seq(self) -> int:
        """The number of the newest event."""
        return self._seq

    def record(self, effects: Iterable[Note | SaveSession | SaveTask], now: Moment) -> Ticket | None:
        """Hand everything to the journal in order; the ticket says when it is durable.

        Events that come without a row of a session or task wait a moment for others, so that a burst of
        lease requests is one write; they have no ticket.
        """
        entries = self._waiting
        events: list[Event] = []
        rows = False
        for effect in effects:
            match effect:
                case Note(kind, session, task, data):
                    self._seq += 1
                    event = Event(now.wall, kind, session, task, _spelled(data), self._seq)
                    events.append(event)
                    entries.append(event)
                case SaveSession(session_id):
                    found = self._tables.roster.find(session_id)
                    if found is not None:
                        entries.append(session_row(found))
                    rows = True
                case SaveTask(key):
                    entries.append(TaskRow(key, _spelled(self._tables.backlog.track(key).as_json())))
                    rows = True
        for event in events:
            _log(event, quiet=self._quiet)
            self.latest.append(event)
            if len(self.stream):
                self.stream.publish(event_json(event))
        if rows:
            return self.flush()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TOGETHER, self.flush)
        return None

    def submit(self, entries: Iterable[Entry]) -> Ticket:
        """Hand rows to the journal that no effect stands for: queue, schedule, meta."""
        self._waiting += entries
        return self.flush()

    def flush(self) -> Ticket:
        """Hand over what waits, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries, self._waiting = self._waiting, []
        changes = self._memory.changes()
        ticket = self._journal.submit([*entries, *changes])
        if changes:
            ticket.add_done_callback(self._memory_written)
        if self.latest:
            newest = self._seq
            ticket.add_done_callback(lambda ticket: self._events_written(ticket, newest))
        return ticket

    def _memory_written(self, ticket: Ticket) -> None:
        if isinstance(ticket.error, EntryRefusedError | JournalOverflowError):
            self._memory.forget_written()

    def _events_written(self, ticket: Ticket, newest: int) -> None:
        """Let go of the events that the journal has now: those of a storm name a thousand files each."""
        while ticket.error is None and self.latest and (self.latest[0].seq or 0) <= newest:
            self.latest.popleft()


def session_row(session: Session) -> SessionRow:
    """Return a session as the journal keeps it."""
    state = session.life.state
    ending = state.ending if isinstance(state, Ended) else None
    return SessionRow(
        id=session.id,
        task=session.key,
        intent=_spelled(msgspec.to_builtins(session.intent)),
        state=session.state_name,
        started_at=session.intent.created.wall,
        ended_at=state.at.wall if isinstance(state, Ended) else None,
        outcome=ending.outcome.value if ending else None,
        ending=_spelled({"sentence": ending.sentence, "evidence": ending.evidence}) if ending else None,
        grade=session.grade.as_json() if ending and session.grade else None,
    )


def event_json(event: Event, seq: int | None = None) -> dict[str, Any]:
    """Return an event in the form that `events --json` prints."""
    found: dict[str, Any] = {"seq": event.seq or seq, "at": event.at_wall, "kind": event.kind}
    if event.session is not None:
        found["session"] = event.session
    if event.task is not None:
        found["task"] = event.task
    found["data"] = dict(event.data)
    return found


def _log(event: Event, *, quiet: bool) -> None:
    level = _LOUD.get(event.kind, "debug")
    if quiet and level == "debug":
        return
    fields: dict[str, Any] = {}
    if event.session is not None:
        fields["session"] = event.session
    if event.task is not None:
        fields["task"] = event.task
    fields.update(_flat(event.data))
    getattr(log, level)(event.kind, **fields)


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a log line short: evidence and lists of leases are in the journal."""
    return {
        name: value
        for name, value in data.items()
        if name not in {"evidence", "passed_over", "leases", "event", "level"}
    }


def _spelled(value: Any) -> Any:
    """Spell out file names that are not UTF-8: JSON cannot carry them."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
        case Mapping():
            return {_spelled(name): _spelled(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_spelled(inner) for inner in value]
        case _:
            return value


def fresh_id() -> str:
    """Return a random id of eight characters; the journal refuses the one in a trillion that repeats."""
    return uuid.uuid4().hex[:8]
