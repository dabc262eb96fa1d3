"""Sessions that the journal knows no end of, seen without a supervisor: by their own locks and records."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from supervisor.daemon.verbs.sessions import files, row_summary, whole_row
from supervisor.world.journal.entries import SessionRow
from supervisor.world.journal.reader import Reader
from supervisor.world.launch.records import RecordError, look_at_lock, read_harness, read_worker


def unwatched(reader: Reader) -> list[dict[str, Any]]:
    """Return the sessions without an ending in the form of `ps`; see `seen` for their states."""
    return [seen(row, folder_of(reader, row)) for row in reader.load().sessions]


def folder_of(reader: Reader, row: SessionRow) -> Path:
    """Return the folder of a session of this journal."""
    return reader.path.parent / "sessions" / row.id


def seen(row: SessionRow, folder: Path) -> dict[str, Any]:
    """Return what can be seen of a session.

    It is in the state of the journal while its worker lives; `unsettled` once the worker has gone, since only a
    supervisor finds out what it left; `unknown` where this account may not look.
    """
    found = row_summary(row)
    if row.ended_at is not None:
        return found
    try:
        lives = look_at_lock(folder)
    except OSError:
        return found | {"state": "unknown"}
    if not lives:
        return found | {"state": "unsettled"}
    try:
        worker = read_worker(folder)
        harness = read_harness(folder, worker)
    except RecordError:
        return found
    return found | {
        "pid": harness.pid if harness else None,
        "worker_pid": worker.pid,
        "elapsed": round(time.time() - row.started_at, 3),
    }


def whole(reader: Reader, row: SessionRow) -> dict[str, Any]:
    """Return a session as `session show` has it."""
    folder = folder_of(reader, row)
    return {**whole_row(row), **seen(row, folder), **files(folder)}
