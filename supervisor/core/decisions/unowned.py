"""Uncommitted changes that no session made: a git command of a session may not throw them away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from supervisor.core.decisions.claims import refused
from supervisor.core.decisions.effects import Effect
from supervisor.core.decisions.requests import LeaseRefusal
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.coverage import Coverage
from supervisor.core.sessions.roster import Session

_SHOWN = 3  # paths that a refusal names
_WAYS_OUT = {
    "tracked": "name the files it is to touch, as in `git restore -- FILE`",
    "untracked": "remove the files by name: `rm -- FILE`",
    "both": "name the files it is to touch, as in `git stash push -u -- FILE`",
}
_TOLD = 100  # paths that its data lists: an answer is one line, and a longer one ends the connection


def unowned(
    tables: Tables,
    repo: str,
    changed: Mapping[str, float],
    *,
    fold_case: bool,
    apart_from: frozenset[int] = frozenset(),
) -> tuple[str, ...]:
    """Return which paths nobody holds and no ended session left as they are: what that left is kept elsewhere.

    `changed` tells when each was written (Unix seconds). Leases `apart_from` which (tokens) it is asked are those of the
    git command itself, on all of the checkout.
    """
    held = Coverage(
        (
            lease.scope
            for lease in tables.broker.leases()
            if lease.scope.repo == repo and lease.token not in apart_from
        ),
        fold_case=fold_case,
    )
    left: dict[str, float] = {}
    for _, track in tables.backlog.tracks():
        if track.last is not None and track.last.repo in {repo, ""}:
            for path in track.last.dirty:
                left[path] = max(track.last.at, left.get(path, 0.0))
    return tuple(path for path, at in changed.items() if path not in held and at > left.get(path, 0.0))


def spare(
    tables: Tables, session: Session, paths: Sequence[str], what: str
) -> tuple[LeaseRefusal, list[Effect]]:
    """Refuse a git command that would throw away changes of nobody; return what follows from that.

    `what` it takes is "tracked", "untracked" or "both".
    """
    shown = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
    why = (
        f"this git command would throw away uncommitted changes that no session made, maybe a person's: {shown}; "
        + _WAYS_OUT[what]
    )
    refusal = LeaseRefusal(why, {"reason": "unowned", "paths": list(paths[:_TOLD]), "count": len(paths)})
    return refusal, refused(tables, session, refusal)
