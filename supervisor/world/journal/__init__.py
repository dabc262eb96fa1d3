"""What must survive a crash, in one SQLite file: intents, endings, events, and the memory of tasks, schedules and pacing."""

from supervisor.world.journal.entries import (
    Entry,
    Event,
    Meta,
    PacingDrop,
    PacingRow,
    QueueDrop,
    QueueRow,
    ScheduleRow,
    SessionRow,
    TaskDrop,
    TaskRow,
)
from supervisor.world.journal.errors import (
    EntryRefusedError,
    JournalCorruptError,
    JournalError,
    JournalLockedError,
    JournalOverflowError,
    JournalTooNewError,
    TaskAlreadyLive,
)
from supervisor.world.journal.journal import Journal
from supervisor.world.journal.opening import Recovery
from supervisor.world.journal.reader import Reader, Recorded, Snapshot
from supervisor.world.journal.statelock import StateLock
from supervisor.world.journal.ticket import Ticket

__all__ = [
    "Entry",
    "EntryRefusedError",
    "Event",
    "Journal",
    "JournalCorruptError",
    "JournalError",
    "JournalLockedError",
    "JournalOverflowError",
    "JournalTooNewError",
    "Meta",
    "PacingDrop",
    "PacingRow",
    "QueueDrop",
    "QueueRow",
    "Reader",
    "Recorded",
    "Recovery",
    "ScheduleRow",
    "SessionRow",
    "Snapshot",
    "StateLock",
    "TaskAlreadyLive",
    "TaskDrop",
    "TaskRow",
    "Ticket",
]
