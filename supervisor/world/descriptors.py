"""How many descriptors the supervisor may have open: a session takes three or four, and so does a client."""

from __future__ import annotations

import contextlib
import resource

WANTED = 65_536
_before: list[tuple[int, int]] = []  # the limits that this process began with


def raise_limit() -> None:
    """Raise this process's soft limit as far as is allowed and sensible; done once, at the start.

    The soft limit is low for programs that use select(2), which this one does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        _before[:] = [(soft, hard)]


def restore_limit(pid: int) -> None:
    """Give a process that was just started the limits that this one began with."""
    if _before:
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _before[0])
