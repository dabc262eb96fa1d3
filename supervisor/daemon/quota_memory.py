"""What earlier supervisors started still counts: a quota is a promise about the harness, not about this process."""

from __future__ import annotations

import math
from collections.abc import Iterable

from supervisor.core.decisions.tables import Tables
from supervisor.core.history.quota import Starts
from supervisor.core.moment import Moment
from supervisor.world.journal.entries import SessionRow
from supervisor.world.journal.journal import Journal

_MOST = 100_000  # sessions that are looked at
_LONGEST_SESSION = (
    86_400.0  # seconds by which a session that spent within the window may have begun before it
)


class QuotaMemory:
    """Reads the journal as far back as quotas look: at the start, and when a reload brings one that looks further.

    This supervisor counts what happens from its own start on, sessions that it took over included: it hears
    these again from their beginning, so they are not looked up.
    """

    def __init__(self, tables: Tables, journal: Journal, living: Iterable[SessionRow], now: Moment) -> None:
        self._tables = tables
        self._journal = journal
        self._taken_over = frozenset(row.id for row in living)
        self._known_since = math.inf  # also what a clock that was set back since puts into the future
        self.look_back(now)
        self._known_since = min(self._known_since, now.wall)

    def look_back(self, now: Moment) -> None:
        """Count the starts within the longest window of a quota, and what ended sessions spent."""
        window = max((quota.window for quota in self._tables.policy.quotas), default=0.0)
        since, until = now.wall - window, self._known_since
        if not window or since >= until:
            return
        rows = self._journal.sessions(_MOST, since_wall=since - _LONGEST_SESSION)
        older = Starts()
        for row in reversed(rows):
            if since < row.started_at <= until:
                older.add(_harness(row), row.started_at)
        for row in sorted(rows, key=lambda row: row.ended_at or 0.0):
            if row.ended_at is not None and since < row.ended_at <= until and row.id not in self._taken_over:
                _remember_spending(older, row, row.ended_at)
        self._tables.starts.precede(older)
        self._known_since = since


def _harness(row: SessionRow) -> str:
    return str(row.intent.get("harness", ""))


def _remember_spending(starts: Starts, row: SessionRow, at: float) -> None:
    heard = ((row.ending or {}).get("evidence") or {}).get("heard") or {}
    told = [heard.get(name) for name in ("tokens_in", "tokens_out", "cost_usd")]
    tokens, cost = told[:2] == [None, None], told[2] is None
    understood = bool(heard.get("model") or heard.get("native_session"))
    silent = understood and not any(
        heard.get(name) for name in ("turns", "tool_calls", "tokens_out", "files")
    )
    if (tokens or cost) and not silent:
        starts.told_nothing(_harness(row), at, tokens=tokens, cost=cost)
    tokens_in, tokens_out, spent = (value or 0 for value in told)
    if tokens_in or tokens_out or spent:
        starts.spend(_harness(row), at, int(tokens_in + tokens_out), float(spent))
