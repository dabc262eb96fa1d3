"""Why nothing starts now, whatever the task: one sentence for status, next and explain."""

from __future__ import annotations

from supervisor.core.decisions import intensity
from supervisor.core.decisions.admission import Open, admission_name
from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment


def standstill(tables: Tables, now: Moment) -> str | None:
    """Return what keeps every task from starting, `None` when nothing does."""
    if not isinstance(tables.admission, Open):
        return f"the supervisor is {admission_name(tables.admission)}"
    if (why := unreported(tables)) is not None:
        return why
    if tables.shortage is not None:
        return tables.shortage.why
    if (waits := intensity.verdict(tables, now)) is not None:
        return waits.why
    if len(tables.roster) >= tables.policy.max_sessions:
        return f"all {tables.policy.max_sessions} slots are taken"
    return None


def unreported(tables: Tables) -> str | None:
    """Return which sessions are waited for before anything is granted; `None` when all have said what they hold."""
    if not tables.wait_for_reports:
        return None
    named = ", ".join(sorted(tables.wait_for_reports))
    return f"sessions of an earlier supervisor have not reported yet: {named}"
