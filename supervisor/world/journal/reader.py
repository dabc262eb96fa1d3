"""Reading the journal on a connection of its own, beside the writer or while no supervisor runs."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from supervisor.world.journal import schema
from supervisor.world.journal.entries import Event, PacingRow, QueueRow, ScheduleRow, SessionRow, TaskRow
from supervisor.world.journal.errors import JournalCorruptError, JournalError, JournalTooNewError, explain

_SESSION = "SELECT id, task, intent, state, started_at, ended_at, outcome, ending, grade FROM sessions"
_EVENT = "SELECT seq, at, kind, session, task, data FROM events"


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the journal; `seq` only grows, with gaps, and is never used twice."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a starting supervisor needs: the rows of what is not over, and no history.

    `queue` is in the order of adding. `generation` counts the supervisors that opened the journal.
    """

    sessions: tuple[SessionRow, ...]
    tasks: tuple[TaskRow, ...]
    queue: tuple[QueueRow, ...]
    meta: Mapping[str, Any]
    schedules: tuple[ScheduleRow, ...]
    pacing: tuple[PacingRow, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of the file, and what they are: events, the first of them at `since` (Unix seconds), and sessions."""

    bytes: int
    events: int
    since: float | None
    sessions: int


class Reader:
    """A read-only view; each call sees what was durable when it began. Safe to call from any thread."""

    def __init__(self, path: Path) -> None:
        """Open the journal file at `path`.

        Raises:
            JournalError: it is missing, of another schema, damaged or unreadable.
        """
        self.path = path
        self._lock = threading.Lock()
        self._connection = _connect(path)

    def load(self) -> Snapshot:
        """Return the state to start from."""
        with self._lock, _Explained(self.path):
            read = self._connection.execute
            read("BEGIN")  # one transaction, so that all tables are of the same instant
            try:
                return Snapshot(
                    sessions=tuple(
                        map(_session, read(f"{_SESSION} WHERE ended_at IS NULL ORDER BY started_at, id"))
                    ),
                    tasks=tuple(
                        TaskRow(k, json.loads(v)) for k, v in read("SELECT * FROM tasks ORDER BY key")
                    ),
                    queue=tuple(
                        QueueRow(k, json.loads(v)) for k, v in read("SELECT * FROM queue ORDER BY rowid")
                    ),
                    meta={k: json.loads(v) for k, v in read("SELECT * FROM meta ORDER BY key")},
                    schedules=tuple(map(_schedule, read("SELECT * FROM schedules ORDER BY name"))),
                    pacing=tuple(
                        PacingRow(kind, name, json.loads(value))
                        for kind, name, value in read(
                            "SELECT kind, name, value FROM pacing ORDER BY kind, name"
                        )
                    ),
                    generation=read("SELECT number FROM generation").fetchone()[0],
                )
            finally:
                self._connection.execute("ROLLBACK")

    def events(
        self,
        after_seq: int,
        limit: int,
        *,
        kinds: Sequence[str] = (),
        session: str | None = None,
        task: str | None = None,
    ) -> list[Recorded]:
        """Return up to `limit` events after `after_seq`, oldest first; no `kinds` means all."""
        where, values = _filter(kinds, session, task)
        query = f"{_EVENT} WHERE seq > ?{where} ORDER BY seq LIMIT ?"
        return [_recorded(row) for row in self._read(query, (after_seq, *values, limit))]

    def recent(
        self, limit: int, *, kinds: Sequence[str] = (), session: str | None = None, task: str | None = None
    ) -> list[Recorded]:
        """Return the last `limit` events, oldest first."""
        where, values = _filter(kinds, session, task)
        query = f"{_EVENT} WHERE seq > 0{where} ORDER BY seq DESC LIMIT ?"
        return [_recorded(row) for row in reversed(self._read(query, (*values, limit)))]

    def size(self) -> Size:
        """Return how much the file holds."""
        rows = self._read(
            """SELECT page_count * page_size, (SELECT count(*) FROM events), (SELECT min(at) FROM events),
            (SELECT count(*) FROM sessions) FROM pragma_page_count(), pragma_page_size()""",
            (),
        )
        return Size(*rows[0])

    def last_seq(self) -> int:
        """Return the number of the newest event, 0 if there never was one."""
        rows = self._read("SELECT seq FROM sqlite_sequence WHERE name = 'events'", ())
        return int(rows[0][0]) if rows else 0

    def session(self, id_: str) -> SessionRow | None:
        """Return one session, `None` if it is not known (any more)."""
        rows = self._read(f"{_SESSION} WHERE id = ?", (id_,))
        return _session(rows[0]) if rows else None

    def sessions(
        self,
        limit: int,
        *,
        task: str | None = None,
        outcome: str | None = None,
        since_wall: float | None = None,
    ) -> list[SessionRow]:
        """Return up to `limit` sessions, newest first, live ones too; `since_wall` is a least start."""
        clauses = {"task = ?": task, "outcome = ?": outcome, "started_at >= ?": since_wall}
        wanted = {clause: value for clause, value in clauses.items() if value is not None}
        where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
        query = f"{_SESSION}{where} ORDER BY started_at DESC, rowid DESC LIMIT ?"
        return [_session(row) for row in self._read(query, (*wanted.values(), limit))]

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock, _Explained(self.path):
            return self._connection.execute(query, values).fetchall()


class _Explained:
    """Turns an error of SQLite inside the block into a `JournalError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(value, sqlite3.Error):
            raise explain(value, self._path) from value


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise JournalError(f"{path} does not exist; no supervisor has run with this supervisor.state_dir")
    with _Explained(path):
        connection = _open(path)
        try:
            found = schema.version(connection)
        except sqlite3.Error:
            connection.close()
            raise
    if found == schema.LATEST:
        return connection
    connection.close()
    if found > schema.LATEST:
        raise JournalTooNewError(path, found, schema.LATEST)
    if found == 0:
        raise JournalCorruptError(path, "it has no tables")
    raise JournalError(
        f"{path} has the older schema {found}; start the supervisor once, it brings it up to date"
    )


def _open(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    # Without a log beside it the file is complete; then a reader that may not create one needs none.
    if not Path(f"{path}-wal").exists() and not os.access(path.parent, os.W_OK):
        uri += "&immutable=1"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _filter(kinds: Sequence[str], session: str | None, task: str | None) -> tuple[str, tuple[str, ...]]:
    where, values = "", tuple(kinds)
    if kinds:
        where = f" AND kind IN ({', '.join('?' * len(kinds))})"
    if session is not None:
        where, values = f"{where} AND session = ?", (*values, session)
    if task is not None:
        where, values = f"{where} AND task = ?", (*values, task)
    return where, values


def _recorded(row: tuple[Any, ...]) -> Recorded:
    seq, at, kind, session, task, data = row
    return Recorded(seq, Event(at, kind, session, task, json.loads(data)))


def _session(row: tuple[Any, ...]) -> SessionRow:
    id_, task, intent, state, started_at, ended_at, outcome, ending, grade = row
    told = None if ending is None else json.loads(ending)
    graded = None if grade is None else json.loads(grade)
    return SessionRow(id_, task, json.loads(intent), state, started_at, ended_at, outcome, told, graded)


def _schedule(row: tuple[Any, ...]) -> ScheduleRow:
    name, last_due, queued = row
    return ScheduleRow(name, last_due, tuple((at, number) for at, number in json.loads(queued)))
