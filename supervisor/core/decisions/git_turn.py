"""Git's turn at a checkout: one session at a time runs git commands that take its locks."""

from __future__ import annotations

from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.ended import GIT
from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import parse_scopes
from supervisor.core.sessions.roster import Session


def turn(repo: str) -> Want:
    """Return the lease under which a session has its turn."""
    return Want(parse_scopes(f"{GIT}{repo}", "")[0], Mode.EXCLUSIVE)


def held_during_turn(tables: Tables, session: Session, path: str) -> str | None:
    """Return who else had a lease on a path when the git command began whose turn it is, and has it no more.

    What the command found in the file may be that session's work, cleaned up or released meanwhile.
    """
    repo, broker = session.intent.repo, tables.broker
    for lease in broker.who(turn(repo).scope):
        if lease.holder == session.id:
            return broker.ended_since(lease.token, session.id, repo, path)
    return None
