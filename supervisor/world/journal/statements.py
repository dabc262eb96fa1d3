"""Each entry as the SQL that writes it; made on the caller's thread, so that a later change of a mapping is not seen."""

from __future__ import annotations

import json
from typing import Any, assert_never

from supervisor.world.journal.entries import (
    Entry,
    Event,
    GradeRow,
    Meta,
    PacingDrop,
    PacingRow,
    QueueDrop,
    QueueRow,
    ScheduleRow,
    SessionRow,
    TaskDrop,
    TaskRow,
)

Statement = tuple[str, tuple[str | float | int | None, ...]]

SESSION_UPSERT = """INSERT INTO sessions (id, task, intent, state, started_at, ended_at, outcome, ending, grade)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET task = excluded.task, intent = excluded.intent, state = excluded.state,
    started_at = excluded.started_at, ended_at = excluded.ended_at, outcome = excluded.outcome,
    ending = excluded.ending, grade = excluded.grade
WHERE sessions.ended_at IS NULL"""
_GRADE = "UPDATE sessions SET grade = ? WHERE id = ?"
_EVENT = "INSERT INTO events (seq, at, kind, session, task, data) VALUES (?, ?, ?, ?, ?, ?)"
_TASK = "INSERT INTO tasks VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET disposition = excluded.disposition"
_TASK_DROP = "DELETE FROM tasks WHERE key = ?"
_QUEUE = "INSERT INTO queue VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET task = excluded.task"
_QUEUE_DROP = "DELETE FROM queue WHERE key = ?"
_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_SCHEDULE = """INSERT INTO schedules VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET last_due = excluded.last_due, queued = excluded.queued"""

_PACING = """INSERT INTO pacing VALUES (?, ?, ?)
ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value"""
_PACING_DROP = "DELETE FROM pacing WHERE kind = ? AND name = ?"


def statement(entry: Entry) -> Statement:
    """Return the SQL for `entry` and its parameters.

    Raises:
        TypeError: a value is nothing that JSON can hold.
        ValueError: a number is not finite, or a name is not valid Unicode.
    """
    sql, values = _statement(entry)
    for value in values:
        if isinstance(value, str):
            value.encode()  # a lone surrogate would only be found on the writer's thread
    return sql, values


def _statement(entry: Entry) -> Statement:
    match entry:
        case Event(at, kind, session, task, data, seq):
            return _EVENT, (seq, at, kind, session, task, _json(data))
        case SessionRow():
            ending = None if entry.ending is None else _json(entry.ending)
            grade = None if entry.grade is None else _json(entry.grade)
            known = (entry.id, entry.task, _json(entry.intent), entry.state, entry.started_at)
            return SESSION_UPSERT, (*known, entry.ended_at, entry.outcome, ending, grade)
        case GradeRow(session, graded):
            return _GRADE, (_json(graded), session)
        case TaskRow(key, disposition):
            return _TASK, (key, _json(disposition))
        case TaskDrop(key):
            return _TASK_DROP, (key,)
        case QueueRow(key, task):
            return _QUEUE, (key, _json(task))
        case QueueDrop(key):
            return _QUEUE_DROP, (key,)
        case Meta(key, value):
            return _META, (key, _json(value))
        case ScheduleRow(name, last_due, queued):
            return _SCHEDULE, (name, last_due, _json([list(slot) for slot in queued]))
        case PacingRow(kind, name, value):
            return _PACING, (kind, name, _json(value))
        case PacingDrop(kind, name):
            return _PACING_DROP, (kind, name)
        case _:
            assert_never(entry)


def _json(value: Any) -> str:
    # ASCII, because a file name that is no valid UTF-8 comes as lone surrogates, which SQLite refuses
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
