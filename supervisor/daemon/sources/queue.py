"""The queue: tasks added by hand or by another program, kept in the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from supervisor.core.decisions.tables import Tables
from supervisor.core.tasks.task import Problem, Task
from supervisor.daemon.recorder import Recorder
from supervisor.daemon.sources.feeds import ToWork
from supervisor.world.journal.entries import Meta, QueueDrop, QueueRow
from supervisor.world.journal.ticket import Ticket
from supervisor.world.sources.mapping import Defaults, task_from_mapping

_NUMBER = "queue.last_number"


class QueueError(Exception):
    """The task was refused; one line says why."""


class Queue:
    """The tasks that were added, in the order of adding. `name` is that of its source, if configured."""

    def __init__(
        self,
        tables: Tables,
        recorder: Recorder,
        to_work: ToWork,
        rows: Iterable[QueueRow],
        meta: Mapping[str, Any],
    ) -> None:
        self._tables = tables
        self._recorder = recorder
        self._to_work = to_work
        self._rows = {row.key: dict(row.task) for row in rows}
        self._number = int(meta.get(_NUMBER, 0))
        self.name: str | None = None
        self.defaults = Defaults()

    def rows(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Return what is queued, by key."""
        return self._rows.items()

    def add(self, data: dict[str, Any]) -> tuple[Task, Ticket]:
        """Check a task and store it; return it, and the ticket that says when it is durable.

        Raises:
            QueueError: there is no queue, the task is not one, or its key is taken.
        """
        if self.name is None:
            raise QueueError('there is no queue; add a source with kind = "queue" to the config')
        number = self._number + 1
        key = f"q-{number}"
        task = task_from_mapping(
            data,
            source=self.name,
            where="the new task",
            defaults=self.defaults,
            created=0.0,
            fallback={"key": key, "title": key},
        )
        work = task if isinstance(task, Problem) else self._to_work(task)
        if isinstance(work, Problem):
            raise QueueError(work.sentence())
        task = work.task
        if task.key in self._tables.backlog or task.key in self._rows:
            raise QueueError(f'there is a task "{task.key}" already; give the new one another id')
        data = {**data, "created": data.get("created") or datetime.now(UTC).isoformat()}
        self._number = number
        self._rows[task.key] = data
        return task, self._recorder.submit([QueueRow(task.key, data), Meta(_NUMBER, number)])

    def undo(self, key: str) -> None:
        """Take back a task that could not be stored: the journal keeps what it owes and writes it later."""
        self._rows.pop(key, None)
        self._recorder.submit([QueueDrop(key)])
