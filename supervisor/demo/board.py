"""The advisory notice board: claims and file leases as rows of a SQLite file that nobody has to obey.

Modelled on what such fleets use: a claim or lease is one atomic UPSERT, it names its holder and expires.
What it cannot do is keep anybody from going ahead.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

TTL = 1800.0  # seconds, as in the morning that is replayed: longer than any session of it
ATTEMPTS = 3  # failures after which a task is left alone

_SCHEMA = """
CREATE TABLE IF NOT EXISTS claims (
  task TEXT PRIMARY KEY, claimer TEXT, status TEXT, expires REAL, failures INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS leases (path TEXT PRIMARY KEY, holder TEXT, expires REAL);
"""


class Board:
    """One connection per question, as each tool call of a real session has."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        """Make the tables; done once, before any session starts."""
        with closing(self._connect()) as board:
            board.execute("PRAGMA journal_mode = WAL")
            board.executescript(_SCHEMA)

    def claim(self, task: str, session: str) -> str | None:
        """Claim a task; return who has it if that is somebody else."""
        with closing(self._connect()) as board:
            board.execute("BEGIN IMMEDIATE")
            row = board.execute(
                "SELECT claimer FROM claims WHERE task = ? AND status = 'claimed' AND expires > ?",
                (task, time.time()),
            ).fetchone()
            if row is None:
                board.execute(
                    "INSERT INTO claims (task, claimer, status, expires) VALUES (?, ?, 'claimed', ?) ON CONFLICT "
                    "(task) DO UPDATE SET claimer = excluded.claimer, status = 'claimed', expires = excluded.expires",
                    (task, session, time.time() + TTL),
                )
            board.execute("COMMIT")
        return None if row is None or row[0] == session else str(row[0])

    def complete(self, task: str) -> None:
        """Say that a task is done, whoever had claimed it."""
        self._end(task, "completed", 0)

    def abandon(self, task: str) -> None:
        """Say that a session gave a task up."""
        self._end(task, "abandoned", 1)

    def closed(self) -> frozenset[str]:
        """Return the tasks that are done, or failed too often."""
        with closing(self._connect()) as board:
            query = "SELECT task FROM claims WHERE status = 'completed' OR failures >= ?"
            return frozenset(row[0] for row in board.execute(query, (ATTEMPTS,)))

    def leased(self) -> frozenset[str]:
        """Return the paths that somebody holds."""
        with closing(self._connect()) as board:
            query = "SELECT path FROM leases WHERE expires > ?"
            return frozenset(row[0] for row in board.execute(query, (time.time(),)))

    def acquire(self, paths: Sequence[str], session: str) -> str | None:
        """Lease paths, all or none; return which is in the way and who holds it."""
        marks = ", ".join("?" * len(paths))
        with closing(self._connect()) as board:
            board.execute("BEGIN IMMEDIATE")
            row = board.execute(
                f"SELECT path, holder FROM leases WHERE path IN ({marks}) AND holder <> ? AND expires > ?",  # noqa: S608  - only marks are filled in
                (*paths, session, time.time()),
            ).fetchone()
            if row is None:
                board.executemany(
                    "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)",
                    [(path, session, time.time() + TTL) for path in paths],
                )
            board.execute("COMMIT")
        return None if row is None else f"{row[0]} is held by session {row[1]}"

    def release(self, session: str) -> None:
        """Give back everything that a session holds."""
        with closing(self._connect()) as board:
            board.execute("DELETE FROM leases WHERE holder = ?", (session,))

    def _end(self, task: str, status: str, failures: int) -> None:
        with closing(self._connect()) as board:
            # A task that is done stays done: the one who gives up later does not reopen it.
            board.execute(
                "UPDATE claims SET status = ?, failures = failures + ? WHERE task = ? AND status <> 'completed'",
                (status, failures, task),
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, timeout=10.0)
