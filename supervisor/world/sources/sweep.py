"""Ending every process of a session that we started, and proving that it is gone."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass

# One look at /proc can miss a chain of processes that replace each other while it is read.
_EMPTY_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A living process of a session."""

    pid: int
    command: str


def sweep(leader: int, patience: float) -> tuple[Member, ...]:
    """Kill all processes of the session that `leader` began; return those alive after `patience` seconds.

    The caller has not reaped `leader`, so neither its process group nor its session number can have
    been given to anybody else. A process that began a session of its own is out of reach.
    """
    deadline = time.monotonic() + patience
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    empty = 0
    while empty < _EMPTY_LOOKS:
        members = _members(leader)
        empty = 0 if members else empty + 1
        left = deadline - time.monotonic()
        if members and left <= 0:
            return members
        _kill(members, leader, max(left, 0.0))
    return ()


def _kill(members: tuple[Member, ...], session: int, patience: float) -> None:
    """Kill `members` that still belong to `session`, and wait until they are dead."""
    poll = select.poll()
    with ExitStack() as stack:
        alive: set[int] = set()
        for member in members:
            try:
                descriptor = os.pidfd_open(member.pid)
            except ProcessLookupError:
                continue
            stack.callback(os.close, descriptor)
            # The number may have changed hands before it was opened; from here on it cannot.
            if _session(member.pid)[0] == session:
                with suppress(ProcessLookupError, PermissionError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                poll.register(descriptor, select.POLLIN)
                alive.add(descriptor)
        deadline = time.monotonic() + patience
        while alive and (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                poll.unregister(descriptor)
                alive.discard(descriptor)


def _members(session: int) -> tuple[Member, ...]:
    found: list[Member] = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted
        if name.isdecimal():
            number, command = _session(int(name))
            if number == session:
                found.append(Member(int(name), command))
    return tuple(found)


def _session(pid: int) -> tuple[int, str]:
    """Return the session and the name of a process; a dead one is in session -1."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - hundreds at a time
            head, _, rest = file.read().rpartition(b")")
    except OSError:
        return -1, ""
    fields = rest.split()
    if fields[0] in b"ZX":
        return -1, ""
    return int(fields[3]), head.partition(b"(")[2].decode(errors="replace")
