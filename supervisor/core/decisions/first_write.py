"""The first write of one file that stands in nobody's way: nearly every claim is that, and the session waits."""

from __future__ import annotations

from supervisor.core.decisions.gate import declares_paths
from supervisor.core.decisions.policy import StaleReads, Undeclared
from supervisor.core.decisions.stale import untold
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.lease import Lease
from supervisor.core.leases.scope import covers, file_scope
from supervisor.core.sessions.roster import Session

# A member of an enum costs a descriptor call at each use; a module's name is looked up at once.
_GRANT, _OFF = Undeclared.GRANT, StaleReads.OFF


def first_write(
    tables: Tables, session: Session, path: str, now: float, *, fold_case: bool = False
) -> Lease | None:
    """Lease one file where `claims.claim` would grant it and nothing else were to be said; `None`: ask that.

    `now` is CLOCK_BOOTTIME in seconds: no other clock matters here, and reading both takes its time.
    What it grants is still to be noted. With `None` nothing has changed.

    Raises:
        ScopeError: it is no path of a repository.
    """
    if tables.wait_for_reports or tables.closing:
        return None
    name = session.intent.repo
    rules = tables.policy.leases
    if rules.undeclared is not _GRANT and not declares_paths(session):
        return None
    if rules.stale_reads is not _OFF and untold(tables, session, path) is not None:
        return None
    repo = tables.policy.repos.get(name)
    if repo is not None and repo.exclude and any(covers(scope, path) for scope in repo.exclude):
        return None
    return tables.broker.acquire_one(session.id, file_scope(path, name, fold_case=fold_case), now)
