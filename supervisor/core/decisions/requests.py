"""What sessions and operators ask of the broker, and the answers in full sentences."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from supervisor.core.decisions.advance import woken
from supervisor.core.decisions.assign import fill
from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.decisions.entrusting import entrust, granted_since
from supervisor.core.decisions.holders import describe
from supervisor.core.decisions.standstill import unreported
from supervisor.core.decisions.tables import Tables
from supervisor.core.duration import format_duration
from supervisor.core.leases.lease import (
    Answer,
    Conflict,
    Granted,
    Lease,
    Refused,
    TimedOut,
    Waiting,
    Want,
    WouldDeadlock,
)
from supervisor.core.moment import Moment


@dataclass(frozen=True, slots=True)
class LeaseRefusal:
    """A refused request: the sentence that a user reads, and the same in parts for programs.

    `who` is the part of the sentence that names the holders, where there are any.
    """

    sentence: str
    data: dict[str, Any]
    who: str = ""


_NAMED = 3  # scopes that a sentence names


def acquire(
    tables: Tables, holder: str, wants: tuple[Want, ...], wait: float, now: Moment
) -> tuple[Granted | Waiting | LeaseRefusal, list[Effect]]:
    """Ask for leases, all or none; `wait` in seconds is cut to what the operator allows."""
    if (late := unreported(tables)) is not None:
        data = {"reason": "recovering", "sessions": sorted(tables.wait_for_reports)}
        return LeaseRefusal(f"{late}; try again in a moment", data), []
    limit = min(wait, tables.policy.leases.max_wait)
    session = tables.roster.get(holder)
    priority = -tables.backlog.rank(session.key)[1] if session and session.key in tables.backlog else 0
    newest = tables.broker.last_token
    result = tables.broker.acquire(holder, wants, now.mono, wait=limit, priority=priority)
    key = session.key if session else None
    who = session.id if session else None
    match result:
        case Granted(leases):
            data = {"scopes": [lease.scope.text for lease in leases], "holder": holder}
            fresh = granted_since(newest, leases)
            return result, [Note("lease.granted", who, key, data), *entrust(tables, holder, fresh)]
        case Waiting():
            tables.collisions.leases_waited += 1
            return result, [Note("lease.waiting", who, key, queued(tables, result, limit, now))]
        case _:
            refusal = refuse(tables, wants, result, now)
            if isinstance(result, WouldDeadlock):
                tables.collisions.deadlocks_refused += 1
            else:
                tables.collisions.leases_refused += 1
            return refusal, [Note("lease.refused", who, key, {**refusal.data, "holder": holder})]


def release(
    tables: Tables, holder: str, wants: Sequence[Want] | None, now: Moment
) -> tuple[list[Lease], list[Effect]]:
    """Give leases back; `None` gives back all. Return those that ended, of which the holder's worker is still to be told."""
    before = tables.broker.held(holder)
    scopes = None if wants is None else [want.scope for want in wants]
    answers = woken(tables, tables.broker.release(holder, scopes, now.mono))
    ended = [lease for lease in before if tables.broker.lease(lease.token) is None]
    session = tables.roster.get(holder)
    data = {"count": len(ended), "holder": holder}
    note = Note("lease.released", holder if session else None, session.key if session else None, data)
    freed = fill(tables, now) if ended else []
    return ended, [note, *answers, *freed]


def cancel(tables: Tables, waiter: int, now: Moment) -> list[Effect]:
    """Take a request out of the queue whose asker has gone."""
    return [*woken(tables, tables.broker.cancel(waiter, now.mono)), *fill(tables, now)]


def refuse(tables: Tables, wants: Sequence[Want], result: Answer | TimedOut, now: Moment) -> LeaseRefusal:
    """Put a refusal into words: what, who holds it, until when, and what to do next."""
    asked = ", ".join(want.scope.text for want in wants[:_NAMED]) + (" …" if len(wants) > _NAMED else "")
    match result:
        case WouldDeadlock(cycle, _):
            chain = " -> ".join(cycle)
            return LeaseRefusal(
                f"{asked}: waiting would close a cycle ({chain}); release what you hold, or take other work",
                {"reason": "deadlock", "cycle": list(cycle)},
            )
        case TimedOut(_, _, conflicts):
            return _held(tables, asked, wants, conflicts, now, "timed_out", "the wait ran out: ")
        case Refused(conflicts):
            return _held(tables, asked, wants, conflicts, now, "held", "")
        case Granted() | Waiting():
            raise ValueError("this request was not refused")


def queued(tables: Tables, result: Waiting, limit: float, now: Moment) -> dict[str, Any]:
    """Return what the event of a request tells that has to wait for `limit` seconds at most."""
    return {
        "scopes": [want.scope.text for want in result.wants],
        "holder": result.holder,
        "limit": limit,
        "behind": list(dict.fromkeys(other.holder for other in result.conflicts)),
        "why": f"{_in_the_way(tables, result.conflicts, now)}; waits {format_duration(limit)} at most",
    }


def lease_json(tables: Tables, lease: Lease, now: Moment) -> dict[str, Any]:
    """Return a lease in the form that `--json` prints; ages in seconds."""
    session = tables.roster.get(lease.holder)
    worker = session.worker() if session else None
    harness = session.harness() if session else None
    return {
        "scope": lease.scope.text,
        "kind": lease.scope.kind.value,
        "repo": lease.scope.repo,
        "mode": lease.mode.value,
        "holder": lease.holder,
        "task": session.key if session else None,
        "pid": harness.pid if harness else None,
        "worker_pid": worker.pid if worker else None,
        "token": lease.token,
        "age": round(max(0.0, now.mono - lease.granted_at), 3),
    }


def until(tables: Tables, conflict: Conflict, now: Moment) -> str:
    """Say how long a lease is held at most: until the budget of its holder is used up."""
    session = tables.roster.get(conflict.holder) if isinstance(conflict, Lease) else None
    if session is None:
        return ""
    left = session.budget.left(session.elapsed(now))
    return f", {format_duration(left)} more at most" if left > 0 else ", its budget has run out"


def ways_out(scopes: Sequence[str]) -> str:
    """Return what to do about scopes that somebody else holds."""
    named = shlex.join(scopes) if len(scopes) <= _NAMED else "PATH"
    return f"take other work, or wait for it: `leasehold lease acquire {named} --wait 5m`"


def _held(
    tables: Tables,
    asked: str,
    wants: Sequence[Want],
    conflicts: Sequence[Conflict],
    now: Moment,
    reason: str,
    prefix: str,
) -> LeaseRefusal:
    who = f"{prefix}{_in_the_way(tables, conflicts, now, bounded=True)}"
    named = "" if who.startswith(f"{asked} is ") else f"{asked}: "
    return LeaseRefusal(
        f"{named}{who}; {ways_out([want.scope.text for want in wants])}",
        {
            "reason": reason,
            "holders": [
                lease_json(tables, other, now) for other in conflicts[:10] if isinstance(other, Lease)
            ],
        },
        who,
    )


def _in_the_way(tables: Tables, conflicts: Sequence[Conflict], now: Moment, *, bounded: bool = False) -> str:
    return "; ".join(
        f"{other.scope.text} is {describe(tables, other, now)}{until(tables, other, now) if bounded else ''}"
        for other in conflicts[:_NAMED]
    )
