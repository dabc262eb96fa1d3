"""Opening the journal's file for writing: made, checked, moved aside or brought up to date."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.journal import schema
from supervisor.world.journal.errors import JournalCorruptError, JournalError, JournalTooNewError, explain
from supervisor.world.journal.mounts import network_filesystem

NAME = "journal.db"
_BESIDE = ("", "-wal", "-shm")  # the file, and what SQLite keeps next to it
_BUSY_S = 5.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """A damaged journal was moved aside; what it held is unknown to this supervisor."""

    moved_to: Path
    why: str

    def sentence(self) -> str:
        """Return the one line that a user reads."""
        return f"the journal was damaged ({self.why}) and moved to {self.moved_to}; a new one was begun"


@dataclass(frozen=True, slots=True)
class Opened:
    """The connection for the writer, and what had to be done to get it."""

    path: Path
    connection: sqlite3.Connection
    recovery: Recovery | None
    copy: Path | None  # of the old schema, made before it was changed


def open_for_writing(state_dir: Path, *, recover: bool) -> Opened:
    """Open the journal in `state_dir`, whose lock the caller holds; make it if there is none.

    Raises:
        JournalCorruptError: it is damaged, and `recover` is false.
        JournalTooNewError: a newer version wrote it.
        JournalError: it cannot be read or written, or would not be on a local disk.
    """
    path = state_dir / NAME
    recovery = None
    try:
        if network := network_filesystem(state_dir):
            raise JournalError(
                f"{path} would be on a network file system ({network}), where a crash can damage it; "
                "set supervisor.state_dir to a local disk"
            )
        try:
            connection = _open(path)
        except JournalCorruptError as error:
            if not recover:
                raise
            recovery = Recovery(_move_aside(path), error.why)
            connection = _open(path)
        try:
            copy = schema.migrate(connection, path)
            connection.execute("UPDATE generation SET number = number + 1")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain(error, path) from error
    except OSError as error:
        raise JournalError(
            f"{path}: {error.strerror}; make its directory writable, with space left"
        ) from error
    return Opened(path, connection, recovery, copy)


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        if Path(f"{path}-wal").exists():  # would be replayed into the new file
            raise JournalCorruptError(path, "the file is missing, but its log is there")
        _create(path)
    if path.stat().st_size == 0:  # it is never made empty
        raise JournalCorruptError(path, "it is empty")
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
    try:
        _check(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 16777216")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise explain(error, path) from error
        raise
    return connection


def _create(path: Path) -> None:
    """Make the file under another name and rename it, so that a crash never leaves half of one."""
    draft = path.with_name(f"{path.name}.new")
    for leftover in (draft, Path(f"{draft}-journal")):
        leftover.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        schema.migrate(connection, draft)
    draft.chmod(0o600)
    draft.rename(path)
    _sync(path.parent)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found = schema.version(connection)
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != schema.APPLICATION_ID:
        raise JournalError(f"{path} is a database of another program; set another supervisor.state_dir")
    if found > schema.LATEST:
        raise JournalTooNewError(path, found, schema.LATEST)
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise JournalCorruptError(path, " ".join(verdict.split()))


def _move_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 1
    while any(Path(f"{target}{end}").exists() for end in _BESIDE):
        number += 1
        target = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    for end in _BESIDE:
        source = Path(f"{path}{end}")
        if source.exists():
            source.rename(f"{target}{end}")
    _sync(path.parent)
    return target


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
