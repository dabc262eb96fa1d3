"""What the worker says to the service manager that started it, if one did."""

from __future__ import annotations

import os
import socket

SLACK = 30.0  # seconds that the end of a session takes at most beyond its grace: sweep, record, farewell

# What the service manager gives to the worker alone; a harness that had it could speak in the worker's name.
PRIVATE = frozenset(
    {
        "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID",
        "MAINPID", "MANAGERPID", "NOTIFY_SOCKET", "SYSTEMD_EXEC_PID", "WATCHDOG_PID", "WATCHDOG_USEC",
    }
)  # fmt: skip


def managed() -> bool:
    """Tell whether a service manager wants to hear of this worker."""
    return "NOTIFY_SOCKET" in os.environ


def ready() -> None:
    """Say that the worker listens."""
    _tell("READY=1")


def allow(seconds: float) -> None:
    """Ask for so many more seconds before the service manager's own time limits end this worker."""
    _tell(f"EXTEND_TIMEOUT_USEC={max(1, int(min(seconds, 1e9) * 1e6))}")


def _tell(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.sendto(message.encode(), address)
    except OSError:
        return  # it goes by the exit status then
