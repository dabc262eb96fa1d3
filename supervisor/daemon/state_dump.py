"""The whole state, written to the log for somebody who has to find out what happened."""

from __future__ import annotations

import structlog

from supervisor.core.decisions.admission import admission_name
from supervisor.core.tasks.standing import standing_name
from supervisor.daemon.authority import Authority

log = structlog.get_logger("leasehold")


def dump_state(authority: Authority) -> None:
    """Log the tables, one line a row."""
    tables, now = authority.tables, authority.now()
    log.warning(
        "dump.supervisor",
        admission=admission_name(tables.admission),
        slots=f"{len(tables.roster)}/{tables.policy.max_sessions}",
        ranking=tables.ranking,
        collisions=tables.collisions.as_json(),
    )
    for session in tables.roster:
        log.warning(
            "dump.session",
            session=session.id,
            task=session.key,
            state=repr(session.life.state),
            wish=repr(session.life.wish),
            elapsed=round(session.elapsed(now), 1),
        )
    for lease in tables.broker.leases():
        log.warning(
            "dump.lease",
            holder=lease.holder,
            scope=lease.scope.text,
            repo=lease.scope.repo,
            mode=lease.mode.value,
            token=lease.token,
        )
    for waiter in tables.broker.waiting():
        log.warning("dump.waiter", holder=waiter.holder, scopes=[want.scope.text for want in waiter.wants])
    for work in tables.backlog.works():
        key = work.task.key
        log.warning("dump.task", task=key, standing=standing_name(tables.backlog.track(key).standing))
