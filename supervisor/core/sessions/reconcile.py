"""What is found of a session, and what that means: one table over every combination of facts.

It is asked at the start for each session of the journal and each folder beside them, and again whenever
a worker falls silent or ends. Unknown is not dead: where the facts prove neither life nor death, nothing
is ended, released or started.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Row(enum.Enum):
    """What the journal says of the session."""

    STARTING = "its start is intended"
    BEGUN = "its harness was started"
    ENDED = "it has ended"
    MISSING = "it is not in the journal"


class Spec(enum.Enum):
    """What a worker would find that comes only now."""

    ABSENT = "there is no folder"
    UNWRITTEN = "the folder has no specification"
    READY = "the specification waits for a worker"
    WITHDRAWN = "the specification was withdrawn: a worker that comes now starts nothing"


class Lock(enum.Enum):
    """Who holds the lock that a worker has from before its start until its death."""

    PROVEN = "held by a process that runs as this session's worker"
    HELD = "held by a process that is not proven to be this session's worker"
    FREE = "held by nobody"
    ABSENT = "never made, or removed"
    UNKNOWN = "out of sight"


class Worker(enum.Enum):
    """What became of the process that the worker's record names."""

    MISSING = "it left no record of itself"
    DAMAGED = "its record cannot be used"
    FOREIGN = "its record is another session's"
    OTHER_BOOT = "its record is of an earlier boot"
    GONE = "the process in its record is gone"
    ANOTHER = "the process id in its record belongs to another program now"
    LIVING = "the process in its record lives and runs as this session's worker"


class Exit(enum.Enum):
    """What the exit record says."""

    MISSING = "there is no exit record"
    OWN = "the exit record says how it ended"
    DAMAGED = "the exit record cannot be used"
    FOREIGN = "the exit record is another session's"


class Remains(enum.Enum):
    """Whether a unit, a cgroup or marked processes of the session exist."""

    NONE = "nothing else of it exists"
    PRESENT = "something of it exists"
    UNKNOWN = "whether anything else of it exists cannot be seen"


@dataclass(frozen=True, slots=True)
class Found:
    """All facts about one session at one instant.

    `patient` is true until the time is over in which a service manager starts what it was told to start.
    """

    row: Row
    spec: Spec
    lock: Lock
    worker: Worker
    exit: Exit
    remains: Remains
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Adopt:
    """Its worker lives: connect to it, and take the session over as it is."""

    why: str


@dataclass(frozen=True, slots=True)
class Finalise:
    """It ended by itself and left a record: take that in."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """It ran, its worker is dead, and nobody wrote down how: end what is left of it, then say so."""

    why: str


@dataclass(frozen=True, slots=True)
class NeverStarted:
    """No harness of it ever ran, and none will: give its task back."""

    why: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Nobody has begun it: take its specification away, so that this stays true, and look again."""

    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Neither life nor death is proven: keep everything as it is, and look again."""

    why: str


@dataclass(frozen=True, slots=True)
class Stray:
    """Something of it lives that the journal does not answer for: tell the operator."""

    why: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """It is over, and nothing of it is left but files."""

    why: str


Verdict = Adopt | Finalise | Lost | NeverStarted | Withdraw | Wait | Stray | Nothing


def judge(found: Found) -> Verdict:
    """Say what the facts mean for one session; the sentence in the verdict is the evidence."""
    if found.row in {Row.ENDED, Row.MISSING}:
        return _unanswered(found)
    match found.lock:
        case Lock.PROVEN:
            return Adopt(f"its lock is {found.lock.value}")
        case Lock.HELD | Lock.UNKNOWN:
            return Wait(f"its lock is {found.lock.value}; {found.worker.value}")
        case Lock.FREE | Lock.ABSENT:
            if found.worker is Worker.LIVING:  # somebody removed or replaced the lock's file
                return Adopt(f"{found.worker.value}, although its lock is {found.lock.value}")
            return _without_worker(found)


def _without_worker(found: Found) -> Verdict:
    """Judge a session of the journal whose worker is proven dead, or was never there."""
    if found.exit is Exit.OWN:
        return Finalise(found.exit.value)
    if found.row is Row.BEGUN or found.worker is not Worker.MISSING or found.exit is not Exit.MISSING:
        return Lost(_how_lost(found))
    # The worker writes its record before it starts a harness: without one, nothing of the session ever ran.
    match found.spec:
        case Spec.ABSENT | Spec.UNWRITTEN | Spec.WITHDRAWN:
            if found.lock is Lock.ABSENT:
                return NeverStarted("the supervisor ended before its worker was started")
            return NeverStarted("its worker ended before it started the harness")
        case Spec.READY if found.patient and found.remains is not Remains.NONE:
            return Wait(f"its worker may be on its way: {found.remains.value}, and its lock is not held yet")
        case Spec.READY:
            return Withdraw(f"{found.spec.value}, and its lock is {found.lock.value}")


def _how_lost(found: Found) -> str:
    if found.worker is Worker.OTHER_BOOT:
        return "the machine was started anew while it ran"
    how = {
        Exit.MISSING: "the worker ended without writing a record",
        Exit.DAMAGED: "the worker ended, and its exit record cannot be used",
        Exit.FOREIGN: "the worker ended, and the exit record in its folder is another session's",
        Exit.OWN: found.exit.value,
    }[found.exit]
    match found.worker:
        case Worker.GONE | Worker.LIVING | Worker.OTHER_BOOT:
            return how
        case Worker.MISSING if found.spec is Spec.ABSENT:
            return "its folder is gone, and no worker of it lives"
        case _:
            return f"{how}; {found.worker.value}"


def _unanswered(found: Found) -> Verdict:
    """Judge what is there of a session that the journal does not call alive."""
    journal = (
        "the journal does not know it" if found.row is Row.MISSING else "the journal says that it has ended"
    )
    if found.lock is Lock.PROVEN or found.worker is Worker.LIVING:
        return Stray(f"its worker lives, but {journal}")
    if found.lock is Lock.HELD:
        return Stray(f"its lock is {found.lock.value}, and {journal}")
    if found.remains is Remains.PRESENT:
        return Stray(f"processes of it are left, but {journal}")
    if found.lock is Lock.UNKNOWN or found.remains is Remains.UNKNOWN:
        return Wait(f"{journal}; whether anything of it lives cannot be seen")
    return Nothing(f"{journal}, and nothing of it lives")
