"""What earlier supervisors started still counts: a quota is a promise about the harness, not about this process."""

from __future__ import annotations

from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment
from supervisor.world.journal.entries import SessionRow
from supervisor.world.journal.journal import Journal

_MOST = 100_000  # sessions that are looked at
# Seconds by which a session that spent within the window may have begun before it.
_LONGEST_SESSION = 86_400.0


def remember_starts(tables: Tables, journal: Journal, now: Moment) -> None:
    """Count the starts within the longest window of a quota, and what ended sessions spent."""
    window = max((quota.window for quota in tables.policy.quotas), default=0.0)
    if not window:
        return
    rows = journal.sessions(_MOST, since_wall=now.wall - window - _LONGEST_SESSION)
    for row in reversed(rows):
        tables.starts.add(str(row.intent.get("harness", "")), row.started_at)
    for row in sorted(rows, key=lambda row: row.ended_at or 0.0):
        if row.ended_at is not None:  # living ones are heard again from the beginning
            _remember_spending(tables, row, row.ended_at)


def _remember_spending(tables: Tables, row: SessionRow, at: float) -> None:
    harness = str(row.intent.get("harness", ""))
    heard = ((row.ending or {}).get("evidence") or {}).get("heard") or {}
    told = [heard.get(name) for name in ("tokens_in", "tokens_out", "cost_usd")]
    if told == [None, None, None]:
        tables.starts.told_nothing(harness, at)
        return
    tokens_in, tokens_out, cost = (value or 0 for value in told)
    tables.starts.spend(harness, at, int(tokens_in + tokens_out), float(cost))
