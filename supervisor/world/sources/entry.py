"""What became of one entry of a source, and the reading that all of them make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from supervisor.core.tasks.task import Problem, Reading, Stage, Task
from supervisor.world.sources.mapping import Defaults, held_until, hints, task_from_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Accepted:
    """An entry that is a task, with remarks on it if there are any."""

    task: Task
    remarks: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """An entry that is a task, waiting until the Unix time `until` in seconds."""

    task: Task
    until: float
    remarks: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """An entry that cannot be a task."""

    problem: Problem


Entry = Accepted | Held | Rejected


def read_entry(
    data: Mapping[Any, Any],
    *,
    source: str,
    where: str,
    defaults: Defaults,
    created: float,
    fallback: Mapping[str, object],
) -> Entry:
    """Return what `data` amounts to; the arguments are those of `task_from_mapping`."""
    outcome = task_from_mapping(
        data, source=source, where=where, defaults=defaults, created=created, fallback=fallback
    )
    if isinstance(outcome, Problem):
        return Rejected(outcome)
    remarks = hints(data, source=source, where=where)
    until = held_until(data)
    return Accepted(outcome, remarks) if until is None else Held(outcome, until, remarks)


@dataclass(frozen=True, slots=True)
class Gathered:
    """A reading, and the Unix time in seconds at which it changes by itself, if it does."""

    reading: Reading
    due: float | None


def gather(source: str, entries: Iterable[Entry], problems: Iterable[Problem], now: float) -> Gathered:
    """Return the reading that `entries` make at the Unix time `now`, after `problems` of the source itself."""
    tasks: list[Task] = []
    found = list(problems)
    due: float | None = None
    for entry in entries:
        match entry:
            case Accepted(task, remarks):
                tasks.append(task)
                found.extend(remarks)
            case Held(task, until, remarks):
                if until > now and task.stage is not Stage.CLOSED:
                    task = replace(task, stage=Stage.WAITING)
                    due = until if due is None else min(due, until)
                tasks.append(task)
                found.extend(remarks)
            case Rejected(problem):
                found.append(problem)
    return Gathered(Reading(source, tuple(tasks), tuple(found)), due)
