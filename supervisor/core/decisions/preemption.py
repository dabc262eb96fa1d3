"""Which sessions give way after a re-ranking: only those whose end lets a better task start."""

from __future__ import annotations

from supervisor.core.decisions.admission import Open
from supervisor.core.decisions.selection import Fit, Reason, explain, harness_full
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.lease import Mode
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import Run, Running, Settling, Stopping, Unkillable
from supervisor.core.sessions.roster import Session
from supervisor.core.tasks.backlog import Rank, Work


def giving_way(tables: Tables, now: Moment) -> list[tuple[Session, str]]:
    """Return the sessions to preempt, each with the key of the task that it gives way to.

    Call it when all free slots are filled. A task that something else keeps back preempts nobody, and
    neither does one that starts anyway when those already on their way out are gone.
    """
    if not isinstance(tables.admission, Open) or not tables.policy.pool or tables.wait_for_reports:
        return []
    leaving = [session for session in tables.roster if _leaves(session)]
    staying = sorted(
        (session for session in tables.roster if _may_go(tables, session, now)),
        key=lambda session: _rank(tables, session),
        reverse=True,
    )
    found: list[tuple[Session, str]] = []
    for work in tables.backlog.ranked():
        rank = tables.backlog.rank(work.task.key)
        outranked = [session for session in staying if rank[:2] < _rank(tables, session)[:2]]
        if not outranked:
            break
        for session in _in_the_way(tables, work, leaving, outranked, now):
            if session in leaving:
                leaving.remove(session)
            else:
                staying.remove(session)
                found.append((session, work.task.key))
    return found


def _in_the_way(
    tables: Tables, work: Work, leaving: list[Session], outranked: list[Session], now: Moment
) -> list[Session]:
    """Return the sessions whose end lets this task start; none when that would not be enough."""
    verdict = explain(tables, work, now)
    name = work.task.harness
    first = [*leaving, *outranked]  # whoever leaves anyway is counted on first
    if isinstance(verdict, Fit):
        return first[:1]
    if verdict.reason is Reason.HARNESS_FULL:
        return [session for session in first if name in (None, session.intent.harness)][:1]
    if verdict.reason is not Reason.LEASED:
        return []
    holders = {
        lease.holder
        for want in work.wants
        for lease in tables.broker.who(want.scope)
        if Mode.EXCLUSIVE in (want.mode, lease.mode)
    }
    held_by = [session for session in first if session.id in holders]
    if len(held_by) < len(holders) or not _has_harness(tables, name, held_by, now):
        return []
    return held_by


def _has_harness(tables: Tables, name: str | None, ending: list[Session], now: Moment) -> bool:
    """Tell whether a harness of that name (any, for `None`) has room once these sessions have ended."""
    harnesses = tables.policy.harnesses
    for candidate in harnesses if name is None else {name} & harnesses.keys():
        full = harness_full(tables, candidate, now)
        frees = any(session.intent.harness == candidate for session in ending)
        if full is None or (full.reason is Reason.HARNESS_FULL and frees):
            return True
    return False


def _leaves(session: Session) -> bool:
    wanted_gone = session.after_turn is not None or not isinstance(session.life.wish, Run)
    return wanted_gone or isinstance(session.life.state, Stopping | Unkillable | Settling)


def _may_go(tables: Tables, session: Session, now: Moment) -> bool:
    runs = isinstance(session.life.state, Running) and not _leaves(session)
    return runs and session.elapsed(now) >= tables.policy.selection.min_runtime


def _rank(tables: Tables, session: Session) -> Rank:
    task = session.intent.task
    if session.key in tables.backlog:
        return tables.backlog.rank(session.key)
    return (int(task.tier), -task.priority, task.created, task.key)
