"""What can go wrong with the journal; each message names the thing, the place and the way out."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from supervisor.world.journal.locks import lock_holders


class JournalError(Exception):
    """The journal could not be opened, read or written."""


class JournalLockedError(JournalError):
    """Another process has it; `pid` is that process where it can be known."""

    def __init__(self, path: Path, pid: int | None, since: str = "", answers_at: str = "") -> None:
        self.path = path
        self.pid = pid
        who = "another process" if pid is None else f"process {pid}"
        more = f" since {since}" * bool(since) + f" that answers at {answers_at}" * bool(answers_at)
        super().__init__(
            f"{path.parent} belongs to {who}, a running supervisor{more}; "
            "stop that one, or give this one another supervisor.state_dir"
        )


class JournalTooNewError(JournalError):
    """A newer version of the program wrote it."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        self.path = path
        self.found = found
        self.known = known
        super().__init__(
            f"{path} has schema {found}, this version knows up to {known}; "
            "run the newer version, or set another supervisor.state_dir"
        )


class JournalCorruptError(JournalError):
    """It is truncated or damaged."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(
            f"{path} is damaged ({why}); restore a copy, or `leasehold run --recover` moves it aside and begins a new one"
        )


class JournalOverflowError(JournalError):
    """Too much waits to be written; these entries were not kept."""


class EntryRefusedError(JournalError):
    """The database refused one batch; no entry of it was written, and it is not tried again."""


class TaskAlreadyLive(EntryRefusedError):  # noqa: N818  - it names a fact of the domain, not a fault
    """The task has a live session, so that a second one was refused."""

    def __init__(self, task: str, session: str) -> None:
        self.task = task
        self.session = session
        super().__init__(f'task "{task}" already has a live session, {session}; wait for its end, or stop it')


def explain(error: sqlite3.Error, path: Path) -> JournalError:
    """Return the error of SQLite as one line with the way out."""
    code = getattr(error, "sqlite_errorcode", None)
    match None if code is None else code & 0xFF:  # the low byte is the primary code
        case sqlite3.SQLITE_FULL:
            return JournalError(f"{path}: the disk is full; free space on its file system")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return JournalError(
                f"{path} cannot be written ({error}); make it and its directory writable, "
                "or set another supervisor.state_dir"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            pids = ", ".join(map(str, lock_holders(path, Path(f"{path}-shm"))))
            who = f"process {pids}" if pids else "another process"
            return JournalError(f"{path} is locked by {who}; end that process")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return JournalCorruptError(path, str(error))
        case sqlite3.SQLITE_IOERR:
            return JournalError(f"{path}: {error}; check the disk and the limits on file sizes")
        case _:
            return JournalError(f"{path}: {error}")
