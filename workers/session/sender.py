"""Who sent a signal, in words for the record."""

from __future__ import annotations

import os

from workers.session import notify


def sender(pid: int, uid: int) -> str:
    """Return a name for the process that sent a signal; it may have ended since."""
    if pid == 0:
        return "signal"  # from outside this pid namespace
    if notify.managed() and pid in {1, os.getppid()}:
        return "service manager"
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = f" ({file.read().strip()})"
    except OSError:
        name = ""
    return f"pid {pid}{name} of uid {uid}"
