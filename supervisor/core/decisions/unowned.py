"""Uncommitted changes that no session made: a git command of a session may not throw them away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from supervisor.core.decisions.claims import refused
from supervisor.core.decisions.effects import Effect
from supervisor.core.decisions.requests import LeaseRefusal
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.coverage import Coverage
from supervisor.core.sessions.roster import Session

_SHOWN = 3  # paths that a refusal names
_TOLD = 100  # paths that its data lists: an answer is one line, and a longer one ends the connection


def unowned(tables: Tables, repo: str, paths: Iterable[str], *, fold_case: bool) -> tuple[str, ...]:
    """Return which paths nobody holds and no ended session left behind: what that left is kept elsewhere."""
    held = Coverage(
        (lease.scope for lease in tables.broker.leases() if lease.scope.repo == repo), fold_case=fold_case
    )
    left = {
        path for _, track in tables.backlog.tracks() if track.last is not None for path in track.last.dirty
    }
    return tuple(path for path in paths if path not in held and path not in left)


def spare(tables: Tables, session: Session, paths: Sequence[str]) -> tuple[LeaseRefusal, list[Effect]]:
    """Refuse a git command that would throw away changes of nobody; return what follows from that."""
    shown = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
    why = (
        f"this git command would throw away uncommitted changes that no session made, maybe a person's: {shown}; "
        "name the files it is to touch, as in `git restore -- FILE`"
    )
    refusal = LeaseRefusal(why, {"reason": "unowned", "paths": list(paths[:_TOLD]), "count": len(paths)})
    return refusal, refused(tables, session, refusal)
