"""What earlier supervisors started still counts: a quota is a promise about the harness, not about this process."""

from __future__ import annotations

from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment
from supervisor.world.journal.journal import Journal

_MOST = 100_000  # sessions that are looked at


def remember_starts(tables: Tables, journal: Journal, now: Moment) -> None:
    """Count the starts within the longest window of a quota."""
    window = max((quota.window for quota in tables.policy.quotas), default=0.0)
    if not window:
        return
    rows = journal.sessions(_MOST, since_wall=now.wall - window)
    for row in reversed(rows):
        tables.starts.add(str(row.intent.get("harness", "")), row.started_at)
