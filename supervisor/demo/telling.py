"""What a session tells of itself: a line in its own log, and the same to whoever watches."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from pathlib import Path
from typing import Any


class Teller:
    """The voice of one session. `log` is its file; `ear` the datagram socket of the watcher."""

    def __init__(self, session: str, task: str, log: Path, ear: str) -> None:
        self.session = session
        self._task = task
        self._log = log
        self._ear = ear
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def tell(self, kind: str, **data: Any) -> None:
        """Write down one event; that nobody watches (any more) changes nothing for the session."""
        event = {"at": time.time(), "session": self.session, "task": self._task, "kind": kind, **data}
        line = json.dumps(event)
        with self._log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        with contextlib.suppress(OSError):
            self._socket.sendto(line.encode(), self._ear)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
