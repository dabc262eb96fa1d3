"""Leases, what is asked of the broker, and each answer it can give."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from supervisor.core.leases.scope import Scope


class Mode(enum.Enum):
    """How a scope is held: by one, or by several who agreed to share."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Want:
    """One scope that is asked for, and the mode it is asked in."""

    scope: Scope
    mode: Mode = Mode.EXCLUSIVE


class Lease(NamedTuple):
    """The right of `holder` to write the paths of `scope`, granted at `granted_at` (seconds).

    A named tuple, because a frozen dataclass takes twice as long to make, on each grant.
    """

    holder: str
    scope: Scope
    mode: Mode
    token: int
    granted_at: float


@dataclass(frozen=True, slots=True)
class Queued:
    """A claim of a waiter that stands in the way: who asked for what, and since when (seconds)."""

    holder: str
    scope: Scope
    mode: Mode
    waiter: int
    asked_at: float


Conflict: TypeAlias = Lease | Queued
"""What stands in the way of a request; both have `holder`, `scope` and `mode`."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The whole set is held: for each want, in order, the lease that covers it."""

    leases: tuple[Lease, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was granted; `conflicts` holds at least one reason."""

    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class WouldDeadlock:
    """Nothing was granted, for the wait would never end.

    `cycle` starts with the one who asked; each waits for the next, and the last for the first.
    """

    cycle: tuple[str, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The request stands in the queue as `waiter` until it is granted, cancelled or `deadline` (seconds)."""

    waiter: int
    holder: str
    wants: tuple[Want, ...]
    priority: int
    asked_at: float
    deadline: float
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Woken:
    """A waiter that has now been granted its whole set; `fresh` are those of its leases that it did not have before."""

    waiter: int
    holder: str
    leases: tuple[Lease, ...]
    fresh: tuple[Lease, ...]


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A waiter whose time is over, and what stood in its way at that moment."""

    waiter: int
    holder: str
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """The holder has a lease over the path."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Free:
    """Nobody has a lease over the path."""


@dataclass(frozen=True, slots=True)
class HeldByOther:
    """Somebody else has a lease over the path."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The holder had a lease over the path, with `token`, and lost it; `successor` has one now, if anybody."""

    token: int
    successor: Lease | None


Answer: TypeAlias = Granted | Refused | WouldDeadlock | Waiting
Admission: TypeAlias = Held | Free | HeldByOther | Lapsed
