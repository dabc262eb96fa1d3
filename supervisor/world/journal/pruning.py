"""Forgetting old history, a little at a time, so that it never holds up a commit for long."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from supervisor.world.journal.ticket import Ticket

_ROWS = 2_000  # deleted per step
_PAGES = 1_000  # given back to the file system per step

_EVENTS = "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE seq < ? ORDER BY seq LIMIT ?)"
_SESSIONS = "DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE ended_at < ? LIMIT ?)"


@dataclass(slots=True)
class Pruning:
    """Delete sessions that ended, and events that happened, before `before` (Unix seconds).

    Events go in the order of their numbers up to the first that is young enough; a clock that
    stepped back therefore keeps some longer, and leaves no hole in the sequence.
    """

    before: float
    removed: int = 0
    ticket: Ticket = field(default_factory=Ticket)

    def step(self, connection: sqlite3.Connection) -> bool:
        """Delete one portion; return whether nothing is left to delete.

        Raises:
            sqlite3.Error: it failed; what earlier steps deleted stays deleted.
        """
        connection.execute("BEGIN IMMEDIATE")
        try:
            query = """SELECT coalesce((SELECT seq FROM events WHERE at >= ? ORDER BY seq LIMIT 1),
                (SELECT max(seq) + 1 FROM events), 0)"""
            (first_kept,) = connection.execute(query, (self.before,)).fetchone()
            events = connection.execute(_EVENTS, (first_kept, _ROWS)).rowcount
            sessions = connection.execute(_SESSIONS, (self.before, _ROWS)).rowcount
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.removed += events + sessions
        connection.executescript(f"PRAGMA incremental_vacuum({_PAGES})")  # execute() would free a single page
        return max(events, sessions) < _ROWS
