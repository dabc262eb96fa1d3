"""Whether a task that may run has its turn now: something may keep every task from starting."""

from __future__ import annotations

from supervisor.core.decisions.standstill import standstill
from supervisor.core.decisions.tables import Tables
from supervisor.core.moment import Moment


def would_run(tables: Tables, now: Moment) -> str:
    """Return the sentence for a task that nothing of its own keeps from running."""
    why = standstill(tables, now)
    return f"could run, but {why}" if why else "may run now"


def place(tables: Tables, key: str) -> int:
    """Return the task's number in the ranking, from 1; 0 when it is not ranked."""
    return next((n for n, work in enumerate(tables.backlog.ranked(), start=1) if work.task.key == key), 0)
