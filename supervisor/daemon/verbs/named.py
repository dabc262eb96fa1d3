"""A session by the name that somebody gave: its id, or the key of its task."""

from __future__ import annotations

from supervisor.core.decisions.tables import Tables
from supervisor.core.sessions.roster import Session
from supervisor.daemon.verbs.answers import not_found
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.methods import Params
from supervisor.world.journal.entries import SessionRow
from supervisor.world.journal.journal import Journal


class OneSession(Params, kw_only=True):
    """A session by id, or the last session of a task by its key."""

    session: str


def find(tables: Tables, name: str) -> Session | None:
    """Return a session, living or lately ended."""
    return tables.roster.find(name) or tables.roster.of_task(name)


def recorded(journal: Journal, name: str) -> SessionRow:
    """Return an ended session by its id, or the last one of a task.

    Raises:
        RpcError: there is none.
    """
    row = journal.session(name) or next(iter(journal.sessions(1, task=name)), None)
    if row is None:
        raise not_found("session", name, "`leasehold session list --all` names them")
    return row


def living(tables: Tables, journal: Journal, name: str) -> Session:
    """Return a session that has not ended.

    Raises:
        RpcError: it has, or there is none.
    """
    session = find(tables, name)
    if session is None:
        row = recorded(journal, name)
        told = (row.ending or {}).get("sentence") or row.state
        raise RpcError(Code.REFUSED, f"session {row.id} has ended: {told}")
    if not session.live():
        ending = session.ending()
        told = ending.sentence if ending else ""
        raise RpcError(Code.REFUSED, f"session {session.id} has ended: {told}")
    return session
