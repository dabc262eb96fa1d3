"""What can be written to the journal: events, and the rows of the tables kept beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `at_wall` (Unix seconds); it is only ever appended.

    `seq` is its number if the writer gives one (above all numbers so far), else the journal's next.
    """

    at_wall: float
    kind: str
    session: str | None = None
    task: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as last known; times are Unix seconds.

    The row of its id is replaced, until it has an ending: from then on it never changes, and a
    second ending is ignored. A task can have one row without an ending.

    Raises:
        ValueError: `ended_at` and `outcome` are not both set or both `None`.
    """

    id: str
    task: str
    intent: Mapping[str, Any]
    state: str
    started_at: float
    ended_at: float | None = None
    outcome: str | None = None
    ending: Mapping[str, Any] | None = None
    grade: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if (self.ended_at is None) is not (self.outcome is None):
            raise ValueError(f"session {self.id}: an ending has both a time and an outcome")


@dataclass(frozen=True, slots=True)
class GradeRow:
    """Another grade for a session that has ended: the one part of its row that may still change."""

    session: str
    grade: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What the supervisor knows of a task besides its source; replaces the row of `key`."""

    key: str
    disposition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskDrop:
    """Forget the row of a task."""

    key: str


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A task added by hand; replaces the row of `key`, which keeps its place in the queue."""

    key: str
    task: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QueueDrop:
    """Take a task off the queue."""

    key: str


@dataclass(frozen=True, slots=True)
class Meta:
    """One named value, anything that JSON can hold; replaces the value of `key`."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """The memory of a schedule: its last due time, and the slots that wait, as (due time, number).

    Times are Unix seconds.
    """

    name: str
    last_due_wall: float
    queued: Sequence[tuple[float, int]] = ()


@dataclass(frozen=True, slots=True)
class PacingRow:
    """One thing that paces starts, such as a lane that is paused; replaces the value of (`kind`, `name`)."""

    kind: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class PacingDrop:
    """Forget a row of that kind and name."""

    kind: str
    name: str


Entry = (
    Event
    | SessionRow
    | GradeRow
    | TaskRow
    | TaskDrop
    | QueueRow
    | QueueDrop
    | Meta
    | ScheduleRow
    | PacingRow
    | PacingDrop
)
