"""Integration: the commits on a session's own branch, moved to the branch that they are for, or why not."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from supervisor.core.sessions.salvage import listed

RECORDED = 200  # paths in an event
BRANCHES = "leasehold/"  # begins the names of sessions' own branches


def branch_of(session: str) -> str:
    """Return the short name of a session's own branch."""
    return f"{BRANCHES}{session}"


class Hitch(enum.Enum):
    """What kept commits on the session's own branch."""

    UNFINISHED = "unfinished"  # the session did not end well, so nobody said that its work is done
    CONFLICT = "conflict"  # the target has other versions of the same lines
    UNRESOLVED = "unresolved"  # the session was told of a conflict, and left it as it was
    CHECK = "check"  # the repository's check failed on them
    REFUSED = "refused"  # they touch paths that the session may not change
    LEASED = "leased"  # they touch paths that another session holds
    HELD = "held"  # the target cannot be moved just now, and that was waited for in vain
    FAULT = "fault"  # git could not do it


@dataclass(frozen=True, slots=True)
class Integrated:
    """The commits are part of `target`, whose commit `commit` was the first to have all of them.

    `base` is the commit before the first of them, where that is still known.
    """

    target: str
    commit: str
    base: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the form that evidence and events have."""
        return {"target": self.target, "commit": self.commit}


@dataclass(frozen=True, slots=True)
class Unintegrated:
    """The commits are on `branch` only. `paths` are in conflict; `tail` is what the check printed last."""

    hitch: Hitch
    branch: str
    target: str
    why: str
    paths: tuple[str, ...] = ()
    tail: str = ""

    def sentence(self) -> str:
        """Return in words where the commits are, and what kept them there."""
        return f"kept on branch {self.branch}, not in {self.target}: {self.why}"

    def as_json(self) -> dict[str, Any]:
        """Return the form that evidence and events have."""
        found: dict[str, Any] = {
            "hitch": self.hitch.value,
            "branch": self.branch,
            "target": self.target,
            "why": self.why,
        }
        if self.paths:
            found |= {"paths": list(self.paths[:RECORDED]), "count": len(self.paths)}
        if self.tail:
            found["tail"] = self.tail
        return found


def brought_in(count: int, at_the_end: Integrated | Unintegrated | None) -> str:
    """Return what is told of commits that came in while the session still ran."""
    into = f" into {at_the_end.target}" if at_the_end is not None else ""
    return f"{count} commit{'s' * (count > 1)} integrated{into} while it ran"


def where(newest: str, integration: Integrated | Unintegrated | None) -> str:
    """Return in words where commits are, of which `newest` is the last; without a branch of their own, where they were made."""
    match integration:
        case None:
            return f"landed ({newest[:10]})"
        case Integrated(target, commit):
            return f"integrated into {target} ({commit[:10]})"
        case Unintegrated() as kept:
            return kept.sentence()


def conflict(branch: str, target: str, paths: tuple[str, ...], notes: str = "") -> Unintegrated:
    """Return what is told of commits that the target's own versions are in the way of."""
    why = f"they conflict with it in {listed(paths)}" + (f" ({notes})" if notes else "")
    return Unintegrated(Hitch.CONFLICT, branch, target, why, paths)
