"""What the supervisor's own journal says of its run: a second witness beside the sessions' logs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from supervisor.world.journal.entries import SessionRow
from supervisor.world.journal.errors import JournalError
from supervisor.world.journal.opening import NAME
from supervisor.world.journal.reader import Reader

_ALL = 1_000_000  # rows; more than a demonstration has


@dataclass(frozen=True, slots=True)
class Record:
    """Sessions by outcome, commits refused at the gate, and tasks that had two sessions at one time."""

    sessions: int
    outcomes: dict[str, int]
    commits_refused: int
    commits_allowed: int
    tasks_shared: int


def read_record(state: Path) -> Record:
    """Return the record of a supervisor that has ended; one that never opened its journal did nothing."""
    try:
        with Reader(state / NAME) as journal:
            rows = journal.sessions(_ALL)
            refused = len(journal.events(0, _ALL, kinds=("commit.refused",)))
            allowed = len(journal.events(0, _ALL, kinds=("commit.allowed",)))
    except JournalError:
        return Record(0, {}, 0, 0, 0)
    outcomes = Counter(row.outcome or row.state for row in rows)
    return Record(len(rows), dict(outcomes), refused, allowed, _shared(rows))


def _shared(rows: list[SessionRow]) -> int:
    """Return how many tasks had a session that began before their last one had ended."""
    by_task: dict[str, list[SessionRow]] = {}
    for row in sorted(rows, key=lambda row: row.started_at):
        by_task.setdefault(row.task, []).append(row)
    return sum(
        any(
            before.ended_at is None or before.ended_at > after.started_at
            for before, after in pairwise(of_task)
        )
        for of_task in by_task.values()
    )
