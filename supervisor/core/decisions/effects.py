"""What the core asks the world to do. Values only: whoever carries them out owns the doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisor.core.leases.lease import Lease, TimedOut, Woken
from supervisor.core.sessions.lifecycle import Kill, Stop


@dataclass(frozen=True, slots=True)
class Note:
    """Append an event to the journal, the log and the event stream."""

    kind: str
    session: str | None = None
    task: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SaveSession:
    """Write the session's row."""

    session: str


@dataclass(frozen=True, slots=True)
class SaveTask:
    """Write the record of a task."""

    key: str


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the worker of this session, once everything noted before is durable."""

    session: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Pass a wish on to a session's worker."""

    session: str
    wish: Stop | Kill


@dataclass(frozen=True, slots=True)
class Notify:
    """Write a line into the session's notice file."""

    session: str
    text: str


@dataclass(frozen=True, slots=True)
class Entrust:
    """Tell the session's worker of leases that it has now and that its guard did not ask for."""

    session: str
    leases: tuple[Lease, ...]


@dataclass(frozen=True, slots=True)
class Disown:
    """Tell the session's worker of leases that have ended, by their tokens."""

    session: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recount:
    """Give the session's worker the list of all that it holds: it has never been told, or what it knows is unknown."""

    session: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Read from the repository what a session did, now that none of its processes is left."""

    session: str


@dataclass(frozen=True, slots=True)
class Wake:
    """A queued lease request has its result."""

    result: Woken | TimedOut


@dataclass(frozen=True, slots=True)
class Reread:
    """Read these sources again: a commit may have closed what they offer."""

    sources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Probe:
    """Take the session's progress fingerprint."""

    session: str


@dataclass(frozen=True, slots=True)
class CheckIdle:
    """Find out whether this lease's holder still writes there; its time is up and somebody waits."""

    token: int


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Make a session's guard forget this lease, and see whether anything below it is still open for writing."""

    session: str
    token: int


Order = Tell | Notify | Entrust | Disown | Recount | Settle | Probe | CheckIdle | TakeBack
"""What is done to a session: said to its worker, or looked for where it works."""

Effect = Note | SaveSession | SaveTask | Launch | Wake | Reread | Order
