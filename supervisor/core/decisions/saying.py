"""What a session says of its own task, and notes on a task: recorded at once, heeded when the session ends."""

from __future__ import annotations

from dataclasses import replace

from supervisor.core.decisions.effects import Effect, Note, SaveSession, SaveTask
from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.said import Said
from supervisor.core.tasks.notes import TaskNote, with_note


def say(session: Session, said: Said) -> list[Effect]:
    """Take note of a session's word about its task; a later word takes the place of an earlier one."""
    session.said = said
    return [Note("session.said", session.id, session.key, said.as_json()), SaveSession(session.id)]


def note(
    tables: Tables, key: str, by: str, text: str, now: Moment, session: str | None = None
) -> list[Effect]:
    """Keep a note with the task; `session` is the one that wrote it."""
    track = tables.backlog.track(key)
    notes = with_note(track.notes, TaskNote(by, text, now.wall))
    tables.backlog.put(key, replace(track, notes=notes))
    return [Note("task.noted", session, key, {"by": by, "text": text}), SaveTask(key)]
