"""The tables, how each version became the next, and the bringing of a file up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from supervisor.world.journal.errors import JournalTooNewError

APPLICATION_ID = 0x4C454153  # "LEAS": tells this file from any other SQLite database

# The migration at index n leads from schema n to schema n + 1. What was released never changes.
MIGRATIONS: Sequence[Sequence[str]] = (
    (
        """CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL,
            session TEXT, task TEXT, data TEXT NOT NULL)""",
        "CREATE INDEX events_of_session ON events (session, seq) WHERE session IS NOT NULL",
        "CREATE INDEX events_of_task ON events (task, seq) WHERE task IS NOT NULL",
        """CREATE TABLE sessions (
            id TEXT PRIMARY KEY, task TEXT NOT NULL, intent TEXT NOT NULL, state TEXT NOT NULL,
            started_at REAL NOT NULL, ended_at REAL, outcome TEXT, ending TEXT,
            CHECK ((ended_at IS NULL) = (outcome IS NULL)))""",
        "CREATE UNIQUE INDEX one_live_session_per_task ON sessions (task) WHERE ended_at IS NULL",
        "CREATE INDEX sessions_by_start ON sessions (started_at)",
        "CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL",
        "CREATE INDEX sessions_of_task ON sessions (task, started_at)",
        "CREATE TABLE tasks (key TEXT PRIMARY KEY, disposition TEXT NOT NULL)",
        "CREATE TABLE queue (key TEXT PRIMARY KEY, task TEXT NOT NULL)",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE schedules (name TEXT PRIMARY KEY, last_due REAL NOT NULL, queued TEXT NOT NULL)",
        "CREATE TABLE generation (number INTEGER NOT NULL)",
        "INSERT INTO generation VALUES (0)",
    ),
    (
        "CREATE TABLE pacing (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name))",
        # A pause was the only part of it that was kept; text functions, because JSON ones may not be built in.
        """INSERT INTO pacing SELECT 'admission', '', '{"state":"paused",' || substr(value, 2)
            FROM meta WHERE key = 'supervisor.paused' AND value <> 'null'""",
        "DELETE FROM meta WHERE key = 'supervisor.paused'",
    ),
    ("ALTER TABLE sessions ADD COLUMN grade TEXT",),
)
LATEST = len(MIGRATIONS)


def version(connection: sqlite3.Connection) -> int:
    """Return the schema of the open file; 0 is an empty one."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> Path | None:
    """Bring the open file at `path` to the latest schema; return the copy kept of the old one.

    Each step is one transaction. A file that needs no step, or that was empty, is not copied.

    Raises:
        JournalTooNewError: the file is of a newer version.
        sqlite3.Error: a step failed; the file is as it was before that step.
    """
    found = version(connection)
    if found > len(migrations):
        raise JournalTooNewError(path, found, len(migrations))
    copy = None
    if 0 < found < len(migrations):
        copy = path.with_name(f"{path.name}.schema-{found}")
        with closing(sqlite3.connect(copy)) as target:
            connection.backup(target)
    for number, statements in enumerate(migrations[found:], start=found + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return copy
