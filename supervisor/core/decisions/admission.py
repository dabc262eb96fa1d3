"""Whether new sessions may start at all: open, paused or draining."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Open:
    """Sessions start as slots allow."""


@dataclass(frozen=True, slots=True)
class Paused:
    """Nothing new starts until somebody resumes; `since` is Unix seconds."""

    by: str
    why: str
    since: float


@dataclass(frozen=True, slots=True)
class Draining:
    """What runs may finish; nothing new starts; `since` is Unix seconds."""

    by: str
    since: float


@dataclass(frozen=True, slots=True)
class Closing:
    """The supervisor itself is about to end; nothing new starts, and no order but its end changes that."""

    by: str
    since: float


Admission = Open | Paused | Draining | Closing


def admission_name(admission: Admission) -> str:
    """Return the word that status and logs use."""
    match admission:
        case Open():
            return "open"
        case Paused():
            return "paused"
        case Draining() | Closing():
            return "draining"
