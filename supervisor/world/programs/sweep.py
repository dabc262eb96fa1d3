"""Ending every process of a session that we started, and proving that it is gone."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass

# One look at /proc can miss a process whose parent ends while it is read.
_EMPTY_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A living process of a session."""

    pid: int
    command: str


def sweep(leader: int, patience: float) -> tuple[Member, ...]:
    """Kill all processes of the session that `leader` began; return those alive after `patience` seconds.

    The caller has not reaped `leader`, so neither its process group nor its session number can have
    been given to anybody else. Out of reach are processes that began a session of their own, and those
    that left the group and then replace themselves faster than /proc can be read.
    """
    deadline = time.monotonic() + patience
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    empty = 0
    members: tuple[Member, ...] = ()
    while empty < _EMPTY_LOOKS and (not members or time.monotonic() < deadline):
        with ExitStack() as descriptors:
            members = _kill(leader, deadline, descriptors)
        empty = 0 if members else empty + 1
    return members


def _kill(session: int, deadline: float, descriptors: ExitStack) -> tuple[Member, ...]:
    """Kill what lives in `session` and wait until it is dead; return what was found."""
    found: list[Member] = []
    poll = select.poll()
    alive: set[int] = set()
    numbers = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - names suffice
    # Newest first: what was born a moment before the listing may be gone a moment after it.
    for pid in sorted(numbers, reverse=True):
        if _command(pid, session) is None:
            continue
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            continue
        descriptors.callback(os.close, descriptor)
        # The number may have changed hands before it was opened; from here on it cannot.
        command = _command(pid, session)
        if command is not None:
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            poll.register(descriptor, select.POLLIN)
            alive.add(descriptor)
            found.append(Member(pid, command))
    while alive and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            poll.unregister(descriptor)
            alive.discard(descriptor)
    return tuple(found)


def _command(pid: int, session: int) -> str | None:
    """Return the name of a living process of `session`; `None` if `pid` is none, or a dead one."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - hundreds at a time
            head, _, rest = file.read().rpartition(b")")
    except OSError:
        return None
    fields = rest.split()
    if int(fields[3]) != session or fields[0] in b"ZX":
        return None
    return head.partition(b"(")[2].decode(errors="replace")
