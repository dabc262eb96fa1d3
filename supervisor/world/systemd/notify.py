"""What a service tells the manager that started it: sd_notify(3), with descriptors and barriers."""

from __future__ import annotations

import array
import os
import select
import socket
import time
from collections.abc import Iterable, MutableMapping

_PATIENCE = 1.0  # seconds; a manager that does not read for so long must not stop the loop
_MESSAGE_MAX = 200  # characters of a status; `systemctl status` shows one line


class Notifier:
    """Sends messages to the service manager; without one, sends nothing and says so by `False`."""

    __slots__ = ("_address",)

    def __init__(self, address: str | None) -> None:
        self._address = address

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Notifier:
        """Return the notifier that $NOTIFY_SOCKET names, and take the variable out: it is for us alone."""
        return cls(environ.pop("NOTIFY_SOCKET", None) or None)

    @property
    def connected(self) -> bool:
        """Whether there is a manager to speak to."""
        return self._address is not None

    def send(self, *lines: str, fds: Iterable[int] = ()) -> bool:
        """Send `lines` as one message, with descriptors; return whether the manager has got it."""
        if self._address is None:
            return False
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        rights = array.array("i", fds)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else []
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(_PATIENCE)
                sock.sendmsg(["\n".join(lines).encode()], ancillary, 0, address)
        except OSError:
            return False  # the manager is going down or hangs; nothing here depends on its hearing us
        return True

    def status(self, text: str) -> bool:
        """Set the line that `systemctl status` shows."""
        return self.send("STATUS=" + " ".join(text.split())[:_MESSAGE_MAX])

    def reloading(self) -> bool:
        """Say that the service is about to reload; READY=1 ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000  # what the protocol asks for
        return self.send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def keep(self, name: str, fd: int) -> bool:
        """Have the manager keep a copy of `fd`, which the next start of this service is handed under `name`."""
        return self.send("FDSTORE=1", f"FDNAME={name}", fds=[fd])

    def forget(self, name: str) -> bool:
        """Have the manager close what it keeps under `name`."""
        return self.send("FDSTOREREMOVE=1", f"FDNAME={name}")

    def barrier(self, seconds: float) -> bool:
        """Wait until the manager has taken in everything sent before, at most `seconds`."""
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        with os.fdopen(ours, "rb"):
            with os.fdopen(theirs, "wb"):
                sent = self.send("BARRIER=1", fds=[theirs])
            waiting = select.poll()
            waiting.register(ours, select.POLLHUP)
            return sent and bool(waiting.poll(seconds * 1000))


def watchdog_seconds(environ: MutableMapping[str, str], pid: int) -> float | None:
    """Return how often, in seconds, the manager wants a sign of life from `pid`; take the variables out."""
    usec, meant = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    if not usec.isdigit() or int(usec) == 0 or (meant and meant != str(pid)):
        return None
    return int(usec) / 1e6
