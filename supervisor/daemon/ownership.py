"""What one supervisor has for itself, its state directory and its socket: taken before anything else, and watched."""

from __future__ import annotations

from supervisor.world.config.discover import socket_path
from supervisor.world.config.models import Settings
from supervisor.world.control.listener import refuse_if_served
from supervisor.world.journal.journal import Journal
from supervisor.world.journal.statelock import StateLock
from supervisor.world.systemd.attached import Attached


def claim(settings: Settings, attached: Attached) -> StateLock:
    """Take the state directory, unless another supervisor answers where this one would.

    Raises:
        JournalError, ListenError: it belongs to another, or cannot be used.
    """
    path = socket_path(settings)
    lock = StateLock.acquire(settings.supervisor.state_dir, path)
    try:
        if attached.handed.control is None:
            refuse_if_served(path)
    except BaseException:
        lock.release()
        raise
    return lock


def misplaced(journal: Journal) -> str:
    """Say that the state directory was taken away, so that nothing new can be kept; empty while it is in place."""
    if journal.in_place:
        return ""
    return (
        f"{journal.path.parent} was removed or replaced while the supervisor ran; end it with TERM (its sessions go on), "
        "put the directory back, and start it again"
    )
