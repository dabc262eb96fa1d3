"""Forgetting old history, a little at a time, so that it never holds up a commit for long."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, field

from supervisor.world.journal.ticket import Ticket

_STEP = 0.010  # seconds that a step may take; its size is fitted to that, whatever the disk
_LEAST, _MOST = 20, 2_000  # rows deleted per step
_SHARE = 0.9  # of the bound is what remains once it was passed

_OLDEST = "SELECT seq, at FROM events ORDER BY seq LIMIT ?"
_SESSIONS = "DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE ended_at < ? LIMIT ?)"


@dataclass(slots=True)
class Pruning:
    """Delete sessions that ended, and events that happened, before `before` (Unix seconds), and give space back.

    Events go in the order of their numbers up to the first that is young enough; a clock that
    stepped back therefore keeps some longer, and leaves no hole in the sequence. Where what is left has more
    than `most` bytes, the oldest goes too, however young.
    """

    before: float
    most: int | None = None
    removed: int = 0
    ticket: Ticket = field(default_factory=Ticket)
    _rows: int = 100
    _shrinks: bool = False

    def step(self, connection: sqlite3.Connection) -> bool:
        """Delete one portion; return whether nothing is left to do.

        Raises:
            sqlite3.Error: it failed; what earlier steps deleted stays deleted.
        """
        began = time.monotonic()
        connection.execute("BEGIN IMMEDIATE")
        try:
            removed = self._delete(connection, self.before) or self._shrink(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.removed += removed
        freed = _give_back(connection, max(1, self._rows // 4))
        took = time.monotonic() - began
        if took > _STEP:
            self._rows = max(_LEAST, self._rows // 2)
        elif took < _STEP / 2:
            self._rows = min(_MOST, self._rows * 2)
        return not removed and not freed

    def _delete(self, connection: sqlite3.Connection, before: float) -> int:
        """Delete a portion of what is older; return how many rows that were."""
        last = None
        for seq, at in connection.execute(_OLDEST, (self._rows,)).fetchall():
            if at >= before:
                break
            last = seq
        events = 0
        if last is not None:
            events = connection.execute("DELETE FROM events WHERE seq <= ?", (last,)).rowcount
        return events + connection.execute(_SESSIONS, (before, self._rows)).rowcount

    def _shrink(self, connection: sqlite3.Connection) -> int:
        """Delete a portion of the oldest if the file holds too much; return how many rows that were."""
        if self.most is None:
            return 0
        used = _used(connection)
        if used <= self.most * (_SHARE if self._shrinks else 1.0):
            return 0
        self._shrinks = True
        too_much = 1.0 - self.most * _SHARE / used
        oldest = connection.execute(_OLDEST, (min(self._rows, _events(connection, too_much)),)).fetchall()
        if not oldest:
            return 0
        seq, at = oldest[-1]
        events = connection.execute("DELETE FROM events WHERE seq <= ?", (seq,)).rowcount
        return events + connection.execute(_SESSIONS, (at, self._rows)).rowcount


def _events(connection: sqlite3.Connection, share: float) -> int:
    """Return how many events are about that `share` (0 to 1) of all; a few at least."""
    first, last = connection.execute("SELECT min(seq), max(seq) FROM events").fetchone()
    return max(_LEAST, int(share * (last - first + 1))) if first is not None else _LEAST


def _used(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _give_back(connection: sqlite3.Connection, pages: int) -> int:
    """Give unused pages back to the file system; return how many that were."""
    (before,) = connection.execute("PRAGMA freelist_count").fetchone()
    if not before:
        return 0
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")  # execute() would free a single page
    (after,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(before - after)
