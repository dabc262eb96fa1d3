"""Whether a task that may run has its turn now: the supervisor may be paused, or its slots taken."""

from __future__ import annotations

from supervisor.core.decisions.admission import Open, admission_name
from supervisor.core.decisions.tables import Tables


def would_run(tables: Tables) -> str:
    """Return the sentence for a task that nothing of its own keeps from running."""
    if not isinstance(tables.admission, Open):
        return f"could run, but the supervisor is {admission_name(tables.admission)}"
    if len(tables.roster) >= tables.policy.max_sessions:
        return f"could run, but all {tables.policy.max_sessions} slots are taken"
    return "may run now"


def place(tables: Tables, key: str) -> int:
    """Return the task's number in the ranking, from 1; 0 when it is not ranked."""
    return next((n for n, work in enumerate(tables.backlog.ranked(), start=1) if work.task.key == key), 0)
